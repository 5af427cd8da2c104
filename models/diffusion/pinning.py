"""Sequences of which all but a middle is given: how long it is, where it lies, and what keeps the
rest as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from models.diffusion.loop import Process
from tasks.common.errors import UserError
from tasks.common.schema import Whole, read_json
from tasks.vocabulary import END, PAD, START


@dataclass(frozen=True)
class Row:
    """The sequence of one sample. ``ids``: all its tokens; those from ``start`` up to, without,
    ``stop`` are the middle, whose ids only hold its place. Every other position is pinned."""

    ids: tuple[int, ...]
    start: int
    stop: int


def arrange(left: Sequence[int], slots: int, right: Sequence[int], layout: str, length: int) -> Row:
    """A middle of ``slots`` tokens between its contexts, in the layout of that name (see
    :class:`InfillingConfig`); ``framed`` fills up to ``length`` tokens."""
    middle = [PAD] * slots
    if layout == "released":
        return Row((*left, *middle, *right), len(left), len(left) + slots)
    ids = [START, *left, *middle, *right, END]
    ids += [PAD] * (length - len(ids))
    return Row(tuple(ids), len(left) + 1, len(left) + 1 + slots)


class Pins:
    """The *pin* hook of :func:`models.diffusion.loop.walk`: overwrites the positions ``fixed``
    (B, L) of a state with ``clean``, like the state, or, where ``noise`` is given, with what
    ``process`` makes of it at the state's level. At the end, s = -1, they are ``clean`` bit for
    bit.

    ``first``: what they hold before the first step, from the state that the walk drew; where it is
    None, what they hold after the others.
    """

    def __init__(
        self,
        clean: Tensor,
        fixed: Tensor,
        process: Process[Any],
        noise: Callable[[], Tensor] | None = None,
        first: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.clean, self.fixed = clean, fixed.view(*fixed.shape, *[1] * (clean.dim() - 2))
        self.process, self.noise, self.first = process, noise, first

    def __call__(self, x: Tensor, s: int) -> Tensor:
        pinned = self.clean
        if self.first is not None and s == self.process.steps - 1:
            pinned = self.first(x)
        elif self.noise is not None and s >= 0:
            pinned = self.process.corrupt(self.clean, s, self.noise())
        return torch.where(self.fixed, pinned, x)


def draw_slots(counts: Mapping[int, int], room: int, rng: torch.Generator) -> int:
    """A number of words, at most ``room``, as frequent as in ``counts`` (words -> how often)."""
    fitting = sorted(n for n in counts if n <= room)
    at = int(torch.randint(sum(counts[n] for n in fitting), (1,), generator=rng))
    for n in fitting:
        at -= counts[n]
        if at < 0:
            return n
    raise AssertionError("the draw lies below the sum of all counts")


class Lengths(TypedDict):
    """``lengths.json``: a number of words -> how many middle sentences have it."""

    counts: dict[Annotated[str, Field(pattern=r"^\d{1,6}$")], Whole]


def read_lengths(folder: Path) -> dict[int, int]:
    """How often middle sentences have each number of words, at least 1, from ``lengths.json``.
    Raises ``UserError`` for a missing or damaged file."""
    path = folder / "lengths.json"
    counts = read_json(path, Lengths)["counts"]
    lengths = {int(n): count for n, count in counts.items() if int(n) > 0 and count > 0}
    if not lengths:
        raise UserError(f"{path} counts no sentence")
    return lengths
