"""Causal language models: training from scratch, fine-tuning, loading (paper, section 6.3).

One network serves as FUDGE's base model, as the fine-tuned baselines and as the teacher behind
lm-score: they differ in their prompts, their data and their seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base import stream_seed
from models.nets import parallel
from models.nets.artefact import load_network, save_network
from models.nets.backbones import CausalLM, fresh, from_record, load_pretrained
from models.nets.codec import Codec, TokenizerCodec, WordCodec, load_codec
from models.nets.config import LMConfig
from models.nets.learned import SHUFFLED, Learned, compared
from models.nets.train import fit
from tasks.base import Words
from tasks.common.batching import BatchPlan
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.vocabulary import Vocabulary

Example = tuple[Sequence[str], Words]
"""Prompt tokens (none for an unconditional model) and the words of the text."""

VALIDATION_EXAMPLES = 1024
#: draws of another prompt than a text's own
TRIES = 8


def pad_rows(rows: Sequence[np.ndarray], pad: int) -> Tensor:
    """Sequences of ids side by side, filled up on the right: (rows, longest)."""
    out = np.full((len(rows), max(map(len, rows))), pad, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return torch.from_numpy(out)


def token_nll(model: CausalLM, ids: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihoods in nats, fp32, of the tokens that ``mask`` marks, flat in row order.

    ``ids`` (B, L), padded on the right, which no real token attends to; ``mask`` (B, L - 1) marks
    positions 1.. as predicted.
    """
    logits = model.logits(model.hidden(ids[:, :-1])[mask]).float()
    return F.cross_entropy(logits, ids[:, 1:][mask], reduction="none")


