"""How much of a text noise leaves at a time t in [0, 1]: alpha_t, the chance that a word is still
its own, falling from 1.

sigma_t = -log alpha_t is what score-based and masked diffusion call total noise; its derivative is
the rate at which words are lost. Everything is float64.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from tasks.common.errors import unknown


class Levels(ABC):
    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """Of times like ``t``."""

    @abstractmethod
    def rate(self, t: Tensor) -> Tensor:
        """d sigma / dt."""

    def grid(self, steps: int) -> list[float]:
        """alpha after 1 to ``steps`` of as many equal steps, the last one 0: pure noise."""
        t = torch.arange(1, steps + 1, dtype=torch.float64) / steps
        return [*self.alpha(t)[:-1].tolist(), 0.0]


class LogLinear(Levels):
    """alpha_t = 1 - (1 - eps) t (Lou et al. 2024, section 5.1; Sahoo et al. 2024, appendix E)."""

    def __init__(self, eps: float = 1e-3) -> None:
        self.eps = eps

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - (1 - self.eps) * t.double()

    def rate(self, t: Tensor) -> Tensor:
        return (1 - self.eps) / self.alpha(t)


class Cosine(Levels):
    """alpha_t = eps + (1 - eps) cos(pi t / 2) (Sahoo et al. 2024, appendix E)."""

    def __init__(self, eps: float = 1e-3) -> None:
        self.eps = eps

    def alpha(self, t: Tensor) -> Tensor:
        return self.eps + (1 - self.eps) * torch.cos(math.pi / 2 * t.double())

    def rate(self, t: Tensor) -> Tensor:
        falls = (1 - self.eps) * math.pi / 2 * torch.sin(math.pi / 2 * t.double())
        return falls / self.alpha(t)


class Geometric(Levels):
    """sigma_t = least^(1-t) most^t (Lou et al. 2024, section 5.1)."""

    def __init__(self, least: float = 1e-4, most: float = 20.0) -> None:
        self.least, self.most = least, most

    def sigma(self, t: Tensor) -> Tensor:
        t = t.double()
        return self.least ** (1 - t) * self.most**t

    def alpha(self, t: Tensor) -> Tensor:
        return torch.exp(-self.sigma(t))

    def rate(self, t: Tensor) -> Tensor:
        return self.sigma(t) * math.log(self.most / self.least)


class SqrtCosine(Levels):
    """In ``steps`` steps, each of which keeps a word with the root of the clipped ratio of squared
    cosines (Hoogeboom et al. 2021, appendix; the root is the released code's)."""

    def __init__(self, steps: int) -> None:
        at = torch.arange(steps + 1, dtype=torch.float64) / steps
        squares = torch.cos((at + 0.008) / 1.008 * math.pi / 2).square()
        kept = (squares[1:] / squares[:-1]).clamp(0.001, 1.0).sqrt()
        self.steps, self.kept = steps, kept
        self._alphas = torch.cat([torch.ones(1, dtype=torch.float64), kept.cumprod(0)])

    def alpha(self, t: Tensor) -> Tensor:
        """Of times on the grid of steps; others take the step before."""
        return self._alphas[(t.double() * self.steps).round().long()]

    def rate(self, t: Tensor) -> Tensor:
        step = (t.double() * self.steps).round().long().clamp(min=1)
        return -self.kept[step - 1].log() * self.steps


def levels(name: str, steps: int = 1000) -> Levels:
    """The schedule of that name. Raises ``UserError`` for a name that is none."""
    known: dict[str, Callable[[], Levels]] = {
        "loglinear": LogLinear,
        "cosine": Cosine,
        "geometric": Geometric,
        "sqrt_cosine": lambda: SqrtCosine(steps),
    }
    if name not in known:
        raise unknown("schedule", name, known)
    return known[name]()
