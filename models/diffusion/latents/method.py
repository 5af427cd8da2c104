"""The generators whose network decodes latents, free of torch, so that a family's file may hold its
card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from models.base import Frame, Generator, TargetSamples, sample_rng
from models.diffusion.latents.card import FillingCard, LatentCard, PromptedCard
from models.diffusion.latents.decoding import InfillingConfig, LatentSettings
from models.diffusion.latents.prompting import PromptedLatentSettings
from tasks.base import Target, Task
from tasks.common.progress import Progress, silent

if TYPE_CHECKING:
    import torch

    from models.diffusion.latents.diffusion import Diffusion
    from models.diffusion.latents.way import Way
    from models.jobs import Job, Made
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
        from models.jobs import run

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

    def trajectory(self, target: Target, seed: int, frames: int) -> list[Frame]:
        """The nearest word of every position's latent."""
        from models.diffusion.latents.frames import frames_of

        rngs = [sample_rng(seed, self.name, target.id, 0)]
        found = frames_of(self.way, target, rngs, frames)
        return super().trajectory(target, seed, frames) if found is None else found


class LatentDiffusion(Decoding):
    """A family that came after Diffusion-LM, guided by scores."""

    card: ClassVar[LatentCard]

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: LatentSettings, device: torch.device
    ) -> Self:
        from models.diffusion.latents.loading import filling, steered

        if task.fills:
            config = InfillingConfig("framed", "variable", sampling=settings.sampling)
            return cls(filling(cls.card.network, folders, config, device))
        return cls(steered(cls.card, folders, task, settings, device))


class Filling(Decoding):
    """A family's network that fills in between clean contexts."""

    card: ClassVar[FillingCard]

    @classmethod
    def load(
        cls,
        folders: Mapping[str, Path],
        task: Task,
        settings: InfillingConfig,
        device: torch.device,
    ) -> Self:
        from models.diffusion.latents.loading import filling

        return cls(filling(cls.card.network, folders, settings, device))


class PromptedLatents(Decoding):
    """A family's network behind prompts, under classifier-free guidance."""

    card: ClassVar[PromptedCard]

    @classmethod
    def load(
        cls,
        folders: Mapping[str, Path],
        task: Task,
        settings: PromptedLatentSettings,
        device: torch.device,
    ) -> Self:
        """Raises ``UserError`` for networks that are damaged or were not trained from one."""
        from models.diffusion.latents.prompted import load_behind

        return cls(load_behind(cls.card, folders, task, settings, device))
