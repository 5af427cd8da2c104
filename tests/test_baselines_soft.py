"""A network that reads soft tokens: against the network on ids, by finite differences, in rows."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from baselines.soft import SoftReader, nll, repeat
from models.nets.backbones.gpt2 import GPT2
from models.nets.decoding import CPU_ROWS


def reader(double: bool = False) -> SoftReader:
    """An untrained network with dropout, of 11 ids and 12 positions, in training mode."""
    torch.manual_seed(0)
    model = GPT2.fresh(11, 12, 2, 16, 2, 0.3).train()
    return SoftReader(model.double() if double else model)


def random_ids(rows: int, n: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(11, (rows, n), generator=torch.Generator().manual_seed(seed))


def test_certain_soft_tokens_read_as_their_ids() -> None:
    """One-hot distributions give what transformers gives for ids, bit for bit; no dropout."""
    soft, ids = reader(), random_ids(8, 6)
    one_hot = F.one_hot(ids, 11).float()
    with torch.no_grad():
        expected = soft.model.network(ids).logits
    assert torch.equal(soft.embed_soft(one_hot), soft.embed_ids(ids))
    assert torch.equal(soft.logits(soft.embed_soft(one_hot)), expected)
    torch.testing.assert_close(soft.logits(soft.embed_ids(ids), last=2), expected[:, -2:])
    assert soft.vocabulary == 11 and soft.positions == 12 and soft.device.type == "cpu"


def test_a_cached_context_changes_nothing_and_can_be_used_again() -> None:
    soft, ids = reader(double=True), random_ids(4, 7)
    whole = soft.logits(soft.embed_ids(ids))
    _, past = soft.feed(soft.embed_ids(ids[:, :3]))
    for _ in range(2):
        torch.testing.assert_close(soft.logits(soft.embed_ids(ids[:, 3:]), past), whole[:, 3:])
        assert past[0][0].shape[2] == 3
    two = soft.logits(soft.embed_ids(ids[:, 3:].repeat_interleave(2, 0)), repeat(past, 2))
    torch.testing.assert_close(two, whole[:, 3:].repeat_interleave(2, 0))


def test_gradients_reach_the_logits_and_no_weight() -> None:
    """Finite differences of the likelihood of a text behind soft tokens."""
    soft = reader(double=True)
    left, right = random_ids(3, 2), random_ids(3, 4, seed=2)
    rng = torch.Generator().manual_seed(3)
    y = torch.randn(3, 5, 11, generator=rng, dtype=torch.float64)
    _, past = soft.feed(soft.embed_ids(left))
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]).double()

    def loss(y: torch.Tensor) -> torch.Tensor:
        embeds = torch.cat([soft.embed_soft((y / 0.7).softmax(-1)), soft.embed_ids(right)], 1)
        return nll(soft.logits(embeds, past, last=5)[:, :-1], right, mask)

    leaf = y.clone().requires_grad_()
    total = loss(leaf)
    (gradient,) = torch.autograd.grad(total.sum(), leaf)
    assert all(p.grad is None and not p.requires_grad for p in soft.model.parameters())
    direction = torch.randn(y.shape, generator=rng, dtype=torch.float64)
    slope = (loss(y + 1e-5 * direction) - loss(y - 1e-5 * direction)) / 2e-5
    torch.testing.assert_close(slope, (gradient * direction).sum((1, 2)))
    assert float(gradient.abs().amax((1, 2)).min()) > 0
    # a masked token counts for nothing, by hand for the row with one token
    embeds = torch.cat([soft.embed_soft((y / 0.7).softmax(-1)), soft.embed_ids(right)], 1)
    first = soft.logits(embeds, past)[2, 4].log_softmax(-1)[right[2, 0]]
    torch.testing.assert_close(total[2].detach(), -first)


@pytest.mark.parametrize("rows", [CPU_ROWS, 3 * CPU_ROWS])
def test_rows_do_not_depend_on_each_other(rows: int) -> None:
    """Bit for bit, gradients included: the first rows alone and with others after them."""
    soft = reader()
    y = torch.randn(rows, 5, 11, generator=torch.Generator().manual_seed(4))
    right = random_ids(rows, 3)

    def gradient(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        leaf = y[:n].clone().requires_grad_()
        embeds = torch.cat([soft.embed_soft(leaf.softmax(-1)), soft.embed_ids(right[:n])], 1)
        loss = nll(soft.logits(embeds, last=4)[:, :-1], right[:n])
        return loss.detach(), torch.autograd.grad(loss.sum(), leaf)[0]

    for few, many in zip(gradient(CPU_ROWS), gradient(rows), strict=True):
        assert torch.equal(few, many[:CPU_ROWS])
