"""The tag classifier, which guides parts of speech.

Shapes: B batch, L length, D embedding dimension, C tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from models.diffusion.classifiers.base import (
    Answers,
    Guide,
    LatentEncoder,
    NoisyObjective,
    Setup,
    Space,
    Tally,
)
from models.diffusion.config import ClassifierConfig
from models.diffusion.guidance import LogProb
from models.nets.sequences import encode
from tasks.base import Text, Words
from tasks.common.errors import UserError, unknown
from tasks.controls import Control, TagSequence
from tasks.vocabulary import PAD, SPECIALS, Vocabulary

#: the universal tag set, which every classifier knows whatever tags its texts have
UPOS = (
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN",
    "PUNCT", "SCONJ", "SYM", "VERB", "X",
)  # fmt: skip


class TagClassifier(LatentEncoder):
    """p(tag of each position | x_t, t); START, END and PAD are tags of their own, 21 in all."""

    def __init__(self, config: ClassifierConfig, space: Space, tags: int) -> None:
        super().__init__(config, space)
        self.tag = nn.Linear(config.network.width, tags, bias=False)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """Logits (B, L, C), fp32, of latents x (B, L, D) at levels s (B,)."""
        logits: Tensor = self.tag(self.states(x, s))
        return logits.float()


class TagObjective(NoisyObjective[TagClassifier, Tensor]):
    """Cross-entropy over all L positions: START, the tags, END, PAD.

    Held-out figures: the share of positions with the right tag, without PAD (``accuracy``) and
    with (``accuracy_with_pad``).
    """

    def batch_loss(self, rows: Tensor, x: Tensor, s: Tensor) -> Tensor:
        gold = self.train_gold[rows].to(x.device)
        return F.cross_entropy(self.classifier(x, s).flatten(0, 1), gold.flatten())

    def answers(self, rows: slice, x: Tensor, s: Tensor) -> Answers:
        """The tags of words."""
        gold = self.valid_gold[rows].to(x.device)
        row, at = (gold >= len(SPECIALS)).nonzero(as_tuple=True)
        label = gold[row, at]
        loss = F.cross_entropy(self.classifier(x, s)[row, at], label, reduction="none")
        return row, loss, label, label.new_zeros(len(label))

    def tally(self, rows: slice, x: Tensor, s: Tensor) -> Tally:
        gold = self.valid_gold[rows]
        right = self.classifier(x, s).argmax(-1).cpu() == gold
        kept = gold != PAD
        return {
            "accuracy": (float(right[kept].sum()), float(kept.sum())),
            "accuracy_with_pad": (float(right.sum()), float(gold.numel())),
        }


def tag_vocabulary(seen: Iterable[str]) -> Vocabulary:
    """START, END, UNK, PAD, the universal tags, then other ``seen`` ones in order."""
    return Vocabulary([*SPECIALS, *UPOS, *sorted(set(seen) - set(UPOS))])


def objective(setup: Setup) -> tuple[TagObjective, list[str]]:
    """The objective of a fresh network, and its tags. Every text must carry its tags."""
    tags = tag_vocabulary(tag for text in setup.train for tag in _tags(text))

    space = setup.space

    def data(texts: Sequence[Text]) -> tuple[Tensor, Tensor]:
        words = encode([text.words for text in texts], space.vocabulary, space.length, "pad")
        return words, encode([_tags(text) for text in texts], tags, space.length, "pad")

    classifier, _ = restore(tags.words, setup.config, space)
    made = TagObjective(
        classifier,
        space,
        train=data(setup.train),
        valid=data(setup.valid),
        batch=setup.config.train.batch,
        seed=setup.seed,
    )
    return made, list(tags.words)


def restore(
    stored: Sequence[str], config: ClassifierConfig, space: Space
) -> tuple[TagClassifier, Vocabulary]:
    """A fresh network for the tags ``stored``, and these."""
    network = TagClassifier(config, space, len(stored))
    return network, Vocabulary(stored)


def _tags(text: Text) -> Words:
    if text.tags is None or len(text.tags) != len(text.words):
        count = "no" if text.tags is None else len(text.tags)
        raise UserError(f"a text of {len(text.words)} words has {count} tags: tag the corpus first")
    return text.tags


class TagGuide(Guide):
    """The mean over all L positions of log p(tag | x_s, s), for START, the tags, END and PAD to
    the end, so that the length is asked for as well. The released code's mean (the paper writes the
    sum) is what its weight of the fluency term was tuned to."""

    per_row = ("gold",)

    def __init__(
        self, classifier: TagClassifier, tags: Vocabulary, controls: Sequence[Control]
    ) -> None:
        self.classifier = classifier
        wanted = []
        for control in controls:
            if not isinstance(control, TagSequence):
                raise UserError(f"the tag classifier cannot read {control}")
            for tag in control.tags:
                if tag not in tags.ids or tag in SPECIALS:
                    raise unknown("tag", tag, tags.words[len(SPECIALS) :])
            wanted.append(control.tags)
        length = classifier.position_embedding.num_embeddings - 1
        self.gold = encode(wanted, tags, length, "pad").to(classifier.device)

    @property
    def terms(self) -> int:
        return self.gold.shape[1]

    def __call__(self, x: Tensor, s: int | Tensor) -> Tensor:
        level = self.at(x, s)
        scores = self.classifier(x, level).log_softmax(-1)
        return scores.gather(2, self.gold[..., None])[..., 0].mean(1)


#: kind of control -> its guide
GUIDES: Mapping[str, Callable[[TagClassifier, Vocabulary, Sequence[Control]], LogProb]] = {
    TagSequence.kind: TagGuide,
}
