"""The attribute classifier, which guides semantic content: a causal language model that reads the
latents of a text and then an attribute, "field : value" (paper, appendix D; reference notes, 2.7).

Shapes: B batch, L length, D embedding dimension, K attributes of a text, A tokens of the longest
attribute, V tokens that an attribute can hold.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.diffusion.classifiers.base import (
    Answers,
    Guide,
    LatentInput,
    NoisyObjective,
    Setup,
    Space,
    Tally,
)
from models.diffusion.config import ClassifierConfig
from models.diffusion.guidance import LogProb
from models.nets.backbones import Decoder, fresh_body
from models.nets.precision import by_token
from models.nets.sequences import encode
from tasks.base import Words
from tasks.common.errors import UserError, unknown
from tasks.controls import Control, FieldValue
from tasks.vocabulary import END, PAD, UNK, Vocabulary

COLON = ":"
#: attributes of one text that are read in one pass in training; of more, several passes are made
TOGETHER = 8


@dataclass(frozen=True)
class AttributeTokens:
    """How an attribute reads as ids: field, ":", the words of the value, END; PAD to ``length``.

    Ids are the vocabulary's, then those of ``words`` (words of attributes that texts lack), then
    those of ``fields``. Each field name is one token, told apart from all others and from words,
    where the reference code reads its words and makes those that texts lack UNK. A word of a value
    that neither texts nor training attributes hold is UNK.
    """

    vocabulary: Vocabulary
    words: tuple[str, ...]
    fields: tuple[str, ...]
    length: int

    @classmethod
    def build(cls, controls: Sequence[FieldValue], vocabulary: Vocabulary) -> AttributeTokens:
        """Those of the training attributes. Raises ``UserError`` if there are none."""
        if not controls:
            raise UserError("no training text has a field value")
        words = {COLON, *(word for control in controls for word in control.words)}
        return cls(
            vocabulary,
            tuple(sorted(words - set(vocabulary.words))),
            tuple(sorted({control.field for control in controls})),
            3 + max(len(control.words) for control in controls),
        )

    @property
    def extra(self) -> int:
        """Tokens beyond the vocabulary."""
        return len(self.words) + len(self.fields)

    def fits(self, control: FieldValue) -> bool:
        """Whether the field is known and the value no longer than all of the training's."""
        return control.field in self.fields and len(control.words) <= self.length - 3

    def encode(self, control: Control) -> list[int]:
        """(A,) ids. Raises ``UserError`` for a control of another kind, a field that no training
        text has, or a value longer than all of theirs."""
        if not isinstance(control, FieldValue):
            raise UserError(f"the attribute classifier cannot read {control}")
        if control.field not in self.fields:
            raise unknown("field", control.field, self.fields)
        if len(control.words) > self.length - 3:
            raise UserError(
                f"the value '{control.value}' has {len(control.words)} words; the attribute "
                f"classifier reads at most {self.length - 3}"
            )
        known = len(self.vocabulary)
        field = known + len(self.words) + self.fields.index(control.field)
        extra = {word: known + i for i, word in enumerate(self.words)}
        body = [
            self.vocabulary.ids.get(word, extra.get(word, UNK)) for word in (COLON, *control.words)
        ]
        ids = [field, *body, END]
        return ids + [PAD] * (self.length - len(ids))

    def to_json(self) -> dict[str, Any]:
        return {"words": self.words, "fields": self.fields, "length": self.length}

    @classmethod
    def from_json(cls, data: Any, vocabulary: Vocabulary) -> AttributeTokens:
        try:
            return cls(vocabulary, tuple(data["words"]), tuple(data["fields"]), int(data["length"]))
        except (TypeError, KeyError, ValueError):
            raise UserError("the attribute classifier's labels are damaged") from None


