"""What a way of decoding with Diffusion-LM is: guided, free, infilling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import torch

from models.base import TargetSamples
from models.diffusion.latents.diffusion import Diffusion
from models.jobs import Job, Made
from tasks.base import Target
from tasks.common.progress import Progress
from tasks.vocabulary import Vocabulary

G = TypeVar("G")


class Streams(Protocol):
    """The random streams of samples (:func:`models.base.sample_rng` of a seed and a method)."""

    def __call__(self, target_id: str, index: int, *uses: str) -> torch.Generator: ...


class Way(ABC, Generic[G]):
    """How a network decodes under one task; ``G``: what is prepared for a sample."""

    diffusion: Diffusion
    vocabulary: Vocabulary

    @abstractmethod
    def check(self, targets: Sequence[Target]) -> None:
        """Raises ``UserError`` for a target that it cannot answer."""

    @abstractmethod
    def given(self, target: Target, index: int, streams: Streams) -> G:
        """What one sample starts from."""

    def alike(self, job: Job[G]) -> object:
        """A key; jobs of equal keys run together."""
        return None

    @abstractmethod
    def decode(self, jobs: list[Job[G]], streams: Streams, progress: Progress) -> list[Made]:
        """The texts of jobs that are alike."""

    def whole(self, target: Target) -> dict[str, Any] | None:
        """What :meth:`Diffusion.latents` takes, beside a random stream, for a whole text of one
        target; None where the way fills in."""
        return None

    def answer(self, target: Target, samples: TargetSamples) -> TargetSamples:
        """The samples as they are handed out."""
        return samples
