"""Classifier guidance: gradient steps on drawn latents (paper, section 5.1).

A guide is any ``log_prob(x, level) -> (B,)`` of the controls given latents x (B, L, D) at a noise
level (-1: clean). Composing controls adds guides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.diffusion.config import GuidanceConfig
from models.diffusion.gaussian import Normal
from models.diffusion.schedule import Schedule
from models.nets.finite import Watch, sizes
from tasks.controls import Control

LogProb = Callable[[Tensor, int], Tensor]

ADAGRAD_EPS = 1e-10

#: as errors call it
GRADIENTS = "the gradients of the guide"


def add(guides: Sequence[LogProb]) -> LogProb:
    """The guide of all controls at once: the sum of the log-probabilities."""

    def log_prob(x: Tensor, s: int) -> Tensor:
        return torch.stack([guide(x, s) for guide in guides]).sum(0)

    return log_prob


class OfControls:
    """A guide that is made from one control for each row, and anew when rows leave."""

    def __init__(
        self, make: Callable[[Sequence[Control]], LogProb], controls: Sequence[Control]
    ) -> None:
        self.make, self.controls, self.log_prob = make, controls, make(controls)

    def __call__(self, x: Tensor, s: int) -> Tensor:
        return self.log_prob(x, s)

    def take(self, rows: Tensor) -> OfControls:
        """The same for the rows ``rows`` (N,) of the batch."""
        return OfControls(self.make, [self.controls[i] for i in rows.tolist()])


class Guidance:
    """The *correct* hook of :func:`models.diffusion.loop.walk` for latents.

    Each of ``config.updates`` steps of Adagrad descends, in y starting from the drawn x_s,

        -log_prob(y, s) + fluency * sum (y - mean)^2 / scale

    per row, where scale is the move's std (released) or 2 std^2 (paper). With ``reset="update"``
    Adagrad's accumulator is empty at every update, so each coordinate moves by lr times the sign
    of its gradient. The last ``config.unguided`` diffusion steps are left alone. Rows never mix:
    the loss is a sum over rows, not the reference code's mean, which only matters to Adagrad
    through its eps of 1e-10.

    ``schedule``: that of the levels s, which the interval from ``config.since`` to ``config.until``
    is about; without one all levels lie in it.
    """

    def __init__(
        self,
        log_prob: LogProb,
        config: GuidanceConfig,
        networks: int = 1,
        schedule: Schedule | None = None,
    ) -> None:
        self.log_prob, self.config, self.networks = log_prob, config, networks
        self._noise = None if schedule is None else schedule.sigma
        self._accumulated: Tensor | None = None
        #: of -log_prob, as last evaluated, and how many diffusion steps were guided so far
        self._task: Tensor | None = None
        self._guided = 0
        self._watch = Watch()
        #: evaluations so far of the ``networks`` that log_prob differentiates
        self.evaluations = 0

    def gradient(self, y: Tensor, move: Normal, s: int, again: bool = False) -> Tensor:
        """d/dy of the loss above, (B, L, D); ``again``: with the gradient of log_prob as last
        evaluated."""
        if self._task is None or not again:
            with torch.enable_grad():
                y = y.detach().requires_grad_(True)
                (self._task,) = torch.autograd.grad(-self.log_prob(y, s).sum(), y)
            self.evaluations += self.networks
        std = move.std or 1.0
        scale = std if self.config.denominator == "std" else 2 * std**2
        # The fluency term is a quadratic, so its gradient is written down.
        return self._task + self.config.fluency * 2 * (y.detach() - move.mean) / scale

    def keep(self, rows: Tensor) -> None:
        """From now on of the rows ``rows`` (N,) of the batch alone: of a guide that can be taken
        apart (:class:`OfControls`)."""
        self._watch.close()
        self._watch = Watch()
        assert isinstance(self.log_prob, OfControls)
        self.log_prob = self.log_prob.take(rows)
        if self._accumulated is not None:
            self._accumulated = self._accumulated[rows]
        if self._task is not None:
            self._task = self._task[rows]

    def acts(self, s: int) -> bool:
        """Whether latents at level s are guided."""
        if s < 0 or s + 1 < self.config.unguided:
            return False  # at -1 stands the clean estimate: nothing is left to steer
        noise = self._noise
        return noise is None or self.config.until <= noise[s] <= self.config.since

    def __call__(self, x: Tensor, move: Normal, s: int) -> Tensor:
        y = x
        if not self.acts(s):
            return y
        if self.config.reset == "step":
            self._accumulated = None
        again = self._guided % self.config.every > 0
        self._guided += 1
        for _ in range(self.config.taken):
            gradient = self.gradient(y, move, s, again)
            self._watch(sizes(gradient), GRADIENTS)
            squares = gradient.square()
            if self.config.reset != "update" and self._accumulated is not None:
                squares = squares + self._accumulated
            self._accumulated = squares
            y = y - self.config.length * gradient / (squares.sqrt() + ADAGRAD_EPS)
        if not self.acts(s - 1):  # the last guided step
            self._watch.close()
        return y
