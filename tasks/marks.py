"""Which words of a text satisfy a control and which violate it.

Each task says it of its own controls (``Task.marks``); this is what they say it in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tasks.texts import Words

#: good: does what was asked; bad: violates it; empty: neither
State = Literal["", "good", "bad"]


@dataclass(frozen=True)
class Marks:
    """``states``: one for each word. ``missing``: what should be there and is not."""

    states: tuple[State, ...]
    missing: tuple[str, ...] = ()

    def __or__(self, other: Marks) -> Marks:
        """Both together; a word that violates either control is marked so."""
        pairs = zip(self.states, other.states, strict=True)
        states = [a if b == "" or a == "bad" else b for a, b in pairs]
        return Marks(tuple(states), self.missing + other.missing)


def unmarked(words: Words) -> Marks:
    """No mark at all."""
    none: State = ""
    return Marks((none,) * len(words))


def stretch(n: int, first: int, end: int, state: State) -> tuple[State, ...]:
    """``state`` for words ``first`` to ``end`` (exclusive) of ``n``, nothing for the others."""
    inside: tuple[State, ...] = tuple(state if first <= i < end else "" for i in range(n))
    return inside


def lacking(count: int, what: str) -> tuple[str, ...]:
    """What is missing, as ``("3 words",)``; nothing for a ``count`` below 1."""
    return (f"{count} {what}{'s' if count > 1 else ''}",) if count > 0 else ()
