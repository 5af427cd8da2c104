"""Schedules of words, and random numbers of training, against published figures and integrals."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from models.diffusion.words.frame import words_of
from models.diffusion.words.levels import Cosine, Geometric, Levels, LogLinear, SqrtCosine, levels
from models.diffusion.words.noise import (
    by_row,
    hit,
    replaced,
    some,
    spread_times,
    weighted_steps,
    weighted_times,
)
from tasks.common.errors import UserError

#: schedule, t, sigma, alpha, d sigma / dt
LANDMARKS: list[tuple[Levels, float, float, float | None, float | None]] = [
    (LogLinear(), 0.001, 0.000999, 0.999001, 0.999999),
    (LogLinear(), 0.25, 0.287349, 0.750250, 1.331556),
    (LogLinear(), 0.5, 0.692148, 0.500500, 1.996004),
    (LogLinear(), 0.75, 1.383299, 0.250750, 3.984048),
    (LogLinear(), 1.0, 6.907755, 0.001, 999.0),
    (Cosine(), 0.25, 0.079091, 0.923956, None),
    (Cosine(), 0.5, 0.346159, 0.707400, None),
    (Cosine(), 0.75, 0.958935, 0.383301, None),
    (Cosine(), 1.0, 6.907755, 0.001, None),
    (Geometric(), 0.0, 0.0001, None, 0.001221),
    (Geometric(), 0.25, 0.002115, None, 0.025813),
    (Geometric(), 0.5, 0.044721, None, 0.545872),
    (Geometric(), 0.75, 0.945742, None, 11.543791),
    (Geometric(), 1.0, 20.0, None, 244.121453),
]


def at(t: float) -> Tensor:
    return torch.tensor(t, dtype=torch.float64)


@pytest.mark.parametrize(("schedule", "t", "sigma", "alpha", "rate"), LANDMARKS)
def test_a_schedule_is_its_formula(
    schedule: Levels, t: float, sigma: float, alpha: float | None, rate: float | None
) -> None:
    near = {"abs": 1e-6, "rel": 1e-9}
    found = schedule.alpha(at(t))
    assert float(-found.log()) == pytest.approx(sigma, **near)
    if alpha is not None:
        assert float(found) == pytest.approx(alpha, **near)
    if rate is not None:
        assert float(schedule.rate(at(t))) == pytest.approx(rate, **near)


@pytest.mark.parametrize("schedule", [LogLinear(), LogLinear(0.0), Cosine(), Geometric()])
def test_a_rate_is_the_slope_of_sigma(schedule: Levels) -> None:
    t = torch.linspace(0.01, 0.99, 50, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(-schedule.alpha(t).log().sum(), t)
    torch.testing.assert_close(schedule.rate(t.detach()), slope, rtol=1e-10, atol=1e-12)


def weight(schedule: Levels, t: Tensor) -> Tensor:
    """Of the masked cross-entropy at t: sigma' / (e^sigma - 1), which is -alpha' / (1 - alpha)."""
    sigma = -schedule.alpha(t).log()
    return schedule.rate(t) / torch.expm1(sigma)


def test_masked_words_weigh_one_over_t() -> None:
    t = torch.linspace(0.001, 1, 40, dtype=torch.float64)
    for eps in (0.0, 1e-3):  # it cancels
        inside = t if eps else t[:-1]
        torch.testing.assert_close(weight(LogLinear(eps), inside), 1 / inside)
    found = [float(weight(LogLinear(), at(t))) for t in (0.001, 0.25, 0.5, 0.75, 1)]
    assert found == pytest.approx([1000, 4, 2, 4 / 3, 1], rel=1e-6)
    found = [float(weight(Cosine(), at(t))) for t in (0.25, 0.5, 0.75, 1)]
    assert found == pytest.approx([7.896926, 3.792238, 2.350863, 1.570796], abs=1e-6)


@pytest.mark.parametrize(
    ("steps", "quarters"),
    [
        (10, {0.5: 0.702740, 1.0: 0.004908}),
        (1000, {0.25: 0.920333, 0.5: 0.702740, 0.75: 0.379832, 1.0: 0.000049}),
    ],
)
def test_the_roots_of_clipped_cosine_ratios(steps: int, quarters: dict[float, float]) -> None:
    schedule = SqrtCosine(steps)
    assert float(schedule.kept[-1]) == pytest.approx(0.0316228, abs=1e-7)
    for t, alpha in quarters.items():
        assert float(schedule.alpha(at(t))) == pytest.approx(alpha, abs=1e-6)
    if steps == 10:  # a quarter and three of ten steps, rounded down
        found = [float(schedule.alpha(at(t))) for t in (0.2, 0.7)]
        assert found == pytest.approx([0.948001, 0.450690], abs=1e-6)
    # the product of what each step keeps, whose rate is that of the step
    alphas = schedule.alpha(torch.arange(steps + 1) / steps)
    ratios = alphas[1:] / alphas[:-1]
    torch.testing.assert_close(ratios, schedule.kept)
    torch.testing.assert_close(schedule.rate(at(1.0)), -schedule.kept[-1].log() * steps)


def test_fewer_steps_of_it_are_the_same_noise() -> None:
    """A network of a thousand steps is decoded in fewer: their alphas agree but for the last."""
    coarse, fine = SqrtCosine(20).grid(20), SqrtCosine(1000).grid(20)
    assert coarse[:-1] == pytest.approx(fine[:-1], abs=1e-9)


@pytest.mark.parametrize("name", ["loglinear", "cosine", "geometric", "sqrt_cosine"])
@pytest.mark.parametrize("steps", [1, 2, 4, 64])
def test_a_grid_falls_from_one_to_nothing(name: str, steps: int) -> None:
    grid = [1.0, *levels(name, steps).grid(steps)]
    assert len(grid) == steps + 1 and grid[-1] == 0
    assert all(a > b for a, b in itertools.pairwise(grid))


def test_the_grid_of_equal_steps() -> None:
    """The chain that masks 1 / (T - t + 1) of what is left in step t keeps 1 - t / T."""
    assert LogLinear(0.0).grid(4) == [0.75, 0.5, 0.25, 0.0]
    lost = [1 / (4 - t + 1) for t in range(1, 5)]
    assert lost == pytest.approx([0.25, 0.333333, 0.5, 1], abs=1e-6)
    assert torch.tensor(lost).neg().add(1).cumprod(0).tolist() == pytest.approx(
        [0.75, 0.5, 0.25, 0]
    )


def test_an_unknown_schedule_is_named() -> None:
    with pytest.raises(UserError, match="schedule 'lin'"):
        levels("lin")


def test_times_are_spread_one_in_each_slice() -> None:
    rng = torch.Generator().manual_seed(0)
    for rows in (1, 7, 64):
        t = spread_times(rows, rng, 0.0)
        assert ((t * rows).floor().long().sort().values == torch.arange(rows)).all()
    assert float(spread_times(1000, rng).min()) >= 1e-3
    assert torch.equal(spread_times(5, _seeded(3)), spread_times(5, _seeded(3)))


def test_no_time_is_rounded_up_to_the_next_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no more words are masked than there are."""
    monkeypatch.setattr(torch, "rand", lambda n, generator: torch.full((n,), 1 - 2**-24))
    t = spread_times(64, _seeded(0), 0.0)
    for words in range(1, 130):
        assert int((t * words).floor().max()) < words


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_weighted_times_integrate() -> None:
    """Weights make a mean over drawn times an integral, 1 / t included."""
    t, weight = weighted_times(200_000, _seeded(0))
    assert float(t.min()) >= 1e-5 and float(t.max()) <= 1
    wanted = {"1": 1 - 1e-5, "t": 0.5, "1/t": -math.log(1e-5), "log t": -1 + 1e-5 * (1 + 11.513)}
    values = {"1": torch.ones_like(t), "t": t, "1/t": 1 / t, "log t": t.log()}
    for name, value in values.items():
        assert float((value * weight).mean()) == pytest.approx(wanted[name], rel=2e-4), name


