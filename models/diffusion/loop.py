"""The one loop behind every diffusion, and the noise that makes each sample its own.

    estimate -> project -> move = process.move(x, estimate, t) -> bend -> draw -> correct -> pin

A state x is what the process noises: latents (B, L, D), or ids (B, L). Level t runs from
``steps`` - 1, the most noise, to 0, the least; -1 is clean, and s = t - 1 is the level that a step
leads to. An estimate is what the process reads of the clean text: latents (B, L, D) or
log-probabilities of words (B, L, V).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from models.diffusion.ended import Ended
from models.nets.ahead import Ahead, draws_ahead, pinned
from models.nets.finite import NotFinite, Watch, numbers, sizes

#: gives the next noise of a batch
Draw = Callable[[], Tensor]
#: (shape, generator) -> noise of that shape
Drawing = Callable[[tuple[int, ...], torch.Generator | None], Tensor]

CHUNK = 50
CPU = torch.device("cpu")

#: as errors call them
ESTIMATES, STATES = "the network's estimates", "the latents"


class Move(Protocol):
    """The distribution of x_s given x_t and an estimate of the clean text."""

    def draw(self, noise: Draw) -> Tensor:
        """x_s, from one call of ``noise``, or from none where nothing is random."""


M = TypeVar("M", bound=Move)
M_co = TypeVar("M_co", bound=Move, covariant=True)


class Process(Protocol[M_co]):
    """What noises and denoises, in ``steps`` steps."""

    @property
    def steps(self) -> int: ...

    def prior(self, z: Tensor) -> Tensor:
        """Pure noise, the state at level ``steps`` - 1, from drawn noise."""

    def corrupt(self, state: Tensor, level: Tensor | int, noise: Tensor) -> Tensor:
        """A clean state (B, ...) at ``level`` (one, or (B,)), from drawn noise."""

    def move(self, x: Tensor, estimate: Tensor, t: int) -> M_co:
        """From x at level ``t`` to level ``t`` - 1."""


#: (x_t, t, the estimate before) -> estimate; the one before is None at the first step, and what
#: the network said of itself at the others, not what ``project`` made of it (self-conditioning,
#: Chen et al. 2023, section 3.2)
Estimate = Callable[[Tensor, int, Tensor | None], Tensor]
#: changes an estimate (clamping)
Project = Callable[[Tensor], Tensor]
#: (move, x_t, s) -> another move: guidance before x_s is drawn
Bend = Callable[[M, Tensor, int], M]
#: (x_s, move, s) -> x_s: guidance after it is drawn
Correct = Callable[[Tensor, M, int], Tensor]
#: (x_s, s) -> x_s with some positions overwritten
Pin = Callable[[Tensor, int], Tensor]
#: (projected estimate, t) -> which rows (N,) of the batch go on from level t, in their order, or
#: None where all do. The others end as that estimate has them
Leave = Callable[[Tensor, int], Tensor | None]


def normal(shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
    """Standard normal noise."""
    return torch.randn(shape, generator=generator)


def uniform(shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
    """Uniform noise in [0, 1), float64."""
    return torch.rand(shape, dtype=torch.float64, generator=generator)


def moments(steps: int, frames: int) -> set[int]:
    """At most ``frames`` levels in equal distances, those of the first and of the last state
    included."""
    last = max(1, frames - 1)
    return {round(-1 + steps * i / last) for i in range(last + 1)}


class Noise:
    """Noise for a batch, row i drawn from ``rngs[i]`` alone by ``drawing``.

    Rows are drawn ``CHUNK`` steps at a time, whatever the batch, on the CPU. For another ``device``
    the next block is drawn while this one is used, by another thread, and copied without waiting;
    ``rngs`` are then for nobody else's use, and ``steps`` says how many calls there will be, so
    that nothing is drawn in vain. ``ahead``: whether it is; by default as ``device`` wants it.
    """

    def __init__(
        self,
        rngs: Sequence[torch.Generator],
        shape: tuple[int, ...],
        drawing: Drawing = normal,
        *,
        device: torch.device = CPU,
        steps: int | None = None,
        ahead: bool | None = None,
    ) -> None:
        self._rngs, self._shape, self._drawing = rngs, shape, drawing
        self._device, self._drawn = device, torch.empty(0)
        self._used, self._blocks = CHUNK, 0
        self._rows: Tensor | None = None
        self._next: Callable[[int], Tensor] = self._block
        if draws_ahead(device) if ahead is None else ahead:
            blocks = None if steps is None else -(-steps // CHUNK)
            self._next = Ahead(self._block, depth=1, count=blocks)

    def _block(self, number: int) -> Tensor:
        rows = [self._drawing((CHUNK, *self._shape), rng) for rng in self._rngs]
        return pinned(torch.stack(rows, 1), self._device)

    def __call__(self) -> Tensor:
        """The next noise, (B, *shape), on the device."""
        if self._used == CHUNK:
            self._drawn = self._next(self._blocks).to(self._device, non_blocking=True)
            self._used, self._blocks = 0, self._blocks + 1
        self._used += 1
        drawn = self._drawn[self._used - 1]
        return drawn if self._rows is None else drawn[self._rows]

    def keep(self, rows: Tensor) -> None:
        """From now on of the rows ``rows`` (N,) of the batch alone."""
        rows = rows.to(self._device)
        self._rows = rows if self._rows is None else self._rows[rows]


def walk(
    estimate: Estimate,
    process: Process[M],
    noise: Draw,
    device: torch.device,
    *,
    project: Project | None = None,
    bend: Bend[M] | None = None,
    correct: Correct[M] | None = None,
    pin: Pin | None = None,
    leave: Leave | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """The clean state from pure noise, in ``process.steps`` steps, on ``device``.

    At each step ``estimate`` reads x_t, ``project`` changes what it says (clamping), ``bend``
    changes the move that follows from it and ``correct`` the state drawn from that (guidance), and
    ``pin`` overwrites positions (infilling), which it also does before the first step. ``leave``
    ends rows before the last step; what holds something of each row, the hooks and ``noise`` among
    them, has then let go of theirs. ``on_step`` is called with t when the step from level t is
    done. Raises ``NotFinite`` for estimates and latents that are not finite, at the end at the
    latest.
    """

    def drawn() -> Tensor:
        return noise().to(device)

    watch = Watch()
    x = process.prior(drawn())
    if pin is not None:
        x = pin(x, process.steps - 1)
    previous: Tensor | None = None
    ended = Ended(x)
    try:
        for t in reversed(range(process.steps)):
            clean = previous = estimate(x, t, previous)
            # clamping makes a word of anything; an id that is pinned may be none that the data has
            watch(sizes(clean) if x.is_floating_point() else numbers(clean), ESTIMATES)
            if project is not None:
                clean = project(clean)
            if leave is not None and t and (rows := leave(clean, t)) is not None:
                watch.close()
                watch = Watch()
                ended.leave(clean, rows)
                x, clean, previous = x[rows], clean[rows], previous[rows]
                if not len(rows):
                    break
            move = process.move(x, clean, t)
            if bend is not None:
                move = bend(move, x, t - 1)
            try:
                x = move.draw(drawn)
            except NotFinite as error:
                raise error.among(len(x)) from None
            if correct is not None:
                x = correct(x, move, t - 1)
            if pin is not None:
                x = pin(x, t - 1)
            if x.is_floating_point():
                watch(sizes(x), STATES)
            if on_step is not None:
                on_step(t)
        watch.close()
    except NotFinite as error:
        raise ended.named(error) from None
    return ended.joined(x)
