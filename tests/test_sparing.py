"""Guidance that spares evaluations: what each setting leaves out, and what it leaves as it was."""

from collections.abc import Sequence

import pytest
import torch
from latents import PLAIN, network
from torch import Tensor

from models.diffusion.config import GuidanceConfig, SamplingConfig
from models.diffusion.gaussian import Gaussian, Normal
from models.diffusion.guidance import Guidance, LogProb, OfControls
from models.diffusion.latents.decoding import ScoreGuidanceConfig
from models.diffusion.latents.diffusion import Diffusion
from models.diffusion.latents.steering import LogProbOfWords, Steering
from models.diffusion.loop import Noise, walk
from models.diffusion.schedule import make_schedule
from models.diffusion_lm.config import DiffusionLMSettings, guidance_for
from tasks.common.errors import UserError
from tasks.controls import Control, Length

CPU = torch.device("cpu")
STEPS = 20


def drawn(std: float = 0.2) -> tuple[Tensor, Normal]:
    rng = torch.Generator().manual_seed(1)
    move = Normal(torch.randn(2, 3, 4, generator=rng), std)
    return move.draw(lambda: torch.randn(2, 3, 4, generator=rng)), move


@pytest.mark.parametrize("reset", ["update", "step"])
@pytest.mark.parametrize("updates", [3, 4])
def test_merged_updates_go_as_far_under_one_gradient(reset: str, updates: int) -> None:
    slope = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
    x, move = drawn()
    ways, evaluations = [], []
    for merge in (1, 3):
        config = GuidanceConfig(0.0, 0.1, updates, reset, merge=merge)  # type: ignore[arg-type]
        guidance = Guidance(lambda y, s: (slope * y).sum((1, 2)), config)
        ways.append(guidance(x, move, 90) - x)
        evaluations.append(guidance.evaluations)
    torch.testing.assert_close(*ways)
    assert evaluations == [updates, {3: 1, 4: 2}[updates]]


def test_between_evaluations_the_last_gradient_acts_and_fluency_is_exact() -> None:
    """With steps of a coordinate's own gradient, the sign of what was last evaluated tells."""
    calls: list[int] = []

    def log_prob(y: Tensor, s: int) -> Tensor:
        calls.append(s)
        return ((1 if s > 50 else -1) * y).sum((1, 2))

    x, move = drawn()
    guidance = Guidance(log_prob, GuidanceConfig(0.0, 0.1, updates=2, every=3))
    ways = [guidance(x, move, s) - x for s in (52, 51, 50, 49)]
    assert calls == [52, 52, 49, 49] and guidance.evaluations == 4
    for way, sign in zip(ways, (1, 1, 1, -1), strict=True):
        torch.testing.assert_close(way, torch.full_like(way, 0.2 * sign))
    weighed = Guidance(log_prob, GuidanceConfig(0.5, 0.1, every=2))
    weighed(x, move, 40)
    y = x + 3
    torch.testing.assert_close(
        weighed.gradient(y, move, 39, again=True), 1 + 0.5 * 2 * (y - move.mean) / move.std
    )


def levels(**changes: float) -> list[int]:
    """At which levels a walk is guided."""
    seen: list[int] = []

    def log_prob(y: Tensor, s: int) -> Tensor:
        seen.append(s)
        return -y.square().sum((1, 2))

    schedule = make_schedule("sqrt", STEPS)
    config = GuidanceConfig(updates=1, unguided=0, **changes)  # type: ignore[arg-type]
    walk(
        lambda x, t, previous: 0.5 * x,
        Gaussian(schedule),
        Noise([torch.Generator().manual_seed(0)], (2, 2)),
        CPU,
        correct=Guidance(log_prob, config, schedule=schedule),
    )
    return seen


def test_nothing_guides_outside_of_the_interval_of_noise() -> None:
    sigma = make_schedule("sqrt", STEPS).sigma
    assert levels() == list(range(STEPS - 2, -1, -1)), "all but the clean one"
    inside = levels(since=float(sigma[12]), until=float(sigma[5]))
    assert inside == list(range(12, 4, -1)), "the ends belong to it"
    assert levels(since=float(sigma[12]) - 1e-6, until=float(sigma[5]) + 1e-6) == inside[1:-1]
    assert levels(since=float(sigma[12]), every=4) == [12, 8, 4, 0]
    for cls in (GuidanceConfig, ScoreGuidanceConfig):
        with pytest.raises(UserError, match="until=3 begins at since=2 and never acts"):
            cls(since=2, until=3)


