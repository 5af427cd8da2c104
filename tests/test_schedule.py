"""Numeric landmarks of the noise schedules (reference notes, section 2.3)."""

import math

import numpy as np
import pytest

from models.diffusion.schedule import decoding_schedule, make_schedule
from tasks.common.errors import UserError

# T: beta_0, alpha_bar_0, std_0, alpha_bar_{T-2}, alpha_bar_{T-1}
LANDMARKS = {
    2000: (0.0146413, 0.985359, 0.12100, 2.0204e-4, 2.0204e-7),
    1000: (0.0234003, 0.976600, 0.15297, 4.5465e-4, 4.5465e-7),
    500: (0.0361876, 0.963812, 0.19023, 9.6005e-4, 9.6005e-7),
    200: (0.0620346, 0.937965, 0.24907, 2.4778e-3, 2.4778e-6),
}
AT_2000 = {1: 0.976600, 9: 0.937965, 500: 0.504445, 1000: 0.295423, 1500: 0.134978}
# t: alpha_bar, std of the noise, DDIM's sigma at eta=1
AT_200 = {
    1: (0.908587, 0.30235, 0.14579),
    9: (0.78401, 0.46475, 0.11736),
    10: (0.772996, 0.47645, 0.11561),
    50: (0.499925, 0.70716, 0.09925),
    100: (0.292218, 0.8413, 0.10946),
    150: (0.132359, 0.93147, 0.14645),
    198: (0.002478, 0.99876, 0.7102),
    199: (2.48e-6, 1.0, 0.99826),
}


@pytest.mark.parametrize("steps", LANDMARKS)
def test_sqrt_ends(steps: int) -> None:
    schedule = make_schedule("sqrt", steps)
    got = (
        schedule.betas[0],
        schedule.alpha_bar[0],
        schedule.std[0],
        schedule.alpha_bar[-2],
        schedule.alpha_bar[-1],
    )
    for value, expected in zip(got, LANDMARKS[steps], strict=True):
        # printed to six digits: half a unit in the last place
        assert value == pytest.approx(expected, rel=5e-5, abs=1e-9)


def test_sqrt_closed_form() -> None:
    """The product telescopes: alpha_bar_t is the formula at (t+1)/T over its value at 0, 0.99."""
    schedule = make_schedule("sqrt", 2000)
    t = np.arange(1999)
    expected = (1 - np.sqrt((t + 1) / 2000 + 1e-4)) / 0.99
    np.testing.assert_allclose(schedule.alpha_bar[:-1], expected, rtol=1e-10)
    assert schedule.betas[-1] == pytest.approx(0.999, abs=1e-12)


@pytest.mark.parametrize("t", AT_2000)
def test_sqrt_2000_inside(t: int) -> None:
    assert make_schedule("sqrt", 2000).alpha_bar[t] == pytest.approx(AT_2000[t], abs=1e-6)


@pytest.mark.parametrize("t", AT_200)
def test_sqrt_200_inside(t: int) -> None:
    schedule = make_schedule("sqrt", 200)
    got = (schedule.alpha_bar[t], schedule.std[t], schedule.posterior_std[t])
    for value, expected in zip(got, AT_200[t], strict=True):
        assert value == pytest.approx(expected, abs=6e-6)


def test_posterior_std_vanishes_at_zero() -> None:
    assert make_schedule("sqrt", 200).posterior_std[0] == 0.0


def test_respacing_equals_recomputing_but_for_the_time_input() -> None:
    trained = make_schedule("sqrt", 2000)
    recomputed = decoding_schedule(trained, 200, "recompute")
    respaced = decoding_schedule(trained, 200, "respaced")
    t = np.arange(200)
    np.testing.assert_allclose(respaced.alpha_bar, trained.alpha_bar[10 * t + 9])
    # the very last beta is clipped in both, to different products
    np.testing.assert_allclose(recomputed.alpha_bar[:-1], respaced.alpha_bar[:-1], rtol=1e-9)
    np.testing.assert_allclose(recomputed.model_time, 5 * t)
    np.testing.assert_allclose(respaced.model_time - recomputed.model_time, 4.5)
    np.testing.assert_array_equal(recomputed.train_index, 10 * t + 9)


def test_linear_is_ho_et_al() -> None:
    schedule = make_schedule("linear", 1000)
    np.testing.assert_allclose(schedule.betas, np.linspace(1e-4, 0.02, 1000), rtol=1e-9)


def test_cosine_is_nichol_and_dhariwal() -> None:
    schedule = make_schedule("cosine", 1000)
    f = [math.cos((s / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for s in (0, 500)]
    assert schedule.alpha_bar[499] == pytest.approx(f[1] / f[0], rel=1e-9)


@pytest.mark.parametrize("name", ["sqrt", "cosine", "linear"])
def test_shape_of_every_schedule(name: str) -> None:
    schedule = make_schedule(name, 200)
    assert np.all(np.diff(schedule.alpha_bar) < 0)
    assert 0 < schedule.alpha_bar[-1] < schedule.alpha_bar[0] < 1
    assert np.all((schedule.betas > 0) & (schedule.betas < 1))


def test_errors_name_the_mistake() -> None:
    with pytest.raises(UserError, match="did you mean 'sqrt'"):
        make_schedule("sqr", 100)
    with pytest.raises(UserError, match="300 decoding steps do not divide"):
        decoding_schedule(make_schedule("sqrt", 2000), 300, "recompute")
    with pytest.raises(UserError, match="did you mean 'respaced'"):
        decoding_schedule(make_schedule("sqrt", 2000), 200, "respace")
