"""Diffusion-LM as a generator: the paper's method, and the floor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from models.base import Card, Frame, Generator, TargetSamples, sample_rng
from models.diffusion.classifiers.kinds import GUIDED_BY
from models.diffusion.classifiers.training import MakeGuide, load_guide
from models.diffusion.loop import moments
from models.diffusion.pinning import read_lengths
from models.diffusion_lm.card import DIFFUSION_LM, FLUENCY, SELF_GUIDED, UNCONDITIONAL
from models.diffusion_lm.config import InfillingConfig, control_kinds, guidance_for
from models.diffusion_lm.diffusion import Diffusion, refuse_block, space
from models.diffusion_lm.guided import Fluent, Free, Guided, LengthGuide
from models.diffusion_lm.infilling import Infilling
from models.diffusion_lm.training import load_diffusion
from models.diffusion_lm.way import Way
from models.jobs import Job, Made, run
from models.nets.unk import repairer
from tasks.base import Target, Task
from tasks.common.progress import Progress, silent
from tasks.vocabulary import Vocabulary


class Decoding(Generator):
    """A network that decodes one ``way``."""

    def __init__(self, way: Way[Any]) -> None:
        self.way = way

    @property
    def diffusion(self) -> Diffusion:
        return self.way.diffusion

    @property
    def vocabulary(self) -> Vocabulary:
        return self.way.vocabulary

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """As for every method. Raises ``UserError`` for a target that the network cannot answer."""
        way, streams = self.way, partial(sample_rng, seed, self.name)
        way.check(targets)

        def decode(jobs: list[Job[Any]], report: Progress) -> list[Made]:
            return way.decode(jobs, streams, report)

        results = run(
            targets,
            samples_per_target,
            decode,
            batch,
            progress,
            given=lambda target, index: way.given(target, index, streams),
            alike=way.alike,
        )
        for target, samples in zip(targets, results, strict=bool(samples_per_target)):
            yield way.answer(target, samples)


class Unconditional(Decoding):
    """Samples without any control: the floor that a task's score is compared with."""

    card: ClassVar[Card] = UNCONDITIONAL

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        denoiser, vocabulary = load_diffusion(folders["diffusion"], device)
        return cls(Free(Diffusion(denoiser, settings.sampling, device), vocabulary))


class FluencyAlone(Decoding):
    """Diffusion-LM under the constants of a task's guidance and without its control: what is left
    of the floor at guidance's own temperature. Network evaluations: one a step."""

    card: ClassVar[Card] = FLUENCY

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        denoiser, vocabulary = load_diffusion(folders["diffusion"], device)
        diffusion = Diffusion(denoiser, settings.sampling, device)
        return cls(Fluent(diffusion, vocabulary, guidance_for(settings, task.name)))


class DiffusionLM(Decoding):
    """Diffusion-LM (Li et al., 2022): guided by gradients (section 5.1), or where a task's samples
    fill a gap, with the contexts pinned (section 6.1)."""

    card: ClassVar[Card] = DIFFUSION_LM

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        denoiser, vocabulary = load_diffusion(folders["diffusion"], device)
        refuse_block(denoiser)
        if task.fills:
            filling = settings.infilling or InfillingConfig()
            lengths = read_lengths(folders["lengths"]) if filling.middle == "variable" else None
            repair = repairer(filling.unk, filling.repair_model, device)
            diffusion = Diffusion(denoiser, filling.sampling, device)
            return cls(Infilling(diffusion, vocabulary, filling, lengths, repair))
        diffusion = Diffusion(denoiser, settings.sampling, device)
        config = guidance_for(settings, task.name)
        read = space(denoiser, vocabulary, settings.sampling.steps)
        guides: list[MakeGuide] = []
        for kind in control_kinds(task.name).values():
            if kind in SELF_GUIDED:
                guides.append(partial(LengthGuide, diffusion, config=config))
            else:
                folder, compiled = folders[GUIDED_BY[kind].role], settings.sampling.compile
                guides.append(load_guide(kind, folder, read, compiled))
        return cls(Guided(diffusion, vocabulary, config, guides))

    def trajectory(self, target: Target, seed: int, frames: int) -> list[Frame]:
        """The nearest word of every position's latent."""
        if not isinstance(self.way, Guided):
            return super().trajectory(target, seed, frames)
        diffusion, made = self.diffusion, list[Frame]()
        schedule = diffusion.schedule
        wanted = moments(schedule.steps, frames)

        def note(x: torch.Tensor, t: int) -> torch.Tensor:
            if t in wanted:
                (ids,) = diffusion.ids(x)
                std = float(schedule.std[t]) if t >= 0 else 0.0
                made.append(Frame(t, std, tuple(self.vocabulary.decode(ids))))
            return x

        rngs = [sample_rng(seed, self.name, target.id, 0)]
        diffusion.latents(rngs, correct=self.way.guidance([target.control]), pin=note)
        return made
