"""What is asked of a generator, as plain data: no tensors, no vocabulary.

Positions count words of the text from 0, START and END excluded; a corpus whose texts end in a
newline token (E2E, as in the reference code) counts that token as a word.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from tasks.errors import UserError, unknown


class Control:
    """Base of all controls, each a frozen dataclass of plain values with a ``kind`` of its own:
    ``class Span(Control, kind="span")``. The kind names it in stored targets."""

    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type[Control]]] = {}

    def __init_subclass__(cls, kind: str) -> None:
        cls.kind = kind
        Control.kinds[kind] = cls

    @property
    def needed_words(self) -> int:
        """The fewest words of a text that can satisfy it."""
        return 1


@dataclass(frozen=True)
class Span(Control, kind="span"):
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

    @property
    def needed_words(self) -> int:
        return self.end + 1


@dataclass(frozen=True)
class Length(Control, kind="length"):
    """The text has ``words`` words (START and END not counted). Paper section 6.1, "Length"."""

    words: int

    def __post_init__(self) -> None:
        if self.words < 1:
            raise UserError(f"malformed length {self.words}: at least 1 word")

    @property
    def needed_words(self) -> int:
        return self.words


def to_json(control: Control) -> dict[str, Any]:
    """``{"kind": "span", "start": 3, ...}``; the inverse of :func:`from_json`."""
    fields: dict[str, Any] = dataclasses.asdict(control)  # type: ignore[call-overload]
    return {"kind": control.kind, **fields}


def from_json(data: dict[str, Any]) -> Control:
    """Raises ``UserError`` for an unknown kind or fields that do not fit."""
    fields = dict(data)
    kind = str(fields.pop("kind", ""))
    if kind not in Control.kinds:
        raise unknown("control", kind, Control.kinds)
    try:
        return Control.kinds[kind](**fields)
    except TypeError as error:
        raise UserError(f"malformed {kind} control {data}: {error}") from None
