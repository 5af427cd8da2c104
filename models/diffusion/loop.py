"""The one sampling loop, and the noise that makes each sample its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.diffusion.config import SamplingConfig
from models.diffusion.gaussian import Step, ancestral_step, ddim_step
from models.diffusion.schedule import Schedule

#: (x_t, t) -> x_0 estimate, both (B, L, D)
Denoise = Callable[[Tensor, int], Tensor]
#: changes an x_0 estimate
Project = Callable[[Tensor], Tensor]
#: (step, s) -> x_s, changed by guidance; s is the index of the noise level of x_s, -1 for clean
Correct = Callable[[Step, int], Tensor]
#: (x_s, s) -> x_s with some positions overwritten
Pin = Callable[[Tensor, int], Tensor]

CHUNK = 50


class Noise:
    """Standard normal noise for a batch, row i drawn from ``rngs[i]`` alone.

    Rows are drawn ``CHUNK`` steps at a time, whatever the batch.
    """

    def __init__(self, rngs: Sequence[torch.Generator], shape: tuple[int, int]) -> None:
        self._rngs, self._shape = rngs, shape
        self._drawn: Tensor | None = None
        self._used = 0

    def __call__(self) -> Tensor:
        """The next (B, L, D) noise, on the CPU."""
        if self._drawn is None or self._used == CHUNK:
            rows = [torch.randn((CHUNK, *self._shape), generator=rng) for rng in self._rngs]
            self._drawn, self._used = torch.stack(rows, 1), 0
        self._used += 1
        return self._drawn[self._used - 1]


def sample(
    denoise: Denoise,
    schedule: Schedule,
    noise: Callable[[], Tensor],
    config: SamplingConfig,
    device: torch.device,
    *,
    project: Project | None = None,
    correct: Correct | None = None,
    pin: Pin | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """x_0 from x_T ~ N(0, I), in ``schedule.steps`` steps; (B, L, D) on ``device``.

    At each step: ``denoise`` estimates x_0, ``project`` changes the estimate (clamping), the step
    draws x_s, ``correct`` moves it (guidance), ``pin`` overwrites positions (infilling). No noise
    is added by the last step, which returns the projected estimate itself.
    """
    x = noise().to(device)
    if pin is not None:
        x = pin(x, schedule.steps - 1)
    previous = schedule.alpha_bar_prev
    for t in reversed(range(schedule.steps)):
        x0_hat = denoise(x, t)
        if project is not None:
            x0_hat = project(x0_hat)
        if t == 0:
            step = Step(x0_hat, x0_hat, 0.0)
        else:
            levels = (float(schedule.alpha_bar[t]), float(previous[t]))
            z = noise().to(device)
            if config.sampler == "ancestral":
                step = ancestral_step(x, x0_hat, *levels, z)
            else:
                step = ddim_step(x, x0_hat, *levels, z, config.eta)
        x = step.x_s
        if correct is not None:
            x = correct(step, t - 1)
        if pin is not None:
            x = pin(x, t - 1)
        if on_step is not None:
            on_step(t)
    return x
