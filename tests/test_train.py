"""The training loop: a kill and a resume give the weights of an undisturbed run."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.nets.config import TrainConfig
from models.nets.train import fit, learning_rate
from tasks.common.errors import UserError

CONFIG = TrainConfig(
    steps=40, batch=4, lr=1e-2, warmup=5, clip=1.0, ema=0.9, every=5, checkpoint=0.0, bf16=False
)


class Toy:
    """Noisy regression with dropout, so that data order and random state both matter."""

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.module = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        x = torch.randn(4, 4)
        return (self.module(x) - x.sum(1, keepdim=True)).square().mean(), {"twice": 2.0}

    def validate(self) -> Mapping[str, float]:
        return {"zero": float(self.module(torch.zeros(1, 4)))}


class Killed(Exception):
    pass


@pytest.mark.parametrize("at", [1, 12, 39])
def test_resume_equals_an_undisturbed_run(at: int, tmp_path: Path) -> None:
    whole = Toy()
    expected = fit(whole, CONFIG, _folder(tmp_path, "a"), seed=1)

    def kill(done: float, total: float, note: str = "") -> None:
        if done == at:
            raise Killed

    with pytest.raises(Killed):
        fit(Toy(), CONFIG, _folder(tmp_path, "b"), seed=1, progress=kill)
    again = Toy()
    curve = fit(again, CONFIG, tmp_path / "b", seed=1)
    for a, b in zip(whole.module.parameters(), again.module.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [{k: v for k, v in p.items() if k != "seconds"} for p in curve] == [
        {k: v for k, v in p.items() if k != "seconds"} for p in expected
    ]


class Tied(Toy):
    """With one table for both ends, as language models have."""

    def __init__(self) -> None:
        super().__init__()
        self.module.append(nn.Linear(1, 8))
        self.module[3].weight = self.module[0].weight
        self.module[3].in_features = 4

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        x = torch.randn(4, 4)
        first, drop, last, other = self.module
        return (last(drop(first(x)) + other(x)) - x.sum(1, keepdim=True)).square().mean(), {}

    def validate(self) -> Mapping[str, float]:
        return {}


def test_tied_weights_are_kept_once(tmp_path: Path) -> None:
    def kill(done: float, total: float, note: str = "") -> None:
        if done == 12:
            raise Killed

    whole, again = Tied(), Tied()
    fit(whole, CONFIG, _folder(tmp_path, "a"), seed=1)
    with pytest.raises(Killed):
        fit(Tied(), CONFIG, _folder(tmp_path, "b"), seed=1, progress=kill)
    fit(again, CONFIG, tmp_path / "b", seed=1)
    assert again.module[3].weight is again.module[0].weight
    for a, b in zip(whole.module.parameters(), again.module.parameters(), strict=True):
        assert torch.equal(a, b)


def test_curve_averages_its_parts(tmp_path: Path) -> None:
    curve = fit(Toy(), CONFIG, tmp_path, seed=1)
    assert len(curve) == 8 and all(p["train_twice"] == 2.0 for p in curve)
    assert {"valid_zero", "train_loss", "step", "seconds"} <= set(curve[0])


def test_ema_is_what_remains(tmp_path: Path) -> None:
    """One step of EMA 0.9 leaves a tenth of that step's change."""
    plain, averaged, start = Toy(), Toy(), Toy()
    fit(plain, dataclasses.replace(CONFIG, steps=1, ema=0.0), _folder(tmp_path, "p"), seed=1)
    fit(averaged, dataclasses.replace(CONFIG, steps=1), _folder(tmp_path, "e"), seed=1)
    for p, e, s in zip(
        plain.module.parameters(),
        averaged.module.parameters(),
        start.module.parameters(),
        strict=True,
    ):
        torch.testing.assert_close(e - s, 0.1 * (p - s), rtol=1e-4, atol=1e-7)


def test_damaged_checkpoint_starts_afresh(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(b"short")
    curve = fit(Toy(), CONFIG, tmp_path, seed=1)
    assert curve[-1]["step"] == 40
    assert "training starts afresh" in capsys.readouterr().out


def test_divergence_is_an_error(tmp_path: Path) -> None:
    toy = Toy()
    toy.module[0].weight.data.fill_(float("inf"))
    with pytest.raises(UserError, match="diverged at step 1: "):
        fit(toy, CONFIG, tmp_path, seed=1)


def test_learning_rates() -> None:
    linear = TrainConfig(steps=100, lr=1.0, warmup=10)
    assert [learning_rate(linear, s) for s in (0, 9, 10, 55)] == pytest.approx([0.1, 1.0, 1.0, 0.5])
    cosine = dataclasses.replace(linear, decay="cosine")
    assert learning_rate(cosine, 55) == pytest.approx(0.5)
    assert learning_rate(dataclasses.replace(linear, decay="constant"), 99) == 1.0


def _folder(root: Path, name: str) -> Path:
    (root / name).mkdir()
    return root / name
