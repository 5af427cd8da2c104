"""Guidance on functions whose gradients are known (reference notes, section 2.6)."""

import pytest
import torch

from models.diffusion.config import GuidanceConfig
from models.diffusion.gaussian import Gaussian, Normal
from models.diffusion.guidance import Guidance, add
from models.diffusion.latents.guided import ThroughEstimate
from models.diffusion.loop import Noise, walk
from models.diffusion.schedule import make_schedule
from models.diffusion_lm.config import RELEASED, DiffusionLMSettings, guidance_for
from tasks.common.errors import UserError


def quadratic(goal: float):  # type: ignore[no-untyped-def]
    return lambda x, s: -(x - goal).square().sum((1, 2))


def step(std: float = 0.2) -> tuple[torch.Tensor, Normal]:
    """A drawn x_s and the move that it was drawn from."""
    rng = torch.Generator().manual_seed(1)
    move = Normal(torch.randn(2, 3, 4, generator=rng), std)
    return move.draw(lambda: torch.randn(2, 3, 4, generator=rng)), move


def test_fresh_adagrad_moves_every_coordinate_by_lr() -> None:
    x, move = step()
    config = GuidanceConfig(fluency=0.0, lr=0.1, updates=1)
    moved = Guidance(quadratic(50.0), config)(x, move, 100) - x
    torch.testing.assert_close(moved, torch.full_like(moved, 0.1))
    config = GuidanceConfig(fluency=0.0, lr=0.1, updates=3)
    moved = Guidance(quadratic(-50.0), config)(x, move, 100) - x
    torch.testing.assert_close(moved, torch.full_like(moved, -0.3))


def test_kept_adagrad_is_torchs_adagrad() -> None:
    """With ``reset="step"`` the three updates are those of torch.optim.Adagrad."""
    x, move = step()
    config = GuidanceConfig(fluency=0.03, lr=0.15, updates=3, reset="step")
    got = Guidance(quadratic(0.7), config)(x, move, 100)
    y = x.clone().requires_grad_(True)
    optimiser = torch.optim.Adagrad([y], lr=0.15, eps=1e-10)
    for _ in range(3):
        loss = -quadratic(0.7)(y, 0).sum() + 0.03 * ((y - move.mean) ** 2 / move.std).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.testing.assert_close(got, y.detach())


@pytest.mark.parametrize("denominator", ["std", "variance"])
def test_gradient_by_finite_differences(denominator: str) -> None:
    std = 0.3
    x, move = step(std)[0].double(), Normal(step(std)[1].mean.double(), std)
    config = GuidanceConfig(fluency=0.4, denominator=denominator)  # type: ignore[arg-type]

    def log_prob(y: torch.Tensor, s: int) -> torch.Tensor:
        return torch.tanh(y).sum((1, 2)) * 1.3

    def loss(y: torch.Tensor) -> float:
        scale = std if denominator == "std" else 2 * std**2
        fluency = ((y - move.mean) ** 2).sum() / scale
        return float(-log_prob(y, 0).sum() + 0.4 * fluency)

    gradient = Guidance(log_prob, config).gradient(x, move, 0)
    for place in [(0, 0, 0), (1, 2, 3), (0, 1, 2)]:
        delta = torch.zeros_like(x)
        delta[place] = 1e-6
        numeric = (loss(x + delta) - loss(x - delta)) / 2e-6
        assert float(gradient[place]) == pytest.approx(numeric, rel=1e-6)


def test_fluency_pulls_towards_the_mean() -> None:
    x, move = step()
    config = GuidanceConfig(fluency=1.0, lr=1e-3, updates=1)
    moved = Guidance(lambda y, s: 0.0 * y.sum((1, 2)), config)(x, move, 100) - x
    assert torch.equal(moved.sign(), (move.mean - x).sign())


def test_through_the_estimate_the_gradient_passes_the_denoiser() -> None:
    """Against autograd of the composed function, and by hand: with x_0 = tanh(A x) and
    log p = -|x_0 - goal|^2 / 2 the gradient is A^T ((goal - x_0) (1 - x_0^2))."""
    x, move = step()
    rng = torch.Generator().manual_seed(5)
    matrix = torch.randn(x.shape[-1], x.shape[-1], generator=rng, dtype=x.dtype)
    goal, levels = torch.randn(x.shape, generator=rng, dtype=x.dtype), list[tuple[str, int]]()

    def x0(y: torch.Tensor, s: int) -> torch.Tensor:
        levels.append(("denoiser", s))
        return torch.tanh(y @ matrix.T)

    def guide(z: torch.Tensor, s: int) -> torch.Tensor:
        levels.append(("classifier", s))
        return -(z - goal).square().sum((1, 2)) / 2

    config = GuidanceConfig(fluency=0.0)
    found = -Guidance(ThroughEstimate(guide, x0), config).gradient(x, move, 7)
    assert levels == [("denoiser", 7), ("classifier", -1)], "the classifier reads a clean text"
    clean = torch.tanh(x @ matrix.T)
    torch.testing.assert_close(found, ((goal - clean) * (1 - clean.square())) @ matrix)
    y = x.clone().requires_grad_(True)
    (whole,) = torch.autograd.grad(guide(x0(y, 7), -1).sum(), y)
    torch.testing.assert_close(found, whole)


