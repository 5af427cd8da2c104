"""A training that is killed, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from models.nets.config import TrainConfig
from models.nets.train import fit


class Killed(Exception):
    pass


def goes_on(
    make: Callable[[], Any], train: TrainConfig, folder: Path, at: int, figure: str
) -> bool:
    """Whether a training of ``make()`` that is killed after ``at`` steps, and started again, comes
    to the weights, and to the held-out ``figure`` at every point of its curve, of one that was left
    alone."""

    def kill(done: float, total: float, note: str = "") -> None:
        if done == at:
            raise Killed

    found = []
    for place in ("whole", "killed"):
        (folder / place).mkdir()
        if place == "killed":
            with pytest.raises(Killed):
                fit(make(), train, folder / place, 1, progress=kill)
        made = make()
        curve = fit(made, train, folder / place, 1)
        found.append((made.module.state_dict(), [point[figure] for point in curve]))
    (whole, curve), (killed, again) = found
    return all(torch.equal(whole[name], killed[name]) for name in whole) and curve == again
