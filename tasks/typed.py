"""Controls as people type them: ``9``, ``food=Italian``, ``0-3:NP``, ``(S (NP * *) (VP *))``.

Each task reads its own (:meth:`tasks.base.Task.typed`); here is what they share.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_origin, get_type_hints

from tasks.common.errors import UserError, unknown
from tasks.common.given import parse_json
from tasks.common.shown import visible
from tasks.controls import Control, from_json
from tasks.oracles.trees import PHRASES, nodes
from tasks.texts import Text, Words

#: a semicolon outside double quotes
_SEPARATOR = re.compile(r';(?=(?:[^"]*"[^"]*")*[^"]*$)')


@dataclass(frozen=True)
class Known:
    """What a typed control is held against. ``texts``: the training texts, whose fields, values and
    labels are those that there are; ``tokenize``: splits a string as the corpus was."""

    texts: Sequence[Text]
    tokenize: Callable[[str], Words]


def pieces(text: str) -> list[str]:
    """``length=9; name="The Vaults"`` at its semicolons."""
    return [piece.strip() for piece in _SEPARATOR.split(text) if piece.strip()]


def pair(text: str) -> tuple[str, str] | None:
    """``food=Italian``, its value with or without double quotes, or None for another form."""
    name, equals, value = text.partition("=")
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].strip()
    return (" ".join(name.split()), value) if equals and name.strip() and value else None


def malformed(text: str, form: str) -> UserError:
    """An error for a control that is not typed as its task reads it."""
    shown = visible(text)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return UserError(f"control '{shown}': write {form}")


def known_phrase(label: str, texts: Sequence[Text]) -> None:
    """Raises ``UserError`` for a label that neither the treebank nor any tree of ``texts`` has."""
    if label in PHRASES:
        return
    labels = {name for text in texts if text.tree for *_, name in nodes(text.tree).phrases}
    if label not in labels:
        raise unknown("label", label, labels | set(PHRASES))


def plain(cls: type[Control] | None, text: str, task: str) -> Control:
    """A control of a class that says nothing of how it is typed: a JSON object of its fields; or
    the value, where it has one field alone, of words or a number. Raises ``UserError``."""
    if cls is None:
        raise UserError(f"task {task} does not say what class its controls are of")
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    if not text.lstrip().startswith("{") and len(fields) == 1:
        hint, value = get_type_hints(cls)[fields[0].name], text.strip()
        if hint is int and re.fullmatch(r"[+-]?\d{1,9}", value):
            return from_json({"kind": cls.kind, fields[0].name: int(value)})
        if hint is str:
            return from_json({"kind": cls.kind, fields[0].name: value})
        if get_origin(hint) is tuple:
            return from_json({"kind": cls.kind, fields[0].name: value.split()})
    form = "{" + ", ".join(f'"{field.name}": ...' for field in fields) + "}"
    if not text.lstrip().startswith("{"):
        raise malformed(text, form)
    record = parse_json(text, "control")
    return from_json({**record, "kind": cls.kind})
