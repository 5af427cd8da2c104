"""Reading a noised text with a network of words: what it says, and how often it was asked.

Shapes: B batch, L length, V words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from models.nets.precision import pad_rows
from tasks.vocabulary import END, PAD, START, UNK


class Network(Protocol):
    """What is read: an encoder of words, or several as one."""

    @property
    def device(self) -> torch.device: ...

    @property
    def time(self) -> Any:
        """None where it is not told the time."""

    def __call__(self, ids: Tensor, time: Tensor) -> Tensor:
        """Texts (B, L) at times (B,) -> logits (B, L, V), fp32."""


#: (rows (R,) of a batch, their texts (R, L), their times (R,)) -> logits (R, L, V), fp32
Said = Callable[[Tensor, Tensor, Tensor], Tensor]


class Reader:
    """``words``: ids of the vocabulary, the next one being the mask. START, END, PAD and UNK are
    never said: the frame is given, and a text of a generator has no unknown word. ``passes``: how
    many evaluations of a network ``module`` makes of a text."""

    def __init__(self, module: Network, words: int, passes: int = 1) -> None:
        self.module, self.words, self.passes = module, words, passes
        self.silent = torch.tensor([START, END, PAD, UNK], device=module.device)

    @property
    def device(self) -> torch.device:
        return self.module.device

    def reading(
        self,
        rows: int,
        temperature: float = 1.0,
        estimate: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
        said: Said | None = None,
    ) -> Reading:
        """Of ``rows`` texts that change from call to call; ``said``: what is said of them, by
        default what the network says."""
        return Reading(self, rows, temperature, estimate, said or self.says)

    def says(self, rows: Tensor, x: Tensor, time: Tensor) -> Tensor:
        """Of texts x (R, L) at ``time`` (R,), whichever ``rows`` of a batch they are."""
        return self.module(pad_rows(x), pad_rows(time))[: len(x)]


class Reading:
    """(x (B, L), time (B,)) -> log p(word), up to a constant a position, (B, L, V), fp32.

    A network says the same of a row that has not changed, nor its time if it is told that, and is
    not asked again (the cache of Sahoo et al. 2024, section 4.2); nor where no mask is left.
    ``evaluations`` (B,): how often it was asked of each row.
    """

    def __init__(
        self,
        reader: Reader,
        rows: int,
        temperature: float,
        estimate: Callable[[Tensor, Tensor, Tensor], Tensor] | None,
        said: Said,
    ) -> None:
        self.reader, self.temperature, self.estimate = reader, temperature, estimate
        self.said = said
        self.evaluations = torch.zeros(rows, dtype=torch.float64)
        self._before: tuple[Tensor, Tensor] | None = None
        #: whether masks are lifted: a text without one is done
        self._lifting = False
        self._said: Tensor | None = None

    def __call__(self, x: Tensor, time: Tensor) -> Tensor:
        masked = (x == self.reader.words).any(1)
        if self._before is None:
            self._lifting = bool(masked.any())
            asked = torch.ones_like(masked)
        else:
            asked = (x != self._before[0]).any(1)
            if self.reader.module.time is not None:
                asked |= time != self._before[1]
            if self._lifting:
                asked &= masked
        rows = asked.nonzero()[:, 0]
        if len(rows):
            said = self._read(rows, x[rows], time[rows])
            if self._said is None:
                self._said = said.new_zeros(len(x), *said.shape[1:])
            self._said = self._said.index_copy(0, rows, said)
            self.evaluations[rows.cpu()] += self.reader.passes
        self._before = x.clone(), time
        assert self._said is not None
        return self._said

    def _read(self, rows: Tensor, x: Tensor, time: Tensor) -> Tensor:
        """What is said of texts (R, L), which are ``rows`` (R,)."""
        reader = self.reader
        logits = self.said(rows, x, time)[:, :, : reader.words]
        if self.estimate is not None:
            logits = self.estimate(logits, x, time)
        return (logits / self.temperature).index_fill(-1, reader.silent, -torch.inf)
