"""DPM-Solver++ of second order in two steps, 2M, and its stochastic form SDE-DPM-Solver++ 2M (Lu et
al. 2022, "DPM-Solver++", algorithm 2 and section 5).

Of first order it is DDIM: at eta=0 the solver of the ODE, at eta=1 that of the SDE. Of second order
it is the same step with an extrapolated estimate in the place of the last one,

    D = x0_t + h / (2 h_before) (x0_t - x0_before),

where h is the distance in half the log signal-to-noise ratio of the step, and h_before that of the
step before it.
"""

from __future__ import annotations

from torch import Tensor

from models.diffusion.gaussian import Gaussian, Normal


class Multistep:
    """The steps of one walk: ``process`` with the memory of the last estimate."""

    def __init__(self, process: Gaussian) -> None:
        self.process, self.steps = process, process.steps
        self._log_snr = process.schedule.log_snr
        self._before: tuple[Tensor, int] | None = None

    def prior(self, z: Tensor) -> Tensor:
        """As of the process."""
        return self.process.prior(z)

    def corrupt(self, state: Tensor, level: Tensor | int, noise: Tensor) -> Tensor:
        """As of the process."""
        return self.process.corrupt(state, level, noise)

    def move(self, x: Tensor, estimate: Tensor, t: int) -> Normal:
        """Of first order at the first step, where there is no estimate before, and at t = 0, which
        ends at the estimate itself."""
        before, self._before = self._before, (estimate, t)
        if before is not None and t:
            other, level = before
            step, past = self._distance(t, t - 1), self._distance(level, t)
            estimate = estimate + step / (2 * past) * (estimate - other)
        return self.process.move(x, estimate, t)

    def keep(self, rows: Tensor) -> None:
        """From now on of the rows ``rows`` (N,) of the batch alone."""
        if self._before is not None:
            estimate, level = self._before
            self._before = estimate[rows], level

    def _distance(self, t: int, s: int) -> float:
        return float(self._log_snr[s] - self._log_snr[t]) / 2
