"""How the marks on a sample's words (``tasks.marks``) are shown: in colour, as in the paper's
Tables 3 and 9 to 12."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from eval.reading.results import Judged
from eval.reading.tables.grid import Entry, Segment
from tasks.base import Words
from tasks.controls import Stored, Withheld
from tasks.marks import Marks, unmarked

NEWLINE = "⏎"


def mark_all(words: Words, judged: Iterable[Judged]) -> Marks:
    """The marks under every control of a target; none under a control whose task is not at hand."""
    marks = unmarked(words)
    for one in judged:
        if one.task is not None and not isinstance(one.control, (Stored, Withheld)):
            marks |= one.task.marks(one.control, words, one.reading)
    return marks


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
