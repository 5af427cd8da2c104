"""What small classifiers of the tests read: 20 levels of Gaussian noise over a random table."""

from __future__ import annotations

import torch
from torch import Tensor

from models.diffusion.classifiers.base import Space
from models.diffusion.gaussian import Gaussian
from models.diffusion.schedule import make_schedule
from tasks.vocabulary import SPECIALS, Vocabulary

STEPS, LENGTH, DIM = 20, 10, 8
LETTERS = Vocabulary([*SPECIALS, "a", "b"])


def space(vocabulary: Vocabulary = LETTERS, table: Tensor | None = None) -> Space:
    if table is None:
        rng = torch.Generator().manual_seed(1)
        table = torch.randn(len(vocabulary), DIM, generator=rng)
    process = Gaussian(make_schedule("sqrt", STEPS))
    return Space(process, table, vocabulary, LENGTH, torch.device("cpu"))
