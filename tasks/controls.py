"""What is asked of a generator, as plain data: no tensors, no vocabulary.

A control says itself twice: ``say()`` is a whole English sentence, for whoever is to be told what
to write; ``brief()`` is a few words, for tables.

Positions count words of the text from 0, START and END excluded; a corpus whose texts end in a
newline token (E2E, as in the reference code) counts that token as a word.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
from dataclasses import dataclass
from typing import Any, ClassVar, get_type_hints

from tasks.common.errors import UserError, unknown
from tasks.common.files import canonical
from tasks.wording import SENTENCES, named

Words = tuple[str, ...]
#: tags of a sequence that its short form shows
TAGS = 12
#: the value of a field that a text says nothing of
NONE = "none"


class Control:
    """Base of all controls, each a frozen dataclass of plain values with a ``kind`` of its own:
    ``class Span(Control, kind="span")``. The kind names it in stored targets.

    A field must not be called as one of the names below. Raises ``UserError`` for a class with
    such a field, or with a kind that another class has.
    """

    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type[Control]]] = {}

    def __init_subclass__(cls, kind: str) -> None:
        other = Control.kinds.get(kind)
        if other is not None and _home(other) != _home(cls):
            raise UserError(f"{cls.__name__}: the control kind '{kind}' is {other.__name__}'s")
        taken = [name for name in inspect.get_annotations(cls) if name in vars(Control)]
        if taken:
            raise UserError(f"{cls.__name__}: no field of a control can be called '{taken[0]}'")
        cls.kind = kind
        Control.kinds[kind] = cls

    @property
    def needed_words(self) -> int:
        """The fewest words of a text that can satisfy it."""
        return 1

    @property
    def exact_words(self) -> int | None:
        """The number of words of every text that satisfies it; None where it leaves that open."""
        return None

    @property
    def parts(self) -> tuple[Control, ...]:
        """The single controls that it is of: itself, unless it is composed."""
        return (self,)

    @property
    def contexts(self) -> tuple[Words, Words] | None:
        """The words before and after the text, where the text stands between two others."""
        return None

    def say(self) -> str:
        """What it asks for, as one English sentence with a full stop. Positions are counted from 1
        and prices are spaced as people write them."""
        return f'The text satisfies the condition "{self.brief()}".'

    def brief(self) -> str:
        """What it asks for in a few words; of a new control, its kind and its value, ``last word:
        hall``, or its fields where they are several."""
        fields = self.to_json()
        name = fields.pop("kind").replace("_", " ")
        shown = [f"{field.replace('_', ' ')} {_plain(value)}" for field, value in fields.items()]
        if len(fields) == 1:
            shown = [_plain(value) for value in fields.values()]
        return f"{name}: {', '.join(shown)}" if shown else name

    def measure(self, words: Words) -> str:
        """What of ``words`` the control is about, where no mark on a word can show it."""
        return ""

    def to_json(self) -> dict[str, Any]:
        """``{"kind": "span", "start": 3, ...}``; the inverse of :func:`from_json`."""
        fields: dict[str, Any] = dataclasses.asdict(self)  # type: ignore[call-overload]
        return {"kind": self.kind, **fields}


def _home(cls: type) -> str:
    """The file that defines a class, or its module where that has none: a file of the user's that
    was changed and read again defines the same classes."""
    return getattr(sys.modules.get(cls.__module__), "__file__", None) or cls.__module__


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(map(_plain, value))
    return str(value)


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

    def say(self) -> str:
        first, last, what = self.start + 1, self.end + 1, named(self.label)
        if first == last:
            return f"Word {first} of the text, counted from 1, forms {what} ({self.label})."
        return f"Words {first} to {last} of the text, counted from 1, form {what} ({self.label})."

    def brief(self) -> str:
        return f"words {self.start} to {self.end} are a constituent {self.label}"


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

    @property
    def exact_words(self) -> int:
        return self.words

    def say(self) -> str:
        return f"The text has {self.words} word{'' if self.words == 1 else 's'}."

    def brief(self) -> str:
        return f"{self.words} words"

    def measure(self, words: Words) -> str:
        return f"{len(words)} words"


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

    def say(self) -> str:
        from tasks.metrics.text import detokenize

        name = self.field[0].lower() + self.field[1:]
        if self.value == NONE:
            return f"The text does not say anything about its {name}."
        value = detokenize(self.words)
        make = SENTENCES.get(name, lambda value: f"its {name} is {value}")
        return f"The text says that {make(value)}."

    def brief(self) -> str:
        return f"{self.field} is {self.value}"


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

    @property
    def exact_words(self) -> int:
        return len(self.tags)

    def say(self) -> str:
        if len(self.tags) == 1:
            return f"The text is one word, whose universal part-of-speech tag is {self.tags[0]}."
        return (
            f"The text has {len(self.tags)} words, whose universal part-of-speech tags are, in "
            f"order, {' '.join(self.tags)}."
        )

    def brief(self) -> str:
        more = f" ... ({len(self.tags)} tags)" if len(self.tags) > TAGS else ""
        return "tags " + " ".join(self.tags[:TAGS]) + more


@dataclass(frozen=True)
class ParseTree(Control, kind="parse_tree"):
    """The parse of the text is ``tree``, a bracketed tree whose leaves are all ``*`` and whose
    pre-terminals are all ``NN``: labels and extents alone. Paper section 6.1, "Syntax Tree"."""

    tree: str

    @property
    def needed_words(self) -> int:
        return self.tree.count("(NN *)")

    @property
    def exact_words(self) -> int:
        return self.needed_words

    def say(self) -> str:
        return (
            f"The constituency tree of the text is {self._bare}, where each * stands for one word."
        )

    def brief(self) -> str:
        return f"tree {self._bare}"

    @property
    def _bare(self) -> str:
        """Without pre-terminals: ``(S (NP * *) (VP *))``."""
        return self.tree.replace("(NN *)", "*")


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

    @property
    def contexts(self) -> tuple[Words, Words]:
        return self.left, self.right

    def say(self) -> str:
        from tasks.metrics.text import detokenize

        left, right = detokenize(self.left), detokenize(self.right)
        return (
            f'The text is one sentence that stands between "{left}" and "{right}" and makes one '
            "story of the three."
        )

    def brief(self) -> str:
        return f"{' '.join(self.left)} ____ {' '.join(self.right)}"


@dataclass(frozen=True)
class Withheld(Control, kind="withheld"):
    """A control that quotes texts which may not be stored with results; ``digest`` identifies it,
    and the corpus it came from gives it back."""

    digest: str

    def say(self) -> str:
        return "What is asked of the text quotes texts that are not stored with results."

    def brief(self) -> str:
        return "(its contexts are not stored with results)"


@dataclass(frozen=True)
class Stored(Control, kind="stored"):
    """A control of a kind that is not at hand, from a result set: a task's of the user's whose file
    was not named. ``fields``: the stored control as canonical JSON, ``text``: its short form."""

    name: str
    fields: str
    text: str

    def brief(self) -> str:
        return self.text

    def to_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.fields)
        return {"kind": self.name, **fields}


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

    @property
    def exact_words(self) -> int | None:
        fixed = (control.exact_words for control in self.controls)
        return next((words for words in fixed if words is not None), None)

    @property
    def parts(self) -> tuple[Control, ...]:
        return self.controls

    def say(self) -> str:
        """The sentences of its parts, joined to one."""
        first, *others = (part.say().removesuffix(".") for part in self.controls)
        return ", and ".join([first, *(f"{one[0].lower()}{one[1:]}" for one in others)]) + "."

    def brief(self) -> str:
        return " and ".join(part.brief() for part in self.controls)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "controls": [part.to_json() for part in self.controls]}


def _frozen(value: Any) -> Any:
    """Lists of JSON as the tuples that they were."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def to_json(control: Control) -> dict[str, Any]:
    """``{"kind": "span", "start": 3, ...}``; the inverse of :func:`from_json`."""
    return control.to_json()