class AttributeClassifier(LatentInput):
    """p(each token of an attribute | x_t, t, the tokens before it), GPT-2's architecture.

    The sequence is [time; L projected latents; attribute], and an attribute's words enter as their
    word embeddings, projected like latents; tokens that texts lack have embeddings of their own.
    K attributes of one text follow it side by side, each at the positions right after the text and
    seeing the text and itself alone: what K separate sequences would give, with the text read once.
    """

    def __init__(self, config: ClassifierConfig, space: Space, tokens: int, extra: int) -> None:
        super().__init__(config, space)
        network, known = config.network, len(space.vocabulary)
        positions = 1 + space.length + tokens - 1
        self.body = fresh_body(
            0, positions, layers=network.layers, width=network.width, heads=network.heads,
            dropout=network.dropout, feedforward=network.feedforward,
            attention_dropout=network.attention_dropout,
        )  # fmt: skip
        dim = network.width
        # a process may have an id beyond the vocabulary (a mask), which no attribute holds
        self._known = known
        if space.table is not None:
            dim = space.table.shape[1]
            words = space.table[:known].detach().clone()
            self.register_buffer("words", words, persistent=False)
        self.extra_embedding = nn.Embedding(extra, dim)
        self.head = nn.Linear(network.width, known + extra, bias=False)

    @property
    def attribute_table(self) -> Tensor:
        """Embeddings (V, D), fp32, of all attribute tokens."""
        words = self.words if self.own_table is None else self.own_table[: self._known]
        assert isinstance(words, Tensor)
        return torch.cat([words.float(), self.extra_embedding.weight.float()])

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings (..., D), fp32, of attribute tokens."""
        return self.attribute_table[ids]

    def forward(self, x: Tensor, s: Tensor, attributes: Tensor) -> Tensor:
        """Logits (B, K, A - 1, V), fp32, of each attribute's tokens after the first.

        ``x`` (B, L, D) at levels ``s`` (B,); ``attributes`` (B, K, A, D) embedded tokens, the last
        of which is not read.
        """
        batch, several, tokens = attributes.shape[:3]
        text = self.inputs(x, s)
        read = self.project(attributes[:, :, :-1]).flatten(1, 2)
        mask, positions = _side_by_side(text.shape[1], several, tokens - 1, x.device)
        hidden = Decoder(self.body).hidden(
            embeds=torch.cat([text, read], 1),
            mask=torch.zeros_like(mask, dtype=self.dtype).masked_fill(
                ~mask, torch.finfo(self.dtype).min
            ),
            positions=positions,
        )[:, text.shape[1] :]
        logits = by_token(self.head, hidden.to(self.dtype))
        return logits.float().view(batch, several, tokens - 1, -1)


def _side_by_side(text: int, blocks: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Who sees whom, (1, 1, T, T), and positions (1, T) of a text followed by ``blocks`` blocks of
    ``size`` that see the text and, causally, themselves."""
    inside = torch.arange(size, device=device).repeat(blocks)
    place = torch.cat([torch.arange(text, device=device), text + inside])
    block = torch.arange(blocks, device=device).repeat_interleave(size)
    block = torch.cat([torch.full((text,), -1, device=device), block])
    same = (block[:, None] == block) | (block == -1)
    return (same & (place[:, None] >= place))[None, None], place[None]


class AttributeObjective(NoisyObjective[AttributeClassifier, Tensor]):
    """Cross-entropy of ":", the value and END (the released classifier could not be trained: its
    noise level was left undefined; here it is drawn as for the other classifiers).

    ``train`` and ``valid``: ids (N, L) of texts and (N, K, A) of their attributes, PAD where a text
    has fewer. With ``noised``, the embeddings of the attribute are noised as the text's are, as in
    the reference code; without, they are clean, as they are when guiding.

    Held-out figures, with clean attributes: the share of attributes all of whose value's tokens are
    the likeliest ones (``accuracy``), and that of each field.
    """

    def __init__(
        self,
        classifier: AttributeClassifier,
        space: Space,
        *,
        tokens: AttributeTokens,
        train: tuple[Tensor, Tensor],
        valid: tuple[Tensor, Tensor],
        batch: int,
        seed: int,
        noised: bool,
    ) -> None:
        super().__init__(classifier, space, train=train, valid=valid, batch=batch, seed=seed)
        self.tokens, self.noise_attributes = tokens, noised

    def batch_loss(self, rows: Tensor, x: Tensor, s: Tensor) -> Tensor:
        ids = _trim(self.train_gold[rows]).to(x.device)
        if self.noise_attributes:
            table = self.classifier.attribute_table
            noise = self.process.noise_for(ids, table)
            attributes = self.process.latents(ids, table, s, noise)
        else:
            attributes = self.classifier.embed(ids)
        logits = self.classifier(x, s, attributes)
        return F.cross_entropy(logits.flatten(0, 2), ids[..., 1:].flatten(), ignore_index=PAD)

    def answers(self, rows: slice, x: Tensor, s: Tensor) -> Answers:
        """The values of fields, each as a whole."""
        ids = self.valid_gold[rows].to(x.device)
        logits = self.classifier(x, s, self.classifier.embed(ids))
        each = F.cross_entropy(
            logits.flatten(0, 2), ids[..., 1:].flatten(), ignore_index=PAD, reduction="none"
        )
        loss = each.view(ids.shape[0], ids.shape[1], -1).sum(-1)
        row, at = (ids[..., 0] != PAD).nonzero(as_tuple=True)
        values = [hash(tuple(one)) for one in ids[row, at].tolist()]
        return row, loss[row, at], torch.tensor(values), ids[row, at, 0]

    def tally(self, rows: slice, x: Tensor, s: Tensor) -> Tally:
        ids = self.valid_gold[rows].to(x.device)
        predicted = self.classifier(x, s, self.classifier.embed(ids)).argmax(-1)
        gold = ids[..., 1:]
        right = ((predicted == gold) | ~scored(ids)).all(-1).cpu()
        first = ids[..., 0].cpu()
        base = len(self.tokens.vocabulary) + len(self.tokens.words)
        figures = {"accuracy": (float(right[first != PAD].sum()), float((first != PAD).sum()))}
        for i, field in enumerate(self.tokens.fields):
            here = first == base + i
            figures[field] = (float(right[here].sum()), float(here.sum()))
        return figures


