"""Which words of a sample do what was asked and which violate it, as the paper's Tables 3 and 9 to
12 show in colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from eval.reading.results import Judged
from eval.reading.tables.grid import Entry, Segment
from tasks.base import Words
from tasks.controls import Control, FieldValue, Length, ParseTree, Span, TagSequence
from tasks.oracles.trees import nodes, spans

NEWLINE = "⏎"

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


def mark(control: Control, words: Words, reading: Mapping[str, Any]) -> Marks:
    """The marks of ``words`` under one control. ``reading``: the oracles' ``tree`` and ``tags``, as
    far as the task asks for them."""
    match control:
        case Span():
            return _span(control, words, reading.get("tree"))
        case Length(wanted):
            return _length(wanted, words)
        case FieldValue():
            return _value(control, words)
        case TagSequence(tags):
            found = reading.get("tags")
            return _tags(tags, words, None if found is None else tuple(found))
        case ParseTree(tree):
            return _tree(tree, words, reading.get("tree"))
    return unmarked(words)


def mark_all(words: Words, judged: Iterable[Judged]) -> Marks:
    """The marks under every control of a target."""
    found = unmarked(words)
    for one in judged:
        found |= mark(one.control, words, one.reading)
    return found


def marked(words: Words, marks: Marks) -> Entry:
    """The text with its marks, what is missing at its end in brackets."""
    segments = list[Segment]()
    pairs = list(zip(marks.states, words, strict=True))
    for state, run in groupby(pairs, key=lambda pair: pair[0]):
        if segments:
            segments.append(Segment(" "))
        segments.append(Segment(" ".join(map(_shown, (word for _, word in run))), state))
    for what in marks.missing:
        segments += [Segment(" "), Segment(f"[missing {what}]", "bad")]
    return tuple(segments)


def _shown(word: str) -> str:
    return NEWLINE if word == "\n" else word


def _states(n: int, first: int, end: int, state: State) -> tuple[State, ...]:
    inside: tuple[State, ...] = tuple(state if first <= i < end else "" for i in range(n))
    return inside


def _span(control: Span, words: Words, tree: str | None) -> Marks:
    first, end = control.start, control.end + 1
    if end > len(words):
        return Marks(_states(len(words), first, end, "bad"), ("span",))
    if tree is None:
        return unmarked(words)
    found = (control.start, control.end, control.label) in spans(tree)
    return Marks(_states(len(words), first, end, "good" if found else "bad"))


def _length(wanted: int, words: Words) -> Marks:
    n = len(words)
    lacking = wanted - n
    missing = (f"{lacking} word{'s' if lacking > 1 else ''}",) if lacking > 0 else ()
    return Marks(_states(n, wanted, n, "bad"), missing)


def _value(control: FieldValue, words: Words) -> Marks:
    at = " ".join(words).find(control.value)
    if at < 0:
        return Marks(unmarked(words).states, (control.value,))
    end, states, start = at + len(control.value), list[State](), 0
    for word in words:
        overlaps = start < end and start + len(word) > at
        states.append("good" if overlaps else "")
        start += len(word) + 1
    return Marks(tuple(states))


def _tags(wanted: Words, words: Words, tags: Words | None) -> Marks:
    if tags is None:
        return unmarked(words)
    states: list[State] = [
        "" if tags[i : i + 1] == wanted[i : i + 1] != () else "bad" for i in range(len(words))
    ]
    lacking = len(wanted) - len(words)
    missing = (f"{lacking} tag{'s' if lacking > 1 else ''}",) if lacking > 0 else ()
    return Marks(tuple(states), missing)


def _tree(wanted: str, words: Words, tree: str | None) -> Marks:
    """Words of asked-for constituents that the parse lacks and that hold no smaller such one."""
    if tree is None:
        return unmarked(words)
    gold, found = Counter(nodes(wanted).phrases), Counter(nodes(tree).phrases)
    failed = list((gold - found).elements())
    least = [
        (a, b)
        for a, b, _ in failed
        if not any((c, d) != (a, b) and a <= c and d <= b for c, d, _ in failed)
    ]
    states: tuple[State, ...] = tuple(
        "bad" if any(a <= i < b for a, b in least) else "" for i in range(len(words))
    )
    lacking = len(nodes(wanted).leaves) - len(words)
    missing = (f"{lacking} word{'s' if lacking > 1 else ''}",) if lacking > 0 else ()
    return Marks(states, missing)
