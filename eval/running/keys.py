"""Settable keys of config dataclasses: their types and meanings, and ``key=value`` arguments.

Nothing here imports torch: ``--help`` and mistyped keys answer at once.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import inspect
import textwrap
import typing
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from eval.running.values import NULL, read, shown, type_name
from tasks.common.errors import UserError
from tasks.common.ranges import refusal

Config = TypeVar("Config")


@dataclass(frozen=True)
class Key:
    """One settable key: its type, default and meaning in words. ``hint``, ``metadata`` and
    ``name``: of its field, whose key is called otherwise where its metadata say ``typed``."""

    type: str
    default: Any
    meaning: str
    hint: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def read(self, name: str, text: str) -> Any:
        """The value that ``text`` stands for. Raises ``UserError`` naming the key, the text and
        what values it may have."""
        blank = "\0" in text or (self.hint in (str, str | None) and not text.strip())
        if blank and not (text == "" and (self.metadata.get("empty") or self.default == "")):
            left = f" ({NULL} leaves it out)" if self.hint == str | None else ""
            raise UserError(f"{name}={shown(text)}: empty, or no text at all{left}")
        try:
            value = read(self.hint, text, self.metadata)
        except ValueError as error:
            raise UserError(f"{name}={shown(text)}: {error}") from None
        why = refusal(value, self.metadata)
        if why:
            raise UserError(f"{name}={shown(text)}: {why}")
        return value


def keys(cls: type, base: Any = None, prefix: str = "") -> dict[str, Key]:
    """Every dotted key of a config dataclass, in order."""
    return dict(_keys(cls, base if base is not None else cls(), prefix))


def _keys(cls: type, base: Any, prefix: str) -> Iterator[tuple[str, Key]]:
    hints = typing.get_type_hints(cls)
    meanings = _comments(cls)
    for part in dataclasses.fields(cls):
        value, hint = getattr(base, part.name), hints[part.name]
        if dataclasses.is_dataclass(value):
            yield from _keys(type(value), value, f"{prefix}{part.name}.")
        else:
            meaning = meanings.get(part.name, part.name.replace("_", " "))
            typed = part.metadata.get("typed", part.name)
            key = Key(type_name(hint), value, meaning, hint, part.metadata, part.name)
            yield prefix + typed, key


def pairs(arguments: Sequence[str], cls: type) -> dict[str, str]:
    """``key=value`` arguments for the config dataclass ``cls``, its keys not checked yet. Raises
    ``UserError`` for an argument of another form and for a key given twice."""
    given: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            near = difflib.get_close_matches(argument, list(keys(cls)), n=1, cutoff=0.4)
            hint = near[0] if near else next(iter(keys(cls)))
            raise UserError(
                f"argument '{shown(argument)}' is not of the form key=value (as {hint}=...)"
            )
        if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in argument):
            raise UserError(f"argument '{shown(argument)}' is not UTF-8 text")
        if name in given:
            raise UserError(f"{name} is given twice: '{shown(given[name])}' and '{shown(value)}'")
        given[name] = value
    return given


class _Changes(dict[str, Any]):
    """Fields of one section and their new values, sections within it among them."""


def override(base: Config, given: Mapping[str, str]) -> Config:
    """``base``, a frozen dataclass, with the given dotted keys replaced. Raises ``UserError`` for
    an unknown key, naming the nearest one, and for a value that its key cannot have."""
    valid, changes = keys(type(base)), _Changes()
    for name, text in given.items():
        if name not in valid:
            raise _unknown_key(name, valid)
        section = changes
        sections = name.split(".")[:-1]
        for part in sections:
            section = section.setdefault(part, _Changes())
        section[valid[name].name] = valid[name].read(name, text)
    return _replaced(base, changes)


def _replaced(config: Config, changes: _Changes, at: str = "") -> Config:
    values: dict[str, Any] = {}
    for name, value in changes.items():
        if isinstance(value, _Changes):
            # a section that is not in force begins as its class has it
            inner = getattr(config, name)
            inner = getattr(type(config)(), name) if inner is None else inner
            value = _replaced(inner, value, f"{at}{name}.")
        values[name] = value
    try:
        made: Config = dataclasses.replace(config, **values)  # type: ignore[type-var]
    except UserError as error:
        if not at or at in f"{error}":
            raise
        raise UserError(f"{at[:-1]}: {error}") from None
    except (ValueError, TypeError, ArithmeticError, LookupError) as error:
        # settings of the user's own refuse values in their own way
        raise UserError(f"{at[:-1]}: {type(error).__name__}: {error}") from None
    return made


def _unknown_key(name: str, valid: Mapping[str, Key]) -> UserError:
    if any(key.startswith(name + ".") for key in valid):
        inner = next(key for key in valid if key.startswith(name + "."))
        return UserError(f"'{name}' is a section: set its keys, as {inner}=...")
    # A key of the same section is nearer than a like-sounding one elsewhere.
    section = name.rpartition(".")[0]
    like = [key for key in valid if section and key.rpartition(".")[0] == section]
    near = difflib.get_close_matches(name, like or list(valid), n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return UserError(f"unknown key '{shown(name)}': {hint}(--help lists every key)")


@functools.cache
def _comments(cls: type) -> dict[str, str]:
    """What is said of each field of a dataclass: ``#:`` lines above it, or a string below it."""
    comments: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        held: list[str] = []
        try:
            source = textwrap.dedent(inspect.getsource(base))
        except (OSError, TypeError):  # a class that was made, not written
            continue
        for line in source.splitlines():
            text = line.strip()
            if text.startswith("#:"):
                held.append(text.removeprefix("#:").strip())
            elif held:
                comments[text.split(":")[0]] = " ".join(held)
                held = []
        field_name = ""
        for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                field_name = node.target.id
            elif field_name and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                comments[field_name] = " ".join(str(node.value.value).split())
    return comments


def as_dict(config: Any) -> dict[str, Any]:
    """A config as plain nested data, for storing."""
    return dataclasses.asdict(config)


def key_list(base: Any, within: Container[str] | None = None) -> str:
    """Every key of a config with its type, its value in ``base`` and its meaning; ``within``: of
    these sections alone, ``""`` being that of the keys in none."""
    lines = []
    section = ""
    for name, key in keys(type(base), base).items():
        top = name.split(".")[0] if "." in name else ""
        if within is not None and top not in within:
            continue
        if top != section:
            section = top
            lines.append(f"\n{top}: {said_of(getattr(base, top))}")
        lines.append(key_entry(name, key))
    return "\n".join(lines)


def said_of(section: Any) -> str:
    """What the class of a section, or the nearest that it derives from, says in its first line."""
    for cls in type(section).__mro__[:-1]:
        said = inspect.cleandoc(cls.__dict__.get("__doc__") or "").partition("\n")[0]
        if said and not said.startswith(f"{cls.__name__}("):  # what a dataclass says for itself
            return said
    return ""


def key_entry(name: str, key: Key) -> str:
    """One key as ``--help`` shows it."""
    default = "null" if key.default is None else key.default
    return f"  {name} ({key.type}) = {default}\n      {key.meaning}"
