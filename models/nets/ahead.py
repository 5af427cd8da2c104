"""What a device would wait for, made before it asks.

Random numbers are drawn on the CPU, so that they are the same on every device. On a GPU they are
drawn by another thread while the step before is computed, in pinned memory, from where they are
copied without waiting. Their values are those that would be drawn on the spot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch
from torch import Tensor

from models.base import stream_seed

T = TypeVar("T")
#: how many are made before they are asked for
DEPTH = 2


def step_seed(seed: int, step: int) -> int:
    """What torch's random numbers are seeded with before ``step`` of a training."""
    return stream_seed(seed, "train", step)


def draws_ahead(device: torch.device) -> bool:
    """Whether drawing ahead pays: where something else than this CPU computes."""
    return device.type == "cuda"


class Ahead(Generic[T]):
    """``make(i)`` for whole numbers i that are asked for in order, up to ``depth`` of them made
    before by one other thread, in that order. ``count``: how many there are, if that is known;
    none beyond is made. Asked for another number than the next, as when training goes on, it starts
    anew from there. What ``make`` raises is raised where its number is asked for."""

    def __init__(
        self, make: Callable[[int], T], depth: int = DEPTH, count: int | None = None
    ) -> None:
        self._make, self._depth, self._count = make, depth, count
        self._worker = ThreadPoolExecutor(1, "ahead")
        self._waiting: deque[tuple[int, Future[T]]] = deque()

    def __call__(self, number: int) -> T:
        while self._waiting and self._waiting[0][0] != number:
            _, stale = self._waiting.popleft()
            stale.cancel()
        first = self._waiting[-1][0] + 1 if self._waiting else number
        for i in range(first, number + self._depth + 1):
            if self._count is None or i < self._count or i == number:
                self._waiting.append((i, self._worker.submit(self._make, i)))
        return self._waiting.popleft()[1].result()


def pinned(tensor: Tensor, device: torch.device) -> Tensor:
    """In memory from which a copy to ``device`` need not be waited for; itself on a CPU."""
    return tensor.pin_memory() if device.type == "cuda" else tensor


def moved(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """On ``device``, without waiting for it where they are pinned."""
    return [one.to(device, non_blocking=True) for one in tensors]


#: (step, generator) -> what a training step reads, on the CPU; without a generator, torch's own
#: random numbers are drawn
Drawn = Callable[[int, torch.Generator | None], list[Tensor]]


class Draws:
    """What the training steps of an objective read, on the CPU, in pinned memory where ``device``
    is another. ``draw`` must depend on nothing but the step and the generator's state. For a CPU it
    draws torch's own random numbers, which :func:`models.nets.train.fit` seeds before each step;
    for a GPU, ahead, numbers of a generator with that very seed, after which torch's own stand
    where drawing would have left them. ``ahead``: whether it does; by default as ``device`` wants
    it."""

    def __init__(
        self, draw: Drawn, seed: int, device: torch.device, ahead: bool | None = None
    ) -> None:
        self._draw, self._seed, self.device = draw, seed, device
        on = draws_ahead(device) if ahead is None else ahead
        self._made = Ahead(self._before) if on else None

    def __call__(self, step: int) -> list[Tensor]:
        if self._made is None:
            return self._draw(step, None)
        drawn, state = self._made(step)
        torch.set_rng_state(state)
        return drawn

    def _before(self, step: int) -> tuple[list[Tensor], Tensor]:
        rng = torch.Generator().manual_seed(step_seed(self._seed, step))
        drawn = [pinned(one, self.device) for one in self._draw(step, rng)]
        return drawn, rng.get_state()
