"""Fine-tuned language models, the paper's oracle baselines (section 6.3; reference notes, 2.11).

One GPT-2 for each task, trained on ``control, bos, text, eos``; it samples (FT-sample) or searches
with a beam (FT-search) after ``control, bos``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from transformers import GPT2LMHeadModel

from baselines.autoregressive import Job, check_lengths, run, uniforms
from baselines.settings import FTSampleSettings, FTSearchSettings
from models.base import Generator, TargetSamples
from models.causal_lm import load_lm
from models.codec import Codec
from models.decoding import beam_search, sample
from tasks.base import Target, Task
from tasks.progress import Progress, silent


class _FineTuned(Generator):
    """A fine-tuned model with its task's prompts; subclasses say how a group of jobs decodes."""

    def __init__(self, model: GPT2LMHeadModel, codec: Codec, task: Task, settings: Any) -> None:
        self.model, self.codec, self.task, self.settings = model, codec, task, settings

    @classmethod
    def artefacts(cls, task: str) -> tuple[str, ...]:
        return ("finetuned",)

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        model, codec, _ = load_lm(folders["finetuned"], device)
        return cls(model, codec, task, settings)

    def _decode(self, jobs: list[Job], seed: int, limit: int) -> list[tuple[list[int], float]]:
        raise NotImplementedError

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """Raises ``UserError`` for a target that needs more words than the model can decode, or
        whose prompt holds a token that it was not trained with."""
        heads = [self.codec.head(self.task.prompt(target.control)) for target in targets]
        positions, max_words = self.model.config.n_positions, self.settings.max_words
        check_lengths(targets, heads, max_words, positions)
        most = self.codec.limit(max_words)

        def decode(jobs: list[Job]) -> list[tuple[list[int], float]]:
            return self._decode(jobs, seed, min(most, positions - len(jobs[0].head)))

        device = self.model.device
        yield from run(
            targets, samples_per_target, heads, decode, self.codec, batch, device, progress
        )


class FTSample(_FineTuned):
    """Ancestral sampling; temperature 1 over the whole vocabulary unless set otherwise."""

    name: ClassVar[str] = "ft_sample"
    Settings: ClassVar[type] = FTSampleSettings

    def _decode(self, jobs: list[Job], seed: int, limit: int) -> list[tuple[list[int], float]]:
        texts = sample(
            self.model,
            [job.head for job in jobs],
            uniforms(self.name, jobs, seed, limit),
            self.codec.eos,
            self.codec.forbidden,
            self.settings.temperature,
            self.settings.top_k,
            self.settings.top_p,
        )
        return [(ids, float(len(ids))) for ids in texts]


class FTSearch(_FineTuned):
    """Beam search. It is deterministic, so each target gets one sample, of index 0, however many
    ``samples_per_target`` asks for (reference notes, sections 2.11 and 2.13); ``seed`` is not used.

    Network evaluations: the steps until the target's search ended, times the number of beams.
    """

    name: ClassVar[str] = "ft_search"
    Settings: ClassVar[type] = FTSearchSettings

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """As for samples, with one sample a target."""
        return super().generate(targets, min(1, samples_per_target), seed, batch, progress)

    def _decode(self, jobs: list[Job], seed: int, limit: int) -> list[tuple[list[int], float]]:
        beams = self.settings.beams
        prompts = [job.head for job in jobs]
        eos, forbidden = self.codec.eos, self.codec.forbidden
        found = beam_search(self.model, prompts, limit, eos, forbidden, beams)
        return [(ids, float(steps * beams)) for ids, steps in found]
