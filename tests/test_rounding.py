"""The cross-entropy of rounding against torch's own."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models.diffusion.rounding
from models.diffusion.rounding import rounding_nll


def drawn(words: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Latents (3, 7, 4), a table, a bias, and words."""
    torch.manual_seed(0)
    x, table, bias = torch.randn(3, 7, 4), torch.randn(words, 4), torch.randn(words)
    return (
        x.requires_grad_(),
        table.requires_grad_(),
        bias.requires_grad_(),
        torch.randint(0, words, (3, 7)),
    )


def plain(x: Tensor, table: Tensor, bias: Tensor, ids: Tensor) -> Tensor:
    logits = F.linear(x, table, bias).float()
    return F.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none").view_as(ids)


@pytest.mark.parametrize("rows", [1, 5, 64])
@pytest.mark.parametrize("bf16", [False, True])
def test_values_and_gradients_are_torch_s(
    rows: int, bf16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients of a weighted sum, since rows may count differently; bf16 as autocast would."""
    monkeypatch.setattr(models.diffusion.rounding, "CPU_ROWS", rows)
    weights = torch.rand(3, 7, generator=torch.Generator().manual_seed(1))
    found = []
    for function in (rounding_nll, plain):
        x, table, bias, ids = drawn(11)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            value = function(x, table, bias, ids)
        (value * weights).sum().backward()
        found.append([value.detach(), x.grad, table.grad, bias.grad])
    near = {"rtol": 0.03, "atol": 0.03} if bf16 else {"rtol": 1e-5, "atol": 1e-6}
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, **near)


def test_finite_differences() -> None:
    x, table, bias, ids = drawn(5)
    at = table.detach().clone()
    rounding_nll(x, table, bias, ids).sum().backward()
    step = 1e-2
    for i, j in ((0, 0), (4, 3)):
        values = []
        for sign in (1, -1):
            moved = at.clone()
            moved[i, j] += sign * step
            values.append(float(rounding_nll(x.detach(), moved, bias.detach(), ids).sum()))
        slope = (values[0] - values[1]) / (2 * step)
        assert table.grad is not None
        assert float(table.grad[i, j]) == pytest.approx(slope, rel=0.02, abs=2e-3)
