"""The mean of word embeddings under a softmax, against torch's own operations."""

import pytest
import torch
from torch import Tensor

import models.diffusion.word_mixture
from models.diffusion.word_mixture import mixture


def drawn(values: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Queries (3, 7, 4), shrinks (3, 7), a table (11, 4), norms, a prior and values."""
    torch.manual_seed(0)
    query, shrink = torch.randn(3, 7, 4).requires_grad_(), torch.rand(3, 7)
    table, prior = torch.randn(11, 4), torch.randn(11).requires_grad_()
    return query, shrink, table, torch.rand(11), prior, torch.randn(11, values)


def plain(
    query: Tensor, shrink: Tensor, table: Tensor, norms: Tensor, prior: Tensor, values: Tensor
) -> Tensor:
    logits = query @ table.T + prior - shrink[..., None] * norms
    return logits.float().softmax(-1) @ values


@pytest.mark.parametrize("rows", [1, 5, 64])
@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("values", [2, 4, 9])
def test_values_and_gradients_are_torchs(
    rows: int, bf16: bool, values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.diffusion.word_mixture, "CPU_ROWS", rows)
    weights = torch.rand(3, 7, values, generator=torch.Generator().manual_seed(1))
    found = []
    for function in (mixture, plain):
        query, shrink, table, norms, prior, said = drawn(values)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16 and function is mixture):
            value = function(query, shrink, table, norms, prior, said)
        (value * weights).sum().backward()
        found.append([value.detach(), query.grad, prior.grad])
    near = {"rtol": 0.05, "atol": 0.05} if bf16 else {"rtol": 1e-5, "atol": 1e-6}
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, **near)


def test_no_gradient_reaches_the_tables() -> None:
    query, shrink, table, norms, prior, values = drawn()
    table.requires_grad_()
    values.requires_grad_()
    mixture(query, shrink, table, norms, prior, values).sum().backward()
    assert table.grad is None and values.grad is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_does_not_depend_on_the_others(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    query, shrink = torch.randn(5, 31, 16), torch.rand(5, 31)
    table, prior = torch.randn(3000, 16).to(dtype), torch.randn(3000)
    norms = table.float().square().sum(1)
    together = mixture(query, shrink, table, norms, prior, table)
    for i in (0, 3):
        alone = mixture(query[i : i + 1], shrink[i : i + 1], table, norms, prior, table)
        assert torch.equal(alone[0], together[i])
