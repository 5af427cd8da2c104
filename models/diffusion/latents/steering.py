"""Guidance of the score: the x_0 estimate moves along the gradient of log p(control | x_t)
(Dhariwal and Nichol 2021, equation 10; of words Gulrajani and Hashimoto 2023, section 5).

Shapes: B batch, L length, D embedding dimension, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.diffusion.classifiers.training import MakeGuide
from models.diffusion.guidance import GRADIENTS, LogProb
from models.diffusion.latents.decoding import ScoreGuidanceConfig
from models.diffusion.latents.diffusion import Diffusion
from models.nets.finite import Watch, sizes
from tasks.controls import Control

#: log p(word) at each position, (B, L, V) -> log p(control), (B,)
LogProbOfWords = Callable[[Tensor], Tensor]
MakeOwn = Callable[[Sequence[Control]], LogProbOfWords]
#: rows of a batch -> their classifiers, and what asks the network's own words
Take = Callable[[Sequence[int]], tuple[Sequence[LogProb], Sequence[LogProbOfWords]]]


@dataclass(frozen=True)
class Part:
    """What guides one control of each text: a classifier of latents, or the network's own words."""

    classifier: MakeGuide | None = None
    own: MakeOwn | None = None


class Steering:
    """The *steer* hook of :meth:`models.diffusion.latents.diffusion.Diffusion.latents`: of one
    batch, guided by the sum of all log-probabilities. ``take``: needed where rows leave it."""

    def __init__(
        self,
        diffusion: Diffusion,
        config: ScoreGuidanceConfig,
        classifiers: Sequence[LogProb],
        own: Sequence[LogProbOfWords],
        take: Take | None = None,
    ) -> None:
        self.diffusion, self.config, self._take = diffusion, config, take
        self.classifiers, self.own = tuple(classifiers), tuple(own)
        self._watch = Watch()
        #: of the log-probability, as last evaluated, and how many steps were guided so far
        self._gradient: Tensor | None = None
        self._guided = 0
        #: of each row that is left, its row in the whole batch; None: none has left
        self._rows: list[int] | None = None
        #: gradients so far, of each network that log p(control | x_t) asks
        self.evaluations = 0

    def keep(self, rows: Tensor) -> None:
        """From now on of the rows ``rows`` (N,) of the batch alone."""
        assert self._take is not None
        self._watch.close()
        self._watch = Watch()
        self._rows = rows.tolist() if self._rows is None else [self._rows[i] for i in rows.tolist()]
        classifiers, own = self._take(self._rows)
        self.classifiers, self.own = tuple(classifiers), tuple(own)
        if self._gradient is not None:
            self._gradient = self._gradient[rows]

    def __call__(self, x: Tensor, t: int) -> tuple[Tensor, Tensor]:
        """The x_0 estimate, and what guidance adds to it."""
        signal = float(self.diffusion.schedule.alpha_bar[t])
        if not self.config.until**2 <= (1 - signal) / signal <= self.config.since**2:
            x0 = self.diffusion.x0(x, t)
            return x0, torch.zeros_like(x0)
        weight = self.config.weight * (1 - signal) / signal**0.5
        again = self._gradient if self._guided % self.config.every else None
        self._guided += 1
        if again is not None:
            return self.diffusion.x0(x, t), weight * again
        with torch.enable_grad():
            y = x.detach().requires_grad_(True)
            said = [guide(y, t) for guide in self.classifiers]
            if self.own:
                x0, logits = self.diffusion.said(y, t)
                words = logits.log_softmax(-1)
                said += [guide(words) for guide in self.own]
            (gradient,) = torch.autograd.grad(torch.stack(said).sum(), y)
        if not self.own:
            x0 = self.diffusion.x0(x, t)
        self._watch(sizes(gradient), GRADIENTS)
        self.evaluations += len(self.classifiers) + bool(self.own)
        if t == 1:  # no step after it is guided
            self._watch.close()
        self._gradient = gradient
        return x0.detach(), weight * gradient
