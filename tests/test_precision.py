"""Numbers too small for fp32's full precision are 0 while a network is trained, and no longer."""

from pathlib import Path

import torch
from torch import Tensor, nn

from models.nets.config import TrainConfig
from models.nets.precision import flushing
from models.nets.train import fit


def product() -> float:
    """256 products of 1e-40 each, which make 2.6e-38 where they are kept."""
    tiny = torch.full((8, 256), 1e-20)
    return float((tiny @ tiny.T).max())


def test_denormals_are_flushed_inside_alone() -> None:
    assert float(torch.tensor(1e-39)) > 0
    with flushing():
        assert product() == 0
        with flushing():
            assert float(torch.tensor(1e-37) * 0.01) == 0
        assert float(torch.tensor(1e-37) * 0.01) == 0
        small = torch.full((8, 256), 1e-18)
        assert float((small @ small.T).max()) > 0
    assert product() > 0 and float(torch.tensor(1e-37) * 0.01) > 0


class Noting:
    """An objective that notes what a product of tiny numbers is, and that of its gradients."""

    def __init__(self) -> None:
        self.module = nn.Linear(1, 1)
        self.seen: list[float] = []

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        self.seen.append(product())
        loss = self.module(torch.ones(1, 1)).sum()
        loss.register_hook(lambda _: self.seen.append(product()))
        return loss, {}

    def validate(self) -> dict[str, float]:
        return {}


def test_a_training_flushes_them(tmp_path: Path) -> None:
    objective = Noting()
    fit(objective, TrainConfig(steps=2, bf16=False), tmp_path, 0)
    assert len(objective.seen) >= 4 and set(objective.seen) == {0.0}
    assert product() > 0
