"""Whether a network learned what it was trained for, told on held-out texts.

What is at chance steers nothing, and its row in a table would say something of its training that is
read as something of the method. So every network that reads a control, or is asked for one, is held
against chance: a classifier against the entropy of the held-out labels, a network with prompts
against its own loss where each text has another's prompt.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

#: of the interval within which the gain over chance is
CONFIDENCE = 0.95
#: what a network with prompts is held against
SHUFFLED = "its loss under other texts' prompts"
#: and what a classifier, or a discriminator of as many pairs that hold as do not
ENTROPY = "the entropy of the held-out labels"


@dataclass(frozen=True)
class Learned:
    """The held-out loss of ``chance`` less the network's, in nats, averaged over ``texts`` texts,
    with an interval over them (Student's)."""

    gain: float
    low: float
    high: float
    texts: int
    chance: str

    @property
    def refused(self) -> bool:
        """Whether nothing shows that it is better than chance."""
        return self.low <= 0

    def __str__(self) -> str:
        """``0.0021 nats below ..., 95 % interval [-0.0010, 0.0052] over 256 texts``."""
        side = "below" if self.gain >= 0 else "above"
        return (
            f"{abs(self.gain):.4f} nats {side} {self.chance}, 95 % interval of the gain "
            f"[{self.low:.4f}, {self.high:.4f}] over {self.texts} held-out texts"
        )


@runtime_checkable
class Learns(Protocol):
    """An objective (:class:`models.nets.train.Objective`) whose task has a chance."""

    def learned(self) -> Learned | None:
        """Called in eval mode without gradients; None where too few held-out texts tell."""


def compared(
    loss: npt.ArrayLike, chance: npt.ArrayLike, texts: Sequence[Hashable], what: str
) -> Learned | None:
    """Of answers (N,), each with the loss of the network and of chance, ``what``, and the text that
    it is of: a text counts once, by the mean of its answers. None for fewer than two texts."""
    from scipy.stats import t

    gains: dict[Hashable, list[float]] = {}
    for text, gain in zip(texts, np.asarray(chance) - np.asarray(loss), strict=True):
        gains.setdefault(text, []).append(float(gain))
    means = np.array([np.mean(one) for one in gains.values()])
    n = len(means)
    if n < 2:
        return None
    gain, error = float(means.mean()), float(means.std(ddof=1)) / n**0.5
    wide = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
    return Learned(gain, gain - wide, gain + wide, n, what)


def surprise(labels: npt.ArrayLike, groups: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """-log of the share that each label has among those of its group (N,): nats, whose mean is the
    entropy of labels within groups."""
    pairs = np.stack([np.asarray(groups), np.asarray(labels)], 1)
    _, kind, count = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    _, group, every = np.unique(pairs[:, 0], return_inverse=True, return_counts=True)
    return -np.log(count[kind.ravel()] / every[group.ravel()])
