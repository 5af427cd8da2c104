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
from models.nets.finite import Watch, sizes

LogProb = Callable[[Tensor, int], Tensor]

ADAGRAD_EPS = 1e-10

#: as errors call it
GRADIENTS = "the gradients of the guide"


def add(guides: Sequence[LogProb]) -> LogProb:
    """The guide of all controls at once: the sum of the log-probabilities."""

    def log_prob(x: Tensor, s: int) -> Tensor:
        return torch.stack([guide(x, s) for guide in guides]).sum(0)

    return log_prob


class Guidance:
    """The *correct* hook of :func:`models.diffusion.loop.walk` for latents.

    Each of ``config.updates`` steps of Adagrad descends, in y starting from the drawn x_s,

        -log_prob(y, s) + fluency * sum (y - mean)^2 / scale

    per row, where scale is the move's std (released) or 2 std^2 (paper). With ``reset="update"``
    Adagrad's accumulator is empty at every update, so each coordinate moves by lr times the sign
    of its gradient. The last ``config.unguided`` diffusion steps are left alone. Rows never mix:
    the loss is a sum over rows, not the reference code's mean, which only matters to Adagrad
    through its eps of 1e-10.
    """

    def __init__(self, log_prob: LogProb, config: GuidanceConfig, networks: int = 1) -> None:
        self.log_prob, self.config, self.networks = log_prob, config, networks
        self._accumulated: Tensor | None = None
        self._watch = Watch()
        #: evaluations so far of the ``networks`` that log_prob differentiates
        self.evaluations = 0

    def gradient(self, y: Tensor, move: Normal, s: int) -> Tensor:
        """d/dy of the loss above, (B, L, D)."""
        with torch.enable_grad():
            y = y.detach().requires_grad_(True)
            (task,) = torch.autograd.grad(-self.log_prob(y, s).sum(), y)
        std = move.std or 1.0
        scale = std if self.config.denominator == "std" else 2 * std**2
        self.evaluations += self.networks
        # The fluency term is a quadratic, so its gradient is written down.
        return task + self.config.fluency * 2 * (y.detach() - move.mean) / scale

    def __call__(self, x: Tensor, move: Normal, s: int) -> Tensor:
        t, y = s + 1, x
        if t < self.config.unguided or t == 0:
            # t=0 returns the clean estimate: nothing is left to steer.
            return y
        if self.config.reset == "step":
            self._accumulated = None
        for _ in range(self.config.updates):
            gradient = self.gradient(y, move, s)
            self._watch(sizes(gradient), GRADIENTS)
            squares = gradient.square()
            if self.config.reset != "update" and self._accumulated is not None:
                squares = squares + self._accumulated
            self._accumulated = squares
            y = y - self.config.lr * gradient / (squares.sqrt() + ADAGRAD_EPS)
        if t == max(1, self.config.unguided):  # the last guided step
            self._watch.close()
        return y
