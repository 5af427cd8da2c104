"""The generator that every family of discrete diffusion is, free of torch, so that a family's file
may hold its card."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from models.base import Frame, Generator, TargetSamples
from models.diffusion.words.card import WordsCard
from tasks.base import Target, Task
from tasks.common.progress import Progress, silent

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from models.diffusion.words.decoding import Decoder


class WordDiffusion(Generator):
    """A family says how words are noised and read back (``process``), and what its network says of
    them (``estimate``)."""

    card: ClassVar[WordsCard]

    def __init__(self, decoder: Decoder, settings: Any) -> None:
        self.decoder, self.settings = decoder, settings

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        from models.diffusion.words.decoding import load

        return cls(load(cls.card, folders, task, settings, device), settings)

    @abstractmethod
    def process(self, free: Tensor) -> Any:
        """The noise of rows whose words ``free`` (B, L) are to be found: what
        :func:`models.diffusion.loop.walk` takes, drawing with uniforms (B, 2, L)."""

    def estimate(self, logits: Tensor, x: Tensor, time: Tensor) -> Tensor:
        """log p(word), up to a constant a position, (B, L, V), from what the network says of texts
        x (B, L) at ``time`` (B,) in (0, 1]: as a rule, that itself."""
        return logits

    def generate(
        self, targets: Sequence[Target], samples_per_target: int, seed: int, batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:  # fmt: skip
        """As for every method. Raises ``UserError`` for a target that does not fit the network."""
        return self.decoder.generate(self, targets, samples_per_target, seed, batch, progress)

    def trajectory(self, target: Target, seed: int, frames: int) -> list[Frame]:
        """Masks are shown as a middle dot."""
        return self.decoder.trajectory(self, target, seed, frames)
