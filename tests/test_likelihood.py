"""The variational bound on a model whose likelihood is known, and its terms in closed form."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.diffusion.gaussian import posterior_coefficients
from models.diffusion.latents.bound import (
    KINDS,
    SimplexDenoiser,
    load_bound,
    make,
    simplex_terms,
    train_bound,
)
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.likelihood import (
    TERMS,
    bound_terms,
    choose_steps,
    prior_term,
    step_weights,
)
from models.diffusion.schedule import make_schedule
from models.nets.config import EncoderConfig, TrainConfig
from models.nets.sequences import encode
from tasks.common.errors import UserError
from tasks.vocabulary import Vocabulary

IDS = torch.tensor([[0, 1], [1, 1], [2, 0]])
TABLE = torch.tensor([[-1.2], [0.1], [1.4]])


class Linear:
    """One dimension, x_0 estimate a(t) x_t: every marginal of the reverse chain is a Gaussian, so
    that the exact likelihood is one integral a position."""

    def __init__(self, steps: int, gain: Callable[[int], float]) -> None:
        self.schedule = make_schedule("sqrt", steps)
        self.gain = [gain(t) for t in range(steps)]
        self.embedding: Callable[[Tensor], Tensor] = lambda ids: TABLE[ids]

    def x0(self, x_t: Tensor, index: Tensor) -> Tensor:
        return torch.tensor(self.gain)[index][:, None, None] * x_t

    def logits(self, x: Tensor) -> Tensor:
        return 6 * (x * TABLE[:, 0] - TABLE[:, 0] ** 2 / 2)

    def variance(self) -> float:
        """Of p(x_0)."""
        schedule, variance = self.schedule, 1.0
        for t in reversed(range(1, schedule.steps)):
            levels = float(schedule.alpha_bar[t]), float(schedule.alpha_bar_prev[t])
            on_x0, on_xt, std = posterior_coefficients(*levels)
            variance = (on_x0 * self.gain[t] + on_xt) ** 2 * variance + std**2
        return self.gain[0] ** 2 * variance + float(schedule.std[0]) ** 2

    def exact(self) -> Tensor:
        """-log p(w) for each row of IDS."""
        std = math.sqrt(self.variance())
        x = torch.linspace(-9 * std, 9 * std, 40_001, dtype=torch.float64)
        density = torch.exp(-(x**2) / (2 * std**2)) / (std * math.sqrt(2 * math.pi))
        likely = torch.softmax(self.logits(x[:, None].float()).double(), -1)
        words = torch.trapezoid(likely * density[:, None], x, dim=0)
        return -torch.log(words[IDS]).sum(1)


def optimal(schedule_steps: int, variance: float = 1.1) -> Callable[[int], float]:
    """The best linear estimate of an x_0 of that variance."""
    schedule = make_schedule("sqrt", schedule_steps)

    def gain(t: int) -> float:
        a = float(schedule.alpha_bar[t])
        return math.sqrt(a) * variance / (a * variance + 1 - a)

    return gain


def estimate(model: Linear, draws: int, count: int = 10**6) -> tuple[Tensor, Tensor]:
    """Mean of the bound over draws, and its standard error, for each row of IDS."""
    noise, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    ids = IDS.repeat(draws, 1)
    terms = bound_terms(model, ids, count, rng, noise)
    totals = torch.stack([terms[name] for name in TERMS]).sum(0).view(draws, len(IDS))
    return totals.mean(0), totals.std(0) / math.sqrt(draws)


@pytest.mark.parametrize("gain", [optimal(40), lambda t: 0.5, lambda t: 0.0])
def test_bound_is_above_the_exact_value(gain: Callable[[int], float]) -> None:
    model = Linear(40, gain)
    found, error = estimate(model, 2000)
    gap = found - model.exact()
    # the gap is the divergence from the true posterior, which no linear chain has
    assert (gap > 5 * error).all(), gap


def test_bound_is_near_where_the_model_is_good() -> None:
    """The best linear estimate leaves a twentieth of the gap that one of zero leaves."""
    gaps = []
    for gain in (optimal(60), lambda t: 0.0):
        model = Linear(60, gain)
        gaps.append(float((estimate(model, 600)[0] - model.exact()).mean()))
    assert 0 < gaps[0] < 0.05 * gaps[1]


def test_weights_are_losses_of_signal() -> None:
    """w_t is what the divergence of two Gaussians of the posterior's std makes of |x_0 - x0_hat|^2,
    and half the loss of signal-to-noise ratio."""
    schedule = make_schedule("sqrt", 50)
    weights = step_weights(schedule)
    assert weights[0] == 0
    for t in range(1, 50):
        levels = float(schedule.alpha_bar[t]), float(schedule.alpha_bar_prev[t])
        on_x0, _, std = posterior_coefficients(*levels)
        assert weights[t] == pytest.approx(on_x0**2 / (2 * std**2))


def test_denoising_term_of_a_silent_network() -> None:
    """An estimate of zero everywhere: the sum telescopes to the lost signal times |x_0|^2 / 2."""
    model = Linear(60, lambda t: 0.0)
    noise, rng = torch.Generator().manual_seed(1), np.random.default_rng(0)
    terms = bound_terms(model, IDS, 10**6, rng, noise)
    again = torch.Generator().manual_seed(1)
    shape = (*IDS.shape, 1)
    x0 = TABLE[IDS] + float(model.schedule.std[0]) * torch.randn(shape, generator=again)
    ratio = model.schedule.alpha_bar / (1 - model.schedule.alpha_bar)
    squares = x0.double().square().sum((1, 2))
    assert set(terms) == set(TERMS)
    assert torch.allclose(terms["denoising"], (ratio[0] - ratio[-1]) / 2 * squares)
    assert torch.allclose(terms["prior"], prior_term(x0, float(model.schedule.alpha_bar[-1])))
    expected = torch.logsumexp(model.logits(x0), -1) - model.logits(x0).gather(
        -1, IDS[..., None]
    ).squeeze(-1)
    assert torch.allclose(terms["rounding"], expected.sum(1).double(), atol=1e-5)


def test_prior_term_by_quadrature() -> None:
    x0, a = 0.7, 0.3
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    q = torch.distributions.Normal(math.sqrt(a) * x0, math.sqrt(1 - a))
    p = torch.distributions.Normal(0.0, 1.0)
    integrand = q.log_prob(x).exp() * (q.log_prob(x) - p.log_prob(x))
    expected = float(torch.trapezoid(integrand, x))
    assert float(prior_term(torch.tensor([[[x0]]]), a)) == pytest.approx(expected, rel=1e-6)


def test_few_steps_estimate_the_same_sum() -> None:
    """Systematic sampling is unbiased: its mean over draws is the full sum."""
    schedule = make_schedule("sqrt", 300)
    weights = step_weights(schedule)
    terms = weights * np.linspace(0.1, 3, 300) ** 2
    full = terms[1:].sum()
    rng = np.random.default_rng(0)
    found = [
        float((terms[s.levels] * s.shares).sum())
        for s in (choose_steps(weights, 16, 1, rng) for _ in range(2000))
    ]
    assert np.mean(found) == pytest.approx(full, abs=4 * np.std(found) / math.sqrt(len(found)))
    every = choose_steps(weights, 299, 2, rng)
    assert every.levels.tolist() == [[t, t] for t in range(1, 300)] and (every.shares == 1).all()


# training under the bound

SMALL = DiffusionConfig(
    length=6,
    embedding=4,
    steps=50,
    positions=6,
    time=8,
    network=EncoderConfig(
        layers=1, width=16, heads=2, feedforward=32, dropout=0.0, attention_dropout=0.0
    ),
    train=TrainConfig(steps=60, batch=16, lr=1e-2, warmup=5, clip=1.0, every=30, bf16=False),
)
BOOKS = [("a", "b"), ("b", "a", "b"), ("a",)] * 20
VOCABULARY = Vocabulary.build(BOOKS, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_training_lowers_the_bound(kind: str, tmp_path: Path) -> None:
    device = torch.device("cpu")
    train_bound(tmp_path, kind, BOOKS, BOOKS, VOCABULARY, SMALL, seed=0, device=device)
    module, terms, vocabulary = load_bound(tmp_path, kind, device)
    assert vocabulary.words == VOCABULARY.words and not module.training
    fresh, _ = make(kind, SMALL, len(VOCABULARY))
    ids = encode(BOOKS[:3], VOCABULARY, 6, "pad")

    def bound(network: torch.nn.Module) -> float:
        noise, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
        with torch.no_grad():
            found = terms(network, ids, 10**6, rng, noise)
        return float(torch.stack([found[name] for name in TERMS]).sum(0).mean())

    # three equally likely texts: no model is below log 3 on average
    assert math.log(3) < bound(module) < 0.5 * bound(fresh.eval())


def test_simplex_terms_of_a_perfect_and_of_a_blind_network() -> None:
    """Logits that are certain and right leave the prior alone; uniform ones lose (V-1)/V of each
    position's squared norm at every level, and log V a word."""
    module = SimplexDenoiser(SMALL, len(VOCABULARY))
    ids = encode(BOOKS[:2], VOCABULARY, 6, "pad")
    size = len(VOCABULARY)
    weights = step_weights(module.schedule)

    def terms(logits: Tensor) -> dict[str, Tensor]:
        module.forward = lambda x, index: logits  # type: ignore[method-assign]
        return simplex_terms(module, ids, 10**6, np.random.default_rng(0), None)

    sure = terms(100 * torch.nn.functional.one_hot(ids, size).float())
    assert all(float(sure[name].abs().max()) < 1e-6 for name in ("denoising", "start", "rounding"))
    blind = terms(torch.zeros(*ids.shape, size))
    expected = weights.sum() * ids.shape[1] * (1 - 1 / size)
    assert blind["denoising"].tolist() == pytest.approx([expected] * 2, rel=1e-5)
    assert blind["rounding"].tolist() == pytest.approx([6 * math.log(size)] * 2)


def test_simplex_training_rounds_every_eighth_text() -> None:
    model, _ = make("simplex", SMALL, len(VOCABULARY))
    ids = encode(BOOKS[:20], VOCABULARY, 6, "pad")

    def terms(rows: torch.Tensor, surrogate: bool) -> dict[str, torch.Tensor]:
        noise, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
        return simplex_terms(model, rows, 1, rng, noise, surrogate)  # type: ignore[arg-type]

    found = terms(ids, True)
    assert all(value.shape == (20,) for value in found.values())
    # the network tells words apart by the latents alone here, so which noise was drawn matters
    # little: the three texts that are rounded stand for all
    assert found["rounding"].unique().numel() == 1
    every = terms(ids, False)["rounding"]
    assert found["rounding"][0].item() == pytest.approx(every[::8].mean().item(), rel=0.2)


def test_unknown_likelihood_model() -> None:
    with pytest.raises(UserError, match="simplex"):
        make("simplexx", SMALL, 5)
    with pytest.raises(UserError, match="trained with output=linear, not words"):
        make("bound", dataclasses.replace(SMALL, output="words"), 5)
