"""What is asked of a generator, as plain data: no tensors, no vocabulary.

Positions count words of the text from 0, START and END excluded; a corpus whose texts end in a
newline token (E2E, as in the reference code) counts that token as a word.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from tasks.common.errors import UserError, unknown


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


@dataclass(frozen=True)
class FieldValue(Control, kind="field_value"):
    """The text states that ``field`` has ``value`` (its words joined with spaces), as in
    ``name : The Vaults``. Paper section 6.1, "Semantic Content"."""

    field: str
    value: str

    def __post_init__(self) -> None:
        if not self.field or not self.value.split():
            raise UserError(f"malformed field value ({self.field!r}, {self.value!r})")

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the value."""
        return tuple(self.value.split())

    @property
    def needed_words(self) -> int:
        return len(self.words)


@dataclass(frozen=True)
class TagSequence(Control, kind="tag_sequence"):
    """Word i of the text has the UPOS tag ``tags[i]``. Paper section 6.1, "Parts-of-speech"."""

    tags: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", tuple(self.tags))
        if not self.tags or not all(isinstance(tag, str) and tag for tag in self.tags):
            raise UserError(f"malformed tag sequence {self.tags!r}")

    @property
    def needed_words(self) -> int:
        return len(self.tags)


@dataclass(frozen=True)
class ParseTree(Control, kind="parse_tree"):
    """The parse of the text is ``tree``, a bracketed tree whose leaves are all ``*`` and whose
    pre-terminals are all ``NN``: labels and extents alone. Paper section 6.1, "Syntax Tree"."""

    tree: str

    @property
    def needed_words(self) -> int:
        return self.tree.count("(NN *)")


@dataclass(frozen=True)
class Infill(Control, kind="infill"):
    """The text begins with ``left``, ends with ``right``, and what stands between makes one story
    of the two. Paper section 6.1, "Infilling"; ``left`` and ``right`` are aNLG's O1 and O2."""

    left: tuple[str, ...]
    right: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("left", "right"):
            words = tuple(getattr(self, name))
            object.__setattr__(self, name, words)
            if not words or not all(isinstance(word, str) and word for word in words):
                raise UserError(f"malformed infilling: its {name} context is {words!r}")

    @property
    def needed_words(self) -> int:
        return len(self.left) + len(self.right) + 1


@dataclass(frozen=True)
class Withheld(Control, kind="withheld"):
    """A control that quotes texts which may not be stored with results; ``digest`` identifies it,
    and the corpus it came from gives it back."""

    digest: str


@dataclass(frozen=True)
class AllOf(Control, kind="all_of"):
    """Every one of ``controls`` holds at once (paper section 6.2, Table 4)."""

    controls: tuple[Control, ...]

    def __post_init__(self) -> None:
        parts = tuple(c if isinstance(c, Control) else from_json(c) for c in self.controls)
        object.__setattr__(self, "controls", parts)
        if len(parts) < 2 or any(isinstance(part, AllOf) for part in parts):
            raise UserError("a composition needs two or more controls, none a composition itself")

    @property
    def needed_words(self) -> int:
        return max(control.needed_words for control in self.controls)


def to_json(control: Control) -> dict[str, Any]:
    """``{"kind": "span", "start": 3, ...}``; the inverse of :func:`from_json`."""
    if isinstance(control, AllOf):
        return {"kind": control.kind, "controls": [to_json(part) for part in control.controls]}
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
