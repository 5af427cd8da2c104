"""DPM-Solver++ 2M against diffusers and a known solution; steps even in log signal over noise."""

import itertools
import math

import numpy as np
import pytest
import torch

from models.diffusion.gaussian import Gaussian
from models.diffusion.loop import walk
from models.diffusion.multistep import Multistep
from models.diffusion.schedule import (
    Schedule,
    decoding_schedule,
    log_uniform,
    make_schedule,
    nearest_levels,
)
from tasks.common.errors import UserError

CPU = torch.device("cpu")
STEPS = 40


def curved(x: torch.Tensor) -> torch.Tensor:
    """An estimate that is no straight line of x."""
    return torch.tanh(1.3 * x + 0.2)


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "dpmpp_2m_sde"])
def test_walk_equals_diffusers(sampler: str) -> None:
    from diffusers import DPMSolverMultistepScheduler

    schedule = make_schedule("sqrt", STEPS)
    stochastic = sampler.endswith("sde")
    referee = DPMSolverMultistepScheduler(
        trained_betas=schedule.betas,
        num_train_timesteps=STEPS,
        prediction_type="sample",
        solver_order=2,
        algorithm_type="sde-dpmsolver++" if stochastic else "dpmsolver++",
    )
    referee.set_timesteps(timesteps=list(reversed(range(STEPS))))
    rng = torch.Generator().manual_seed(4)
    noise = torch.randn(STEPS + 1, 2, 3, 4, generator=rng, dtype=torch.float64)
    x, left = noise[0], iter(noise[1:])
    for t in referee.timesteps:
        drawn = next(left) if stochastic else None
        x = referee.step(curved(x), t, x, variance_noise=drawn).prev_sample.double()
    drawn_here = iter(noise)
    got = walk(
        lambda x, t, previous: curved(x),
        Multistep(Gaussian(schedule, sampler)),  # type: ignore[arg-type]
        lambda: next(drawn_here),
        CPU,
    )
    # diffusers keeps its products in fp32
    torch.testing.assert_close(got, x, rtol=2e-4, atol=2e-4)


def error(steps: int, second: bool) -> float:
    """Of the ODE of Gaussian data of variance c^2, whose solution keeps x_t in proportion to the
    standard deviation of its marginal, between two noise levels."""
    c2, schedule = 0.3, log_uniform(0.2, 5.0, steps)
    process = Gaussian(schedule, "euler")
    solver = Multistep(process) if second else process
    spread = schedule.alpha_bar * c2 + 1 - schedule.alpha_bar
    x = torch.ones(1, dtype=torch.float64)
    for t in range(steps - 1, 0, -1):
        mean = math.sqrt(schedule.alpha_bar[t]) * c2 / spread[t] * x
        x = solver.move(x, mean, t).mean
    return abs(float(x) - math.sqrt(spread[0] / spread[-1]))


def test_the_order_of_convergence_is_two() -> None:
    for second, order in ((True, 2), (False, 1)):
        errors = [error(steps, second) for steps in (41, 81, 161)]
        slopes = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
        assert slopes == pytest.approx([order, order], abs=0.2), second


def test_steps_even_in_log_snr() -> None:
    trained = make_schedule("sqrt", 2000)
    spaced = decoding_schedule(trained, 50, "log_snr")
    index = spaced.train_index
    assert spaced.steps == 50 and index[-1] == 1999 and index[0] == 39, "ends as of every 40th step"
    gaps = np.diff(spaced.log_snr[:-1])
    assert gaps == pytest.approx(gaps.mean(), rel=0.1), "up to the nearest trained step"
    assert spaced.model_time.tolist() == trained.model_time[index].tolist(), "told its own time"
    # 1999 of 2000 steps leave room for one to be left out, and none comes twice
    for steps in (1, 2, 3, 999, 1999):
        taken = decoding_schedule(trained, steps, "log_snr").train_index
        assert (np.diff(taken) > 0).all() and len(taken) == steps and taken[-1] == 1999
    with pytest.raises(UserError, match="2001 decoding steps of the 2000 trained ones"):
        decoding_schedule(trained, 2001, "log_snr")


def test_levels_of_a_classifier_for_fewer_steps() -> None:
    """A quarter of the steps of a schedule are its own steps; other steps go to the nearest."""
    trained = make_schedule("sqrt", 2000)

    def levels(steps: int, spacing: str) -> tuple[list[int], Schedule, Schedule]:
        known, decoded = (
            decoding_schedule(trained, n, s) for n, s in ((100, "recompute"), (steps, spacing))
        )
        return nearest_levels(decoded, known), decoded, known

    assert levels(100, "recompute")[0] == levels(100, "respaced")[0] == list(range(100))
    assert levels(25, "respaced")[0] == list(range(3, 100, 4))
    found, decoded, known = levels(30, "log_snr")
    apart = np.abs(decoded.log_snr[:-1] - known.log_snr[found[:-1]])
    assert found == sorted(found) and apart.max() < np.abs(np.diff(known.log_snr[1:-1])).max() / 2
