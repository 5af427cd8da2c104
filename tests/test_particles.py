"""Particles: properly weighted, under discriminators and under the rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from steered import (
    CODEC,
    HEAD,
    LIMIT,
    LM,
    TARGET,
    agrees,
    base,
    drawn,
    holds,
    ids,
    law,
    make,
)

from baselines.autoregressive import Heads, uniforms
from baselines.particles import Weights, systematic
from models.base import Sample
from models.jobs import Job
from models.nets.decoding import sample


def log_z_of(samples: Sequence[Sample]) -> torch.Tensor:
    return torch.tensor([one.log_z for one in samples], dtype=torch.float64)


@pytest.mark.parametrize(("particles", "ess"), [(1, 0.5), (3, 1.0), (8, 0.0), (8, 0.9)])
def test_particles_are_properly_weighted(particles: int, ess: float) -> None:
    """The mean of exp(log_z) is Z, and that of exp(log_z) [y is drawn] is p(y) p(c | y)^lam, for
    any number of particles, resampled or not."""
    p, count = law(base), 600
    wanted = {text: q * holds(text) ** 2 for text, q in p.items()}
    generator = make("smc", particles=particles, ess=ess, lam=2.0)
    samples = drawn(generator, count, seed=particles)
    weights = log_z_of(samples).exp()

    def close(values: torch.Tensor, to: float) -> None:
        error = float(values.std()) / math.sqrt(count)
        assert abs(float(values.mean()) - to) < 4 * error + 1e-9

    close(weights, sum(wanted.values()))
    texts = [ids(one) for one in samples]
    for text in sorted(p, key=wanted.__getitem__)[-5:]:
        close(weights * torch.tensor([float(one == text) for one in texts]), wanted[text])


#: what p(text) is under the rule that the target states, not normalised
RULE = {t: p for t, p in law(base).items() if len(CODEC.words(list(t))) == 2}


@pytest.mark.parametrize(
    ("particles", "lam", "ess"), [(1, 1.0, 0.5), (3, 0.0, 0.5), (3, 1.0, 1.0), (8, 2.0, 0.5)]
)
def test_the_rule_is_the_final_potential(particles: int, lam: float, ess: float) -> None:
    """The mean of exp(log_z) is p(control), and that of exp(log_z) [y is drawn] is p(y), whatever
    the twists and however often all particles die; where one is left, the text satisfies the
    control."""
    generator, count = make("smc_rule", particles=particles, lam=lam, ess=ess), 600
    samples = drawn(generator, count, seed=particles)
    log_z = log_z_of(samples)
    texts = [ids(one) for one in samples]
    (likely,) = sorted(RULE, key=RULE.__getitem__)[-1:]
    for values, wanted in (
        (log_z.exp(), sum(RULE.values())),
        (log_z.exp() * torch.tensor([float(t == likely) for t in texts]), RULE[likely]),
    ):
        error = float(values.std()) / math.sqrt(count)
        assert abs(float(values.mean()) - wanted) < 4 * error + 1e-9
    right = [len(one.words) == 2 for one in samples]
    assert right == log_z.isfinite().tolist() and any(right)
    asked = 2 if lam and particles > 1 else 1
    assert all(one.nfe >= asked * len(one.tokens) for one in samples)
    if particles == 1:
        assert not all(right) and set(log_z[log_z.isfinite()].tolist()) == {0.0}
        assert texts == plain_of(count, particles)


def plain_of(count: int, seed: int) -> list[tuple[int, ...]]:
    jobs = [Job(0, TARGET, i, Heads.of([HEAD])) for i in range(count)]
    u = uniforms("smc_rule", jobs, seed, LIMIT)
    return [tuple(x) for x in sample(LM, [HEAD] * count, u, CODEC.eos, CODEC.forbidden)]


def test_particles_draw_from_the_language_model_under_the_rule() -> None:
    """Where one of them is left: without twists it is a draw of its own."""
    total, generator = sum(RULE.values()), make("smc_rule", particles=32, lam=0.0)
    samples = drawn(generator, 300)
    left = [ids(one) for one, z in zip(samples, log_z_of(samples), strict=True) if z.isfinite()]
    agrees(left, {text: p / total for text, p in RULE.items()})
    assert abs(len(left) / 300 - (1 - (1 - total) ** 32)) < 0.1


def test_many_particles_draw_from_the_posterior() -> None:
    wanted = {text: p * holds(text) ** 2 for text, p in law(base).items()}
    total = sum(wanted.values())
    agrees(
        [ids(one) for one in drawn(make("smc", particles=32, lam=2.0), 300)],
        {text: p / total for text, p in wanted.items()},
    )


def test_resampling_copies_in_proportion() -> None:
    log = torch.tensor([[0.5, 0.3, 0.15, 0.05]], dtype=torch.float64).log().repeat(500, 1)
    u = torch.linspace(0, 1, 501, dtype=torch.float64)[:-1]
    copies = torch.nn.functional.one_hot(systematic(log, u), 4).sum(1)
    assert set(copies[:, 0].tolist()) == {2} and set(copies[:, 1].tolist()) == {1, 2}
    torch.testing.assert_close(copies.double().mean(0), 4 * log[0].exp(), atol=0.01, rtol=0)
    weights = Weights(2, 4, torch.device("cpu"))
    weights.log[0] = log[0] + 3.0
    before = weights.log_z
    assert weights.effective.tolist() == pytest.approx([1 / 0.365, 4.0])
    every = torch.ones(2, dtype=torch.bool)
    assert weights.resampled(0.5, every, u[:2]) is None
    assert weights.resampled(0.9, ~every, u[:2]) is None
    origin = weights.resampled(0.9, every, u[:2])
    assert origin is not None and origin[1].tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(weights.log_z, before)
    assert not weights.log.any()
