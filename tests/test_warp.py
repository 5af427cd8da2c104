"""The law of noise levels (reference notes on continuous successors, landmarks 4 to 6 and 11)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.diffusion.config import LevelsConfig
from models.diffusion.latents.likelihood import prior_term
from models.diffusion.schedule import log_uniform, louder
from models.diffusion.warp import Warp, gumbel, gumbel_quantile, spread
from tasks.common.errors import UserError

EVERY = torch.arange(640)


def measured(losses: torch.Tensor, **config: object) -> Warp:
    """A warp that has seen these losses at every one of 640 levels."""
    warp = Warp(LevelsConfig(kind="warped", **config), 640)  # type: ignore[arg-type]
    warp.observe(EVERY, losses)
    return warp


def test_levels_lie_in_equal_ratios_of_sigma() -> None:
    schedule = log_uniform(1, 300, 101)
    sigma = np.sqrt(1 / schedule.alpha_bar - 1)
    np.testing.assert_allclose(sigma[[0, -1]], [1, 300])
    np.testing.assert_allclose(np.diff(np.log(sigma)), math.log(300) / 100)
    # CDCD in gamma = -ln SNR, for 256 dimensions of unit norm
    gamma = np.log((1 - schedule.alpha_bar) / schedule.alpha_bar / 256)
    np.testing.assert_allclose(gamma[[0, -1]], [-5.5452, 5.8624], atol=1e-4)


def test_a_plaid_schedule_ends_where_it_is_published() -> None:
    a = 1 / (1 + np.exp([-3.0, 6.0]))
    np.testing.assert_allclose(a, [0.952574, 0.00247262], atol=1e-6)
    x = torch.full((1, 1, 16), 0.25)
    assert float(prior_term(x, float(a[1]))) == pytest.approx(0.00126081, abs=1e-7)


def test_the_gumbel_law_of_the_released_code() -> None:
    found = [gumbel_quantile(q, 4.723, 0.852) for q in (1e-5, 0.5)]
    assert found == pytest.approx([2.641163, 5.035269], abs=1e-6)
    assert 4.723 - math.log(1e-5) * 0.852 == pytest.approx(14.532013, abs=1e-5)


def test_a_gumbel_law_has_the_moments_of_what_it_fits() -> None:
    places = torch.arange(64, dtype=torch.float64)
    weights = torch.exp(-((places - 25) ** 2) / 50)
    p = gumbel(weights)
    p = p / p.sum()
    assert float((p * places).sum()) == pytest.approx(25, abs=0.3)
    assert float((p * (places - 25) ** 2).sum()) == pytest.approx(25, rel=0.1)


@pytest.mark.parametrize(
    ("s", "wanted"), [(0, 0.860870), (0.1, 0.118977), (0.25, 0.058801), (0.5, 0.025227)]
)
def test_a_noise_factor_keeps_the_ratio_of_signal_to_noise(s: float, wanted: float) -> None:
    a = np.array(1 - math.sqrt(s + 1e-4))
    scaled = louder(a, 4)
    assert float(scaled) == pytest.approx(wanted, abs=1e-6)
    np.testing.assert_allclose(scaled / (1 - scaled), a / (1 - a) / 16)


def test_until_all_is_measured_draws_are_uniform() -> None:
    warp = Warp(LevelsConfig(kind="warped"), 640)
    warp.observe(torch.arange(600), torch.arange(600.0))
    np.testing.assert_allclose(warp.density(), 1 / 64)


def test_a_loss_that_grows_evenly_leaves_the_levels_even() -> None:
    np.testing.assert_allclose(measured(EVERY.double() / 100 + 1).density(), 1 / 64, rtol=1e-9)


def test_a_step_in_the_loss_draws_all_that_is_not_spread() -> None:
    warp = measured((EVERY >= 320).float())
    u = spread(10_000, torch.Generator().manual_seed(0))
    near = (warp.bins(warp.levels(u)) - 32).abs() <= 1
    # nine tenths, and what falls there of the tenth that is uniform
    assert float(near.double().mean()) == pytest.approx(0.9 + 0.1 * 3 / 64, abs=2e-3)


@pytest.mark.parametrize("warp", ["loss", "gumbel", "none"])
def test_warped_time_and_back(warp: str) -> None:
    made = measured((EVERY / 640) ** 3, warp=warp)
    assert torch.equal(made.levels(made.times(EVERY)), EVERY)
    assert float(made.chances().sum()) == pytest.approx(1)
    assert bool((made.times(EVERY).diff() > 0).all())


def test_the_variance_of_an_estimate_is_least_under_its_warp() -> None:
    """E_p[(f / p)^2] against uniform draws, with the floor at a hundredth."""
    f = torch.exp(-((EVERY.double() - 200) ** 2) / 2e4)
    p = measured(f, warp="variance", floor=0.01).chances()
    uniform = 640 * float((f**2).sum())
    best = float(f.sum()) ** 2
    assert best <= float((f**2 / p).sum()) < best + 0.05 * (uniform - best)


def test_draws_are_evenly_spread() -> None:
    u = spread(32, torch.Generator().manual_seed(3)).sort().values
    assert float(u.diff().max()) <= 2 / 32 and float(u[0]) >= 0 and float(u[-1]) < 1


@pytest.mark.parametrize("count", [1, 2, 50, 639, 640])
def test_decoding_stops_at_increasing_levels(count: int) -> None:
    stops = measured((EVERY >= 320).float()).stops(count)
    assert len(stops) == count and bool((stops.diff() > 0).all())
    assert int(stops[-1]) == 639 and int(stops[0]) >= 0
    assert count == 1 or int(stops[0]) == 0


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="641 decoding steps"):
        measured(EVERY / 100).stops(641)
    with pytest.raises(UserError, match=r"levels\.bins"):
        Warp(LevelsConfig(bins=64), 63)
    with pytest.raises(UserError, match="sigma_max=1 is not above"):
        LevelsConfig(sigma_min=2, sigma_max=1)
