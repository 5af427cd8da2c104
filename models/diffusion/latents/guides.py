"""Classifiers as guides of a network that decodes at other noise levels than theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.diffusion.classifiers.base import Guide
from models.diffusion.classifiers.training import (
    MakeClassifierGuide,
    load_guide,
    trained_steps,
)
from models.diffusion.latents.diffusion import Diffusion, space
from models.diffusion.schedule import nearest_levels
from tasks.controls import Control
from tasks.vocabulary import Vocabulary


def guide_of(
    control: str, folder: Path, diffusion: Diffusion, vocabulary: Vocabulary
) -> MakeClassifierGuide:
    """What guides a kind of control in ``diffusion``, from the classifier in ``folder``. At each
    decoding step it is told the one of its own steps whose noise is nearest. Raises ``UserError``
    as :func:`models.diffusion.classifiers.training.load_classifier`."""
    read = space(diffusion.denoiser, vocabulary, trained_steps(folder))
    made = load_guide(control, folder, read, diffusion.sampling.compile)
    own = diffusion.denoiser.decoding(trained_steps(folder))
    levels = nearest_levels(diffusion.schedule, own)
    return made if levels == list(range(own.steps)) else MakeTold(made, levels)


@dataclass(frozen=True)
class MakeTold:
    """Makes guides that are told ``levels[s]`` of level s."""

    make: MakeClassifierGuide
    levels: Sequence[int]

    def __call__(self, controls: Sequence[Control]) -> Told:
        return Told(self.make(controls), self.levels)


class Told(Guide):
    """``guide`` at its own level ``levels[s]`` for each level s; at -1, clean, at -1."""

    per_row = ()

    def __init__(self, guide: Guide, levels: Sequence[int]) -> None:
        self.guide, self.levels, self.classifier = guide, levels, guide.classifier
        self._table = torch.tensor([*levels, -1], device=guide.classifier.device)

    @property
    def terms(self) -> Tensor | int:
        return self.guide.terms

    def __call__(self, x: Tensor, s: int | Tensor) -> Tensor:
        return self.guide(x, self.levels[s] if isinstance(s, int) and s >= 0 else self._table[s])

    def take(self, rows: Tensor) -> Told:
        return Told(self.guide.take(rows), self.levels)
