"""Sampler steps against diffusers' schedulers and against a denoiser with a known answer."""

import math

import numpy as np
import pytest
import torch

from models.diffusion.estimate import x0_from_eps, x0_from_mu
from models.diffusion.gaussian import (
    Gaussian,
    ancestral_step,
    ddim_step,
    posterior_coefficients,
    q_sample,
)
from models.diffusion.loop import Noise, walk
from models.diffusion.schedule import make_schedule

SHAPE = (3, 8, 16)
T = 200


def tensors(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    x, x0, noise = (torch.randn(SHAPE, generator=rng, dtype=torch.float64) for _ in range(3))
    return x, x0, noise


def levels(t: int) -> tuple[float, float]:
    schedule = make_schedule("sqrt", T)
    return float(schedule.alpha_bar[t]), float(schedule.alpha_bar_prev[t])


@pytest.mark.parametrize("t", [1, 5, 50, 150, 199])
def test_ancestral_step_equals_diffusers_ddpm(t: int) -> None:
    from diffusers import DDPMScheduler

    referee = DDPMScheduler(
        trained_betas=make_schedule("sqrt", T).betas,
        variance_type="fixed_small",
        prediction_type="sample",
        clip_sample=False,
    )
    x, x0, _ = tensors(t)
    drawn = torch.randn(SHAPE, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    expected = referee.step(x0, t, x, generator=torch.Generator().manual_seed(7)).prev_sample
    got = ancestral_step(x, x0, *levels(t)).draw(lambda: drawn)
    # diffusers keeps its products in fp32
    torch.testing.assert_close(got, expected.double(), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("t", [1, 5, 50, 150, 199])
def test_ddim_step_equals_diffusers_ddim(t: int, eta: float) -> None:
    from diffusers import DDIMScheduler

    referee = DDIMScheduler(
        trained_betas=make_schedule("sqrt", T).betas,
        num_train_timesteps=T,
        prediction_type="sample",
        clip_sample=False,
        set_alpha_to_one=True,
    )
    referee.set_timesteps(T)
    x, x0, noise = tensors(t)
    expected = referee.step(x0, t, x, eta=eta, variance_noise=noise).prev_sample
    got = ddim_step(x, x0, *levels(t), eta).draw(lambda: noise)
    torch.testing.assert_close(got, expected.double(), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("t", [0, 9, 100, 199])
def test_eps_conversion_equals_diffusers(t: int) -> None:
    from diffusers import DDPMScheduler

    schedule = make_schedule("sqrt", T)
    referee = DDPMScheduler(
        trained_betas=schedule.betas, prediction_type="epsilon", clip_sample=False
    )
    x, eps, _ = tensors(t)
    expected = referee.step(eps, t, x).pred_original_sample.double()
    got = x0_from_eps(x, eps, float(schedule.alpha_bar[t]))
    # at t=199 the division by sqrt(2.5e-6) magnifies diffusers' fp32 products
    torch.testing.assert_close(got, expected, rtol=5e-3, atol=1e-3)


@pytest.mark.parametrize("t", range(1, T, 20))
def test_ddim_at_eta_one_has_the_posterior_std(t: int) -> None:
    x, x0, _ = tensors(t)
    assert ddim_step(x, x0, *levels(t), 1.0).std == pytest.approx(
        ancestral_step(x, x0, *levels(t)).std, rel=1e-12
    )
    assert posterior_coefficients(*levels(t))[2] == pytest.approx(
        make_schedule("sqrt", T).posterior_std[t], rel=1e-9
    )


@pytest.mark.parametrize("step", [ancestral_step, ddim_step])
def test_steps_keep_the_marginal(step) -> None:  # type: ignore[no-untyped-def]
    """With the true x_0, a step maps q(x_t | x_0) exactly onto q(x_s | x_0): the law of x_s is
    linear in two independent Gaussians, so mean and variance decide it."""
    a_t, a_s = levels(77)
    x0 = torch.full((1,), 1.7, dtype=torch.float64)
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    at_mean = step(q_sample(x0, a_t, zero), x0, a_t, a_s).draw(lambda: zero)
    from_noise = step(q_sample(x0, a_t, one), x0, a_t, a_s).draw(lambda: zero) - at_mean
    from_step = step(q_sample(x0, a_t, zero), x0, a_t, a_s).draw(lambda: one) - at_mean
    assert float(at_mean) == pytest.approx(math.sqrt(a_s) * 1.7, rel=1e-12)
    assert float(from_noise**2 + from_step**2) == pytest.approx(1 - a_s, rel=1e-12)


def test_parametrisations_agree() -> None:
    """x_0, the noise and the posterior mean that belong together give back the same x_0."""
    x0, _, noise = tensors(0)
    for t in (1, 40, 160):
        a_t, a_s = levels(t)
        x_t = q_sample(x0, a_t, noise)
        torch.testing.assert_close(x0_from_eps(x_t, noise, a_t), x0)
        on_x0, on_xt, _ = posterior_coefficients(a_t, a_s)
        torch.testing.assert_close(x0_from_mu(x_t, on_x0 * x0 + on_xt * x_t, on_x0, on_xt), x0)


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
def test_whole_loop_on_gaussian_data(sampler: str) -> None:
    """For data N(m, v) the best denoiser is linear, so the loop's output is Gaussian with a mean
    and variance that a scalar recursion gives; 4096 x 16 draws must match both."""
    m, v = 0.8, 0.25
    schedule = make_schedule("sqrt", 100)
    previous = schedule.alpha_bar_prev

    def gain(t: int) -> float:
        a = float(schedule.alpha_bar[t])
        return v * math.sqrt(a) / (v * a + 1 - a)

    def denoise(x: torch.Tensor, t: int, previous: torch.Tensor | None) -> torch.Tensor:
        return m + gain(t) * (x - math.sqrt(float(schedule.alpha_bar[t])) * m)

    rngs = [torch.Generator().manual_seed(i) for i in range(4096)]
    process = Gaussian(schedule, sampler)  # type: ignore[arg-type]
    out = walk(denoise, process, Noise(rngs, (4, 4)), torch.device("cpu"))
    mean, variance = 0.0, 1.0  # of x_T
    for t in reversed(range(schedule.steps)):
        a, s = float(schedule.alpha_bar[t]), float(previous[t])
        # x0_hat = k x + b, x_s = p x0_hat + q x + std z
        k, b = gain(t), m - gain(t) * math.sqrt(a) * m
        if t == 0:
            p, q, std = 1.0, 0.0, 0.0
        elif sampler == "ancestral":
            p, q, std = posterior_coefficients(a, s)
        else:
            std = posterior_coefficients(a, s)[2]
            q = math.sqrt((1 - s - std**2) / (1 - a))
            p = math.sqrt(s) - q * math.sqrt(a)
        mean = (p * k + q) * mean + p * b
        variance = (p * k + q) ** 2 * variance + std**2
    n = out.numel()
    assert float(out.mean()) == pytest.approx(mean, abs=5 * math.sqrt(variance / n))
    assert float(out.var()) == pytest.approx(variance, rel=5 * math.sqrt(2 / n))
    # and the recursion itself lands on the data, up to what 100 steps leave of it
    assert mean == pytest.approx(m, abs=0.02)


def test_last_step_returns_the_projected_estimate() -> None:
    schedule = make_schedule("sqrt", 20)
    table = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))

    def project(x: torch.Tensor) -> torch.Tensor:
        return table[torch.cdist(x.flatten(0, 1), table).argmin(-1)].view_as(x)

    rngs = [torch.Generator().manual_seed(i) for i in range(2)]
    out = walk(
        lambda x, t, previous: 0.5 * x,
        Gaussian(schedule),
        Noise(rngs, (6, 4)),
        torch.device("cpu"),
        project=project,
    )
    assert all(any(torch.equal(row, word) for word in table) for row in out.flatten(0, 1))


def test_noise_of_a_row_ignores_the_other_rows() -> None:
    def rows(seeds: list[int]) -> list[np.ndarray]:
        noise = Noise([torch.Generator().manual_seed(s) for s in seeds], (3, 4))
        return [noise().numpy().copy() for _ in range(60)]

    alone, among = rows([5]), rows([1, 5, 9])
    assert all(np.array_equal(a[0], b[1]) for a, b in zip(alone, among, strict=True))


def test_pinned_positions_come_back_unchanged() -> None:
    known = torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(3))

    def pin(x: torch.Tensor, s: int) -> torch.Tensor:
        x = x.clone()
        x[:, :2] = known
        return x

    out = walk(
        lambda x, t, previous: x * 0.3,
        Gaussian(make_schedule("sqrt", 20), "ancestral"),
        Noise([torch.Generator().manual_seed(0)], (6, 4)),
        torch.device("cpu"),
        pin=pin,
    )
    assert torch.equal(out[:, :2], known)