def test_weighted_steps_are_drawn_as_their_weights_say() -> None:
    """Each step as often as 1 over its weight, so that a mean is the sum over all steps."""
    steps = 20
    t, weight = weighted_steps(100_000, steps, _seeded(0))
    often = torch.bincount(t, minlength=steps) / len(t)
    chance = torch.zeros(steps, dtype=torch.float64).index_copy(0, t, 1 / weight)
    assert float(chance.sum()) == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(often.double(), chance, rtol=0, atol=1e-4)


def test_noise_hits_free_words_alone() -> None:
    ids = torch.tensor([[0, 4, 5, 6, 1, 3]]).expand(4000, -1)
    free, words = words_of(ids), torch.tensor([2, 4, 5, 6])
    hits = hit(free, torch.full((4000,), 0.3), _seeded(0))
    assert not bool(hits[~free].any())
    assert float(hits[free].double().mean()) == pytest.approx(0.3, abs=0.02)
    x = replaced(ids, hits, words, _seeded(1))
    assert torch.equal(x[~hits], ids[~hits]) and bool(torch.isin(x[hits], words).all())
    shares = torch.stack([(x[hits] == word).double().mean() for word in words])
    torch.testing.assert_close(shares, torch.full_like(shares, 0.25), rtol=0, atol=0.03)


def test_as_many_words_as_are_asked_for_are_masked() -> None:
    free = torch.tensor([[False, True, True, True, True, False]]).expand(6000, -1)
    masks = some(free, torch.arange(6000) % 5, _seeded(0))
    assert masks.sum(1).tolist() == (torch.arange(6000) % 5).tolist()
    assert not bool(masks[~free].any())
    # every pair as likely
    two = masks[torch.arange(6000) % 5 == 2]
    pairs = torch.bincount((two * 2 ** torch.arange(6)).sum(1))
    pairs = pairs[pairs > 0]
    assert len(pairs) == 6 and bool((pairs.double() / 200 - 1).abs().max() < 0.25)
    assert by_row(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([[1, 0], [0, 0], [1, 1]]).bool()
                  ).tolist() == [1, 0, 5]  # fmt: skip