def test_rows_do_not_mix() -> None:
    x, move = step()
    config = GuidanceConfig(updates=3, reset="step")
    both = Guidance(quadratic(0.4), config)(x, move, 50)
    for row in range(2):
        only = slice(row, row + 1)
        one = Normal(move.mean[only], move.std)
        assert torch.equal(Guidance(quadratic(0.4), config)(x[only], one, 50), both[only])


def test_composition_is_the_sum_of_gradients() -> None:
    x, move = step()
    guides = [quadratic(0.5), lambda x, s: torch.sin(x).sum((1, 2))]
    config = GuidanceConfig(fluency=0.0)
    parts = [Guidance(guide, config).gradient(x, move, 3) for guide in guides]
    whole = Guidance(add(guides), config).gradient(x, move, 3)
    torch.testing.assert_close(whole, parts[0] + parts[1])


def run_counted(config: GuidanceConfig) -> tuple[int, dict[int, int]]:
    """Gradient evaluations of a whole 200-step run, in all and at each s."""
    calls: dict[int, int] = {}

    def log_prob(x: torch.Tensor, s: int) -> torch.Tensor:
        calls[s] = calls.get(s, 0) + 1
        return -x.square().sum((1, 2))

    guidance = Guidance(log_prob, config)
    rngs = [torch.Generator().manual_seed(0)]
    walk(
        lambda x, t, previous: 0.5 * x,
        Gaussian(make_schedule("sqrt", 200)),
        Noise(rngs, (2, 2)),
        torch.device("cpu"),
        correct=guidance,
    )
    return guidance.evaluations, calls


def test_released_run_has_570_evaluations() -> None:
    evaluations, calls = run_counted(GuidanceConfig())
    assert evaluations == 570
    # x_{t-1} for t = 199 .. 10, three times each, and nothing in the last ten steps
    assert calls == {s: 3 for s in range(9, 199)}


def test_paper_run_guides_to_the_end() -> None:
    config = guidance_for(DiffusionLMSettings(profile="paper"), "syntax_spans")
    evaluations, calls = run_counted(config)
    # all steps that leave noise: the last one returns the clean estimate
    assert evaluations == 3 * 199 and set(calls) == set(range(199))


def test_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    released = guidance_for(DiffusionLMSettings(), "syntax_spans")
    assert (released.lr, released.fluency, released.reset) == (0.1, 0.1, "update")
    assert (released.denominator, released.unguided, released.updates) == ("std", 10, 3)
    assert guidance_for(DiffusionLMSettings(), "length").fluency == 0.01
    paper = guidance_for(DiffusionLMSettings(profile="paper"), "syntax_spans")
    assert (paper.lr, paper.fluency, paper.reset) == (0.15, 0.1, "step")
    assert (paper.denominator, paper.unguided) == ("variance", 0)
    for profile in ("released", "paper"):
        asked = DiffusionLMSettings(profile=profile, guidance=GuidanceConfig(through="estimate"))
        one = guidance_for(asked, "syntax_spans")
        assert one.through == "estimate" and one.fluency == 0.1
        assert guidance_for(DiffusionLMSettings(profile=profile), "length").through == "latent"
    custom = GuidanceConfig(lr=0.3)
    assert guidance_for(DiffusionLMSettings(profile="custom", guidance=custom), "x") is custom
    with pytest.raises(UserError, match="unknown task 'infiling': did you mean 'infilling'"):
        guidance_for(DiffusionLMSettings(), "infiling")
    with pytest.raises(UserError, match="no guidance constants for infilling"):
        guidance_for(DiffusionLMSettings(), "infilling")
    monkeypatch.delitem(RELEASED, "length")
    with pytest.raises(UserError, match="no guidance constants for length"):
        guidance_for(DiffusionLMSettings(), "length+syntax_tree")