def test_every_profile_leaves_them_as_asked() -> None:
    asked = GuidanceConfig(since=8, until=0.5, every=2, merge=3, stretch=1.5)
    for profile, step in (("released", 3 * 1.5 * 0.1), ("paper", (1 + 2**-0.5 + 3**-0.5) * 0.225)):
        settings = DiffusionLMSettings(profile=profile, guidance=asked)  # type: ignore[arg-type]
        got = guidance_for(settings, "syntax_spans")
        assert (got.since, got.until, got.every, got.taken) == (8, 0.5, 2, 1)
        assert got.length == pytest.approx(step) and got.fluency == 0.1
    plain = GuidanceConfig()
    assert (plain.taken, plain.length) == (3, 0.1), "as published where nothing is asked"


def test_scores_are_guided_by_the_last_gradient_in_between() -> None:
    made = Diffusion(network(**PLAIN), SamplingConfig(steps=8, clamp=False), CPU)
    calls: list[int] = []

    def guide(y: Tensor, t: int) -> Tensor:
        calls.append(t)
        return t * y.sum((1, 2))

    x = torch.randn(2, 12, 8, generator=torch.Generator().manual_seed(0))
    steering = Steering(made, ScoreGuidanceConfig(weight=1.0, every=2), [guide], [])
    for t, slope in ((7, 7), (6, 7), (5, 5)):
        x0, moved = steering(x, t)
        a = float(made.schedule.alpha_bar[t])
        torch.testing.assert_close(moved, torch.full_like(x, slope * (1 - a) / a**0.5))
        assert torch.equal(x0, made.x0(x, t))
    assert calls == [7, 5] and steering.evaluations == 2
    first = float(made.schedule.sigma[5])
    late = Steering(made, ScoreGuidanceConfig(weight=1.0, since=first), [guide], [])
    assert [bool(late(x, t)[1].any()) for t in (7, 6, 5, 4)] == [False, False, True, True]


@pytest.mark.parametrize("every", [1, 2])
def test_guidance_goes_on_with_the_rows_that_are_left(every: int) -> None:
    """As it would with these rows alone, Adagrad's accumulator and the stored gradient kept."""

    def make(controls: Sequence[Control]) -> LogProb:
        goals = torch.tensor([float(one.needed_words) for one in controls])
        return lambda y, s: -(y - goals[:, None, None]).square().sum((1, 2))

    x, move = drawn()
    config = GuidanceConfig(0.1, 0.1, reset="never", every=every)
    controls = [Length(3), Length(7)]

    def two_steps(rows: list[int], keep: list[int] | None) -> Tensor:
        guidance = Guidance(OfControls(make, [controls[row] for row in rows]), config)
        y = guidance(x[rows], Normal(move.mean[rows], move.std), 60)
        if keep is not None:
            guidance.keep(torch.tensor(keep))
            y = y[keep]
        return guidance(y, Normal(move.mean[[1]], move.std), 59)

    assert torch.equal(two_steps([0, 1], [1]), two_steps([1], None))


def test_scores_go_on_with_the_rows_that_are_left() -> None:
    made = Diffusion(network(**PLAIN), SamplingConfig(steps=8, clamp=False), CPU)
    slopes = [2.0, 5.0, 9.0]

    def guides(rows: Sequence[int]) -> tuple[list[LogProb], list[LogProbOfWords]]:
        here = torch.tensor([slopes[row] for row in rows])
        return [lambda y, t: here * y.sum((1, 2))], []

    config = ScoreGuidanceConfig(weight=1.0, every=2)
    steering = Steering(made, config, *guides([0, 1, 2]), take=guides)
    x = torch.randn(3, 12, 8, generator=torch.Generator().manual_seed(0))
    factor = [float((1 - a) / a**0.5) for a in made.schedule.alpha_bar]
    steering(x, 7)
    steering.keep(torch.tensor([1, 2]))
    for t, rows in ((6, [5.0, 9.0]), (5, [5.0, 9.0])):
        got = steering(x[1:], t)[1]
        torch.testing.assert_close(got[:, 0, 0], factor[t] * torch.tensor(rows))
    steering.keep(torch.tensor([1]))
    torch.testing.assert_close(steering(x[2:], 4)[1][:, 0, 0], factor[4] * torch.tensor([9.0]))
