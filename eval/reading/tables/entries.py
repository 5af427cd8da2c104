"""Figures as they stand in tables."""

from __future__ import annotations

import math

from eval.reading.rows import Number
from eval.reading.tables.grid import Entry, entry

_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


class Footnotes:
    """Reasons, each under one letter."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def mark(self, reason: str) -> str:
        if reason not in self._letters:
            turn, at = divmod(len(self._letters), len(_ALPHABET))
            self._letters[reason] = _ALPHABET[at] + (str(turn + 1) if turn else "")
        return f"[{self._letters[reason]}]"

    @property
    def notes(self) -> list[str]:
        return [f"[{letter}] {reason}" for reason, letter in self._letters.items()]


def short(value: float | None) -> str:
    """A figure as the paper prints it."""
    return "" if value is None else f"{value:g}"


def full(value: float | None) -> str:
    """Six significant digits: the same bytes wherever the last bits differ."""
    return "" if value is None or math.isnan(value) else f"{value:.6g}"


def span(number: Number | None, digits: int, joined: str = "[{}, {}]") -> Entry:
    """The interval of a figure, where it has one."""
    if number is None or number.low is None or number.high is None:
        return ()
    return entry(joined.format(f"{number.low:.{digits}f}", f"{number.high:.{digits}f}"), "muted")


def published(number: Number | None, digits: int) -> str:
    """The paper's figure, with a star where its definition is not ours."""
    if number is None or number.paper is None:
        return ""
    return f"{number.paper:.{digits}f}" + ("" if number.same_definition else "*")