class LMObjective:
    """Mean negative log-likelihood per token, padding left out of the loss.

    (The reference code's loss includes the PAD labels; reference notes, sections 2.9 and 2.11.)
    A batch is a random draw of sequences, run in parts of like lengths to save padding. (Whole
    batches of like lengths would teach each one its own length, and the next one another.) The
    prompt's tokens count in training, as in the reference code, unless ``loss_on_prompt`` is off;
    bos is predicted where a prompt stands before it.
    """

    def __init__(
        self,
        model: CausalLM,
        codec: Codec,
        train: Sequence[Example],
        valid: Sequence[Example],
        config: LMConfig,
        seed: int,
    ) -> None:
        self.module: nn.Module = model.network
        self.model, self.codec, self.config = model, codec, config
        self.rows, self.heads = self._encode(train)
        step = max(1, -(-len(valid) // VALIDATION_EXAMPLES))
        self.valid = valid[::step]
        self.held, self.held_heads = self._encode(self.valid)
        self.plan = BatchPlan(len(self.rows), config.train.batch, seed)

    def _encode(self, examples: Sequence[Example]) -> tuple[list[np.ndarray], np.ndarray]:
        rows, heads = [], []
        for prompt, words in examples:
            ids, head = self.codec.sequence(prompt, words)
            rows.append(np.array(ids[: self.config.max_length], dtype=np.int32))
            heads.append(head)
        return rows, np.array(heads)

    def _nll(self, rows: list[np.ndarray], first: np.ndarray) -> Tensor:
        """Flat token losses of ``rows``; row i is predicted from token ``first[i]`` on."""
        device = self.model.device
        ids = pad_rows(rows, self.codec.pad).to(device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        start = torch.as_tensor(first, device=device)
        at = torch.arange(1, ids.shape[1], device=device)
        return token_nll(self.model, ids, (at >= start[:, None]) & (at < lengths[:, None]))

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        batch = parallel.share(self.plan(step))
        parts = []
        for part in by_length([len(self.rows[i]) for i in batch], rows_at_once(self.model.device)):
            chosen = batch[part]
            first = self.heads[chosen]
            if self.config.loss_on_prompt:
                first = np.ones_like(first)
            parts.append(self._nll([self.rows[i] for i in chosen], first))
        return parallel.mean(torch.cat(parts)), {}

    def validate(self) -> Mapping[str, float]:
        """Nats per token of the text and eos (never of the prompt), all tokens alike."""
        if not self.held:
            return {}
        total, count = 0.0, 0
        for chosen in by_length([len(row) for row in self.held], 64):
            nll = self._nll([self.held[i] for i in chosen], self.held_heads[chosen])
            total, count = total + float(nll.sum()), count + len(nll)
        return {"nll": total / max(1, count)}

    def learned(self) -> Learned | None:
        """What its prompts tell of held-out texts, each against that of another one; nats a token
        (None for a model without prompts)."""
        rng, rows = np.random.default_rng(0), list[tuple[Words, Example]]()
        for prompt, words in self.valid if any(prompt for prompt, _ in self.valid) else ():
            others = (self.valid[i][0] for i in rng.permutation(len(self.valid))[:TRIES])
            other = next((one for one in others if tuple(one) != tuple(prompt)), None)
            room = self.config.max_length - len(self.codec.encode(words)) - 2
            if other is not None and max(len(prompt), len(other)) <= room:
                rows += [(words, (prompt, words)), (words, (other, words))]
        ids, heads = self._encode([row for _, row in rows])
        nll = np.zeros(len(ids))
        for chosen in by_length([len(row) for row in ids], 64):
            parts = [len(ids[i]) - heads[i] for i in chosen]
            every = self._nll([ids[i] for i in chosen], heads[chosen]).cpu().split(parts)
            nll[chosen] = [float(one.mean()) for one in every]
        return compared(nll[::2], nll[1::2], [words for words, _ in rows[::2]], SHUFFLED)


def rows_at_once(device: torch.device) -> int:
    """Rows of a training batch that run together: few on a CPU, where padding costs the most."""
    return 16 if device.type == "cpu" else 1024


def by_length(lengths: Sequence[int], batch: int) -> Iterator[np.ndarray]:
    """Indices in batches of like lengths."""
    order = np.argsort(np.asarray(lengths), kind="stable")
    for i in range(0, len(order), batch):
        yield order[i : i + batch]


def train_lm(
    folder: Path,
    train: Sequence[Example],
    valid: Sequence[Example],
    codec: Codec,
    config: LMConfig,
    seed: int,
    *,
    device: torch.device,
    progress: Progress = silent,
    init: Path | None = None,
) -> None:
    """Trains on ``train`` and writes weights.safetensors, codec.json, config.json and curve.jsonl.

    ``init``: folder of another language model over the same words to start from; prompt tokens
    and positions that it lacks get fresh embeddings. With ``config.pretrained``, ``codec`` must be
    the :class:`TokenizerCodec` of that model. Raises ``UserError`` where these do not fit together.
    """
    if not train:
        raise UserError("no training examples for the language model")
    torch.manual_seed(stream_seed(seed, "causal_lm", "init"))
    model = _initial(codec, config, init)
    model.to(device)
    objective = LMObjective(model, codec, train, valid, config, seed)
    fit(objective, config.train, folder, seed, device, progress)
    _save(folder, model, codec, config)


def adopt_lm(folder: Path, codec: Codec, config: LMConfig, *, others: bool = False) -> None:
    """Writes ``config.pretrained`` as it is to ``folder``, as :func:`train_lm` does a trained one.
    ``others``: as of :func:`models.nets.backbones.load_pretrained`.

    Raises ``UserError`` if it cannot be had or reads other ids than ``codec`` writes.
    """
    model = load_pretrained(config.pretrained, others)
    if len(codec) > model.vocabulary:
        raise UserError(f"pretrained model '{config.pretrained}' needs its own tokenizer")
    _save(folder, model, codec, config)


@dataclass(frozen=True)
class Stored:
    """What config.json holds: the settings of training, and the shape of what came out."""

    lm: LMConfig
    network: dict[str, Any]

    @property
    def facts(self) -> dict[str, Any]:
        return {"kind": "causal_lm", **self.network}


def _save(folder: Path, model: CausalLM, codec: Codec, config: LMConfig) -> None:
    stored = Stored(config, model.record)
    save_network(folder, model.stored, stored, stored.facts, words=("codec", codec))


def load_lm(folder: Path, device: torch.device) -> tuple[CausalLM, Codec, LMConfig]:
    """The trained network on ``device``, as :meth:`CausalLM.served`, its codec and its config.

    Raises ``UserError`` if a file is missing, cut short, or belongs to another model.
    """

    def build(stored: Stored, codec: Codec) -> tuple[CausalLM, Mapping[str, Any]]:
        return from_record(stored.network), stored.facts

    model, stored, codec = load_network(
        folder, Stored, build, words=("codec", load_codec), stored=lambda made: made.stored
    )
    return model.served(device), codec, stored.lm


def word_table(folder: Path, vocabulary: Vocabulary) -> Tensor:
    """(V, width), fp32: the embeddings that the language model in ``folder`` reads words by. Raises
    ``UserError`` for one of subwords, or of another vocabulary."""
    model, codec, _ = load_lm(folder, torch.device("cpu"))
    if not isinstance(codec, WordCodec) or codec.vocabulary.digest != vocabulary.digest:
        raise UserError(f"the language model in {folder} does not read the words of the corpus")
    return model.table.detach().float()[: len(vocabulary)]


def _initial(codec: Codec, config: LMConfig, init: Path | None) -> CausalLM:
    if init is not None:
        return _further(codec, config, init)
    if config.pretrained:
        return _pretrained(codec, config)
    if isinstance(codec, TokenizerCodec):
        raise UserError("a subword tokenizer goes with 'pretrained', which is empty")
    return fresh(len(codec), config)


def _further(codec: Codec, config: LMConfig, init: Path) -> CausalLM:
    """The language model of ``init``, with room for the prompts of ``codec``."""
    model, other, _ = load_lm(init, torch.device("cpu"))
    if other.with_prompt([]).digest != codec.with_prompt([]).digest:
        raise UserError(f"the language model in {init} was trained on another vocabulary")
    model.float().requires_grad_(True)
    model.set_dropout(config.dropout)
    model.lengthen(config.max_length)
    # prompt tokens that both know keep their rows; the rest start afresh
    old = model.table.detach().clone()
    model.resize(codec.text_size)
    model.resize(len(codec))
    with torch.no_grad():
        for token in set(codec.prompt) & set(other.prompt):
            at, source = codec.encode_prompt([token])[0], other.encode_prompt([token])[0]
            model.table[at] = old[source]
    return model


def _pretrained(codec: Codec, config: LMConfig) -> CausalLM:
    if not isinstance(codec, TokenizerCodec):
        raise UserError(f"pretrained model '{config.pretrained}' needs its own tokenizer")
    model = load_pretrained(config.pretrained)
    if model.positions < config.max_length:
        raise UserError(
            f"pretrained model '{config.pretrained}' has {model.positions} positions, "
            f"fewer than max_length {config.max_length}"
        )
    model.resize(len(codec))
    return model
