"""Fine-tuned language models, the paper's oracle baselines (section 6.3; reference notes, 2.11).

One GPT-2 for each task, trained on ``control, bos, text, eos``; it samples (FT-sample) or searches
with a beam (FT-search) after ``control, bos``. Two of them multiply to a product of experts
(FT-PoE), the paper's baseline for compositions (Table 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from baselines.autoregressive import (
    Autoregressive,
    Decoded,
    Heads,
    check_vocabularies,
    prompts,
    uniforms,
)
from baselines.finetuned.card import FT_POE, FT_SAMPLE, FT_SEARCH
from baselines.finetuned.settings import FTPoESettings
from models.base import Card, TargetSamples
from models.jobs import Job
from models.nets.backbones import CausalLM
from models.nets.beam import beam_search
from models.nets.causal import load_lm
from models.nets.codec import Codec
from models.nets.decoding import Experts, sample
from tasks.base import Target, Task
from tasks.common.progress import Progress, silent
from tasks.controls import Control


class _FineTuned(Autoregressive):
    """A fine-tuned model with its task's prompts; subclasses say how a group of jobs decodes."""

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        model, codec, _ = load_lm(folders["finetuned"], device)
        return cls(model, codec, task, settings)

    def _heads(self, control: Control) -> list[list[int]]:
        return prompts(self.task, control, [self.codec])


class FTSample(_FineTuned):
    """Ancestral sampling; temperature 1 over the whole vocabulary unless set otherwise."""

    card: ClassVar[Card] = FT_SAMPLE

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        texts = sample(
            self.model,
            [job.given.head for job in jobs],
            uniforms(self.name, jobs, seed, limit),
            self.codec.eos,
            self.codec.forbidden,
            temperature=self.settings.temperature,
            top_k=self.settings.top_k,
            top_p=self.settings.top_p,
        )
        return [(ids, float(len(ids))) for ids in texts]


class FTSearch(_FineTuned):
    """Beam search. It is deterministic, so each target gets one sample, of index 0, however many
    ``samples_per_target`` asks for (reference notes, sections 2.11 and 2.13); ``seed`` is not used.

    Network evaluations: the steps until the target's search ended, times the number of beams.
    """

    card: ClassVar[Card] = FT_SEARCH

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """As for samples, with one sample a target."""
        return super().generate(
            targets, self.card.samples(self.settings, samples_per_target), seed, batch, progress
        )

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        beams = self.settings.beams
        prompts = [job.given.head for job in jobs]
        eos, forbidden = self.codec.eos, self.codec.forbidden
        hypotheses = beam_search(self.model, prompts, limit, eos, forbidden, beams)
        return [(ids, float(steps * beams)) for ids, steps in hypotheses]


class FTPoE(Autoregressive):
    """Samples from the product of the fine-tuned models of a composition's parts (paper, section
    7.2 and Table 4; there is no released code: the sum of log-probabilities is what the reference
    notes suggest, section 2.13).

    Each model reads the prompt of its own part and keeps its own cache. A product of distributions
    is one over words, renormalised; temperature, top_k and top_p apply to it. Network evaluations:
    one of each model a token.
    """

    card: ClassVar[Card] = FT_POE

    def __init__(
        self,
        models: Sequence[CausalLM],
        codecs: Sequence[Codec],
        task: Task,
        settings: FTPoESettings,
    ) -> None:
        super().__init__(models[0], codecs[0], task, settings)
        self.models, self.codecs = models, codecs

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        """Raises ``UserError`` where the models were trained on different vocabularies."""
        used = [folders[role] for role in cls.card.needs(task, settings)]
        models, codecs, _ = zip(*(load_lm(folder, device) for folder in used), strict=True)
        check_vocabularies(used, codecs)
        return cls(models, codecs, task, settings)

    def _heads(self, control: Control) -> list[list[int]]:
        return prompts(self.task, control, self.codecs)

    def _positions(self) -> list[int]:
        return [model.positions for model in self.models]

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        rest = [[job.given.others[i] for job in jobs] for i in range(len(self.models) - 1)]
        texts = sample(
            self.model,
            [job.given.head for job in jobs],
            uniforms(self.name, jobs, seed, limit),
            self.codec.eos,
            self.codec.forbidden,
            temperature=self.settings.temperature,
            top_k=self.settings.top_k,
            top_p=self.settings.top_p,
            reweighting=Experts(self.models[1:], rest, self.codec.text_size),
        )
        return [(ids, float(len(ids) * len(self.models))) for ids in texts]
