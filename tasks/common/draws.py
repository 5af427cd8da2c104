"""Random numbers of targets and examples. numpy is loaded when they are first drawn: the names and
traits of tasks are wanted without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def rng(*seed: int) -> np.random.Generator:
    """A stream that depends on ``seed`` alone."""
    import numpy as np

    return np.random.default_rng(seed if len(seed) > 1 else seed[0])
