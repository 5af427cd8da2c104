"""Left-only: a language model goes on from the left context and never sees the right one.

The floor of the infilling methods in Qin et al. 2020 and 2022, quoted in the paper's Table 5. The
model is trained on longer texts than a sentence, so a sample ends at its first sentence-final mark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor

from baselines.autoregressive import Decoded, Heads, continuations, uniforms
from baselines.candidates import (
    MARKS,
    excluded,
    first_sentence,
)
from baselines.left_only.card import CARD
from baselines.left_only.settings import LeftOnlySettings
from models.base import Card, Generator, TargetSamples
from models.infilling import infill
from models.jobs import Job
from models.nets.backbones import CausalLM
from models.nets.causal import load_lm
from models.nets.codec import Codec
from models.nets.decoding import sample
from models.nets.unk import MaskedRepair, repairer
from tasks.base import Target, Task, Words
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent


class StopAfter:
    """A reweighting that lets nothing but eos follow one of ``marks``."""

    def __init__(self, marks: Sequence[int], eos: int) -> None:
        self.marks, self.eos = marks, eos
        self.over: Tensor | None = None

    def logits(self, logits: Tensor) -> Tensor:
        if self.over is None:
            return logits
        only = torch.full_like(logits, -torch.inf)
        only[:, self.eos] = 0.0
        return torch.where(self.over[:, None], only, logits)

    def keep(self, rows: Tensor) -> None:
        self.over = None if self.over is None else self.over[rows]

    def advance(self, tokens: Tensor) -> None:
        now = torch.isin(tokens, torch.tensor(self.marks, device=tokens.device))
        self.over = now if self.over is None else self.over | now


class LeftOnly(Generator):
    """Samples of the language model behind bos and the left context, each up to its first
    sentence-final mark, eos or ``max_words``; the first one is the answer.

    ``tokens`` are those of the sample with its eos, if it drew one; a sample that ends at once has
    no words. Network evaluations: one a token.
    """

    card: ClassVar[Card] = CARD

    def __init__(
        self,
        model: CausalLM,
        codec: Codec,
        settings: LeftOnlySettings,
        repair: MaskedRepair | None = None,
    ) -> None:
        self.model, self.codec, self.settings, self.repair = model, codec, settings, repair
        known = [mark for mark in MARKS if mark in codec.vocabulary.ids]
        self.marks = sorted({codec.inner(mark) for mark in known})
        self.excluded = excluded(codec, settings.unk)

    @classmethod
    def load(
        cls,
        folders: Mapping[str, Path],
        task: Task,
        settings: LeftOnlySettings,
        device: torch.device,
    ) -> Self:
        model, codec, _ = load_lm(folders["lm"], device)
        repair = repairer(settings.unk, settings.repair_model, device)
        return cls(model, codec, settings, repair)

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """At most ``candidates`` samples a target. Raises ``UserError`` for a target whose left
        context fills all that the model reads."""
        samples_per_target = self.card.samples(self.settings, samples_per_target)
        codec, positions = self.codec, self.model.positions
        heads = {
            target.id: Heads.of([[*codec.head(()), *codec.encode(infill(target).left)]])
            for target in targets
        }
        for target in targets:
            length = len(heads[target.id].head)
            if length >= positions:
                raise UserError(
                    f"target {target.id}: its left context takes {length} tokens, which leaves "
                    f"no room for a sentence; the language model reads {positions}"
                )
        results = continuations(
            targets,
            samples_per_target,
            partial(self._decode, seed=seed),
            batch,
            progress,
            heads=heads,
            positions=[positions],
            limit=codec.limit(self.settings.max_words),
            codec=codec,
            device=self.model.device,
        )
        for target, result in zip(targets, results, strict=bool(samples_per_target)):
            samples = tuple(
                replace(one, words=self._cut(target, one.words)) for one in result.samples
            )
            yield replace(result, samples=samples, chosen=0)

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        eos, settings = self.codec.eos, self.settings
        texts = sample(
            self.model,
            [job.given.head for job in jobs],
            uniforms(self.name, jobs, seed, limit),
            eos,
            self.excluded,
            temperature=settings.temperature,
            top_k=settings.top_k,
            top_p=settings.top_p,
            reweighting=StopAfter(self.marks, eos),
        )
        # the eos behind a mark was put there, not drawn
        cut = [
            ids[:-1] if ids[-1] == eos and ids[-2:-1] and ids[-2] in self.marks else ids
            for ids in texts
        ]
        return [(ids, float(len(ids))) for ids in cut]

    def _cut(self, target: Target, words: Words) -> Words:
        words = first_sentence(words)[: self.settings.max_words]
        if self.repair is None:
            return words
        return self.repair.repair(infill(target).left, words, ())
