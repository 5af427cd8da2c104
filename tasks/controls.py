"""What is asked of a generator, as plain data: no tensors, no vocabulary.

Positions count words of the text from 0, START and END excluded; a corpus whose texts end in a
newline token (E2E, as in the reference code) counts that token as a word.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Union

from tasks.errors import UserError, unknown


@dataclass(frozen=True)
class Span:
    """Words ``start``..``end`` (inclusive) form a constituent labelled ``label``.

    ``label`` is a treebank category; a unary chain is joined with ``::`` (``S::VP``), as benepar
    does. Paper section 6.1, "Syntax Spans".
    """

    start: int
    end: int
    label: str

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end or not self.label:
            raise UserError(f"malformed span ({self.start}, {self.end}, {self.label!r})")


@dataclass(frozen=True)
class Length:
    """The text has ``words`` words (START and END not counted). Paper section 6.1, "Length"."""

    words: int

    def __post_init__(self) -> None:
        if self.words < 1:
            raise UserError(f"malformed length {self.words}: at least 1 word")


Control = Union[Span, Length]
KINDS: dict[str, type] = {"span": Span, "length": Length}


def to_json(control: Control) -> dict[str, Any]:
    """``{"kind": "span", "start": 3, ...}``; the inverse of :func:`from_json`."""
    kind = next(name for name, cls in KINDS.items() if isinstance(control, cls))
    return {"kind": kind, **asdict(control)}


def from_json(data: dict[str, Any]) -> Control:
    """Raises ``UserError`` for an unknown kind or fields that do not fit."""
    fields = dict(data)
    kind = str(fields.pop("kind", ""))
    if kind not in KINDS:
        raise unknown("control", kind, KINDS)
    try:
        return KINDS[kind](**fields)
    except TypeError as error:
        raise UserError(f"malformed {kind} control {data}: {error}") from None