def to_stored(control: Control) -> dict[str, Any]:
    """As :func:`to_json`; a kind that is not built in has its short form with it, under ``brief``,
    so that it can be shown where its class is not at hand."""
    if isinstance(control, AllOf):
        return {"kind": control.kind, "controls": [to_stored(part) for part in control.controls]}
    if isinstance(control, Stored) or not type(control).__module__.startswith("tasks."):
        return control.to_json() | {"brief": control.brief()}
    return control.to_json()


def from_json(data: dict[str, Any]) -> Control:
    """Of a kind that no class here or of a registered task has, a :class:`Stored`, where the short
    form is there (:func:`to_stored`). Raises ``UserError`` for an unknown kind without it, and for
    fields that do not fit."""
    if not isinstance(data, dict):
        raise UserError("a control is a JSON object with its 'kind'")
    fields = dict(data)
    kind, text = str(fields.pop("kind", "")), fields.pop("brief", None)
    if kind not in Control.kinds:
        from tasks import TASKS

        for name in TASKS:
            TASKS.load(name)
    if kind not in Control.kinds or kind == Stored.kind:
        if isinstance(text, str) and kind != Stored.kind:
            return Stored(kind, canonical(fields), text)
        raise unknown("control", kind, Control.kinds)
    try:
        return _built(Control.kinds[kind], {n: _frozen(value) for n, value in fields.items()})
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise UserError(f"malformed {kind} control {data}: {error}") from None


def _built(cls: type[Control], fields: dict[str, Any]) -> Control:
    """Raises what the class raises, and ``TypeError`` for a field that is of another type than a
    control of the project's own has there."""
    from tasks.common.schema import misfit

    if cls.__module__.startswith("tasks.") and cls is not AllOf:
        hints = get_type_hints(cls)
        for field in dataclasses.fields(cls):  # type: ignore[arg-type]
            name = field.name
            wrong = misfit(fields[name], hints[name]) if name in fields else None
            if wrong:
                raise TypeError(f"{name}: {wrong}")
    control = cls(**fields)
    hash(control)  # what marks and tables look up by
    return control