def _trim(ids: Tensor) -> Tensor:
    """Attributes (B, K, A) without the columns that are PAD throughout."""
    used = ids != PAD
    several, length = int(used[..., 0].any(0).sum()), int(used.any(0).any(0).sum())
    return ids[:, :several, :length]


def scored(ids: Tensor) -> Tensor:
    """Which of the tokens 1.. of attributes (..., A) are ":" or the value's, (..., A - 1)."""
    return (ids[..., 1:] != END) & (ids[..., 1:] != PAD)


def objective(setup: Setup) -> tuple[AttributeObjective, dict[str, Any]]:
    """The objective of a fresh network, and its tokens. ``setup.examples`` gives the attributes of
    a text; pairs of other controls than field values are left out."""
    if setup.examples is None:
        raise UserError("the attribute classifier is trained on (field value, text) examples")
    pairs, held = (_attributes(setup.examples(texts)) for texts in (setup.train, setup.valid))
    controls = [control for _, several in pairs for control in several]
    space = setup.space
    tokens = AttributeTokens.build(controls, space.vocabulary)

    def data(texts: Sequence[tuple[Words, list[FieldValue]]]) -> tuple[Tensor, Tensor]:
        ids = encode([words for words, _ in texts], space.vocabulary, space.length, "pad")
        attributes = torch.full((len(texts), TOGETHER, tokens.length), PAD)
        for row, (_, several) in enumerate(texts):
            for k, control in enumerate(several):
                if tokens.fits(control):
                    attributes[row, k] = encoded(control)
        return ids, attributes

    @functools.cache
    def encoded(control: FieldValue) -> Tensor:
        return torch.tensor(tokens.encode(control))

    stored = tokens.to_json()
    classifier, _ = restore(stored, setup.config, space)
    made = AttributeObjective(
        classifier,
        space,
        tokens=tokens,
        train=data(pairs),
        valid=data(held),
        batch=setup.config.train.batch,
        seed=setup.seed,
        noised=setup.config.noised_attribute,
    )
    return made, stored


def restore(
    stored: Any, config: ClassifierConfig, space: Space
) -> tuple[AttributeClassifier, AttributeTokens]:
    """A fresh network for the attribute tokens ``stored``, and these. Raises ``UserError`` where
    they are damaged."""
    tokens = AttributeTokens.from_json(stored, space.vocabulary)
    network = AttributeClassifier(config, space, tokens.length, tokens.extra)
    return network, tokens


def _attributes(
    examples: Iterable[tuple[Control, Words]],
) -> list[tuple[Words, list[FieldValue]]]:
    """Texts with up to ``TOGETHER`` attributes each, a text with more several times."""
    out = []
    for words, group in groupby(examples, key=lambda pair: pair[1]):
        controls = [control for control, _ in group if isinstance(control, FieldValue)]
        for i in range(0, len(controls), TOGETHER):
            out.append((words, controls[i : i + TOGETHER]))
    return out


class AttributeGuide(Guide):
    """The mean of log p(token | x_s, s, tokens before it) over ":" and the value, as in the
    released code; the field is given, and END is not asked for. The attribute is clean."""

    per_row = ("ids", "scored")

    def __init__(
        self,
        classifier: AttributeClassifier,
        tokens: AttributeTokens,
        controls: Sequence[Control],
    ) -> None:
        self.classifier = classifier
        # as long as the longest attribute whatever the controls, so that rows beside a row do not
        # change its sums
        ids = torch.tensor([tokens.encode(control) for control in controls])
        self.ids = ids.to(classifier.device)[:, None]
        self.scored = scored(self.ids)[:, 0]

    @property
    def terms(self) -> Tensor:
        return self.scored.sum(1)

    def __call__(self, x: Tensor, s: int | Tensor) -> Tensor:
        level = self.at(x, s)
        logits = self.classifier(x, level, self.classifier.embed(self.ids))[:, 0]
        scores = logits.log_softmax(-1).gather(2, self.ids[:, 0, 1:, None])[..., 0]
        return (scores * self.scored).sum(1) / self.scored.sum(1)


#: kind of control -> its guide
GUIDES: Mapping[
    str, Callable[[AttributeClassifier, AttributeTokens, Sequence[Control]], LogProb]
] = {
    FieldValue.kind: AttributeGuide,
}
