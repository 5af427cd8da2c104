"""What a text on the command line, or in a profile, means as the value of a setting.

A text stays the text that it is, whatever it looks like; numbers are decimal. Nothing here is YAML,
where ``no`` is false, ``0123`` is 83 and ``4:00`` is 240.
"""

from __future__ import annotations

import difflib
import enum
import json
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from eval.running.texts import listed
from tasks.common.errors import UserError

#: how a setting that may be left out is left out
NULL = "null"
BOOLEANS = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip
_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?(?:inf|infinity|nan)|\.(?:inf|nan)",
    re.IGNORECASE,
)
#: digits that no number in range has, and that Python would take minutes or refuse to read
_DIGITS = 400
#: a time as SLURM writes it: DAYS-HOURS:MINUTES:SECONDS
_TIME = re.compile(r"(?:(\d{1,9})-)?(\d{1,9})(?::(\d{1,9}))?(?::(\d{1,9}))?")
_SECONDS = {"seconds": 1, "minutes": 60}


def read(hint: Any, text: str, metadata: Mapping[str, Any] | None = None) -> Any:
    """The value of ``text`` for a field annotated with ``hint``. Raises ``ValueError`` saying what
    was expected. ``metadata``: of the field; its ``unit`` names what a time has to be given in."""
    metadata = metadata or {}
    parts = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [part for part in parts if part is not type(None)]
        if len(inner) < len(parts) and text == NULL:
            return None
        return read(inner[0], text, metadata) if len(inner) == 1 else _other(hint, text)
    if typing.get_origin(hint) is Literal:
        return _one_of({str(part): part for part in parts}, text)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _one_of({name: hint[name] for name in hint.__members__}, text)
    if hint is bool and text.lower() in BOOLEANS:
        return BOOLEANS[text.lower()]
    if hint is bool:
        raise ValueError("true or false (expected bool)")
    if hint is int or hint is float:
        return _number(hint, text.strip(), str(metadata.get("unit", "")))
    if hint is str or hint is Any:
        return text
    kind = typing.get_origin(hint)
    if kind is list or (kind is tuple and parts[1:] == (...,)):
        return kind(read(parts[0], one, metadata) for one in entries(text, parts[0] is str))
    return _other(hint, text)


def type_name(hint: Any) -> str:
    """``int``, ``str or null``, ``auto|released``."""
    if typing.get_origin(hint) is Literal:
        return "|".join(map(str, typing.get_args(hint)))
    return hint.__name__ if isinstance(hint, type) else str(hint).replace(" | None", f" or {NULL}")


def entries(text: str, lines: bool = False) -> list[str]:
    """The entries of a list, ``[1, 2]`` or ``1,2``. ``lines``: they are texts, which hold commas
    and are quoted where they do; without brackets it is one of them."""
    inside = text.strip()
    if lines:
        return listed(inside) if inside.startswith("[") else [text]
    if (inside[:1], inside[-1:]) in (("[", "]"), ("(", ")")):
        inside = inside[1:-1].rstrip().removesuffix(",")
    return [one.strip() for one in inside.split(",")] if inside.strip() else []


def paths(text: str) -> list[Path]:
    """Files or folders separated by commas. One whose own name holds commas is found where it
    exists."""
    parts, found = text.split(","), list[Path]()
    while parts:
        ends = (n for n in range(len(parts), 1, -1) if _exists(",".join(parts[:n])))
        taken = next(ends, 1)
        name = ",".join(parts[:taken]).strip() if taken == 1 else ",".join(parts[:taken])
        found += [Path(name)] if name else []
        parts = parts[taken:]
    return found


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def _one_of(members: Mapping[str, Any], text: str) -> Any:
    if text in members:
        return members[text]
    near = difflib.get_close_matches(text, list(members), n=1, cutoff=0.4)
    hint = f": did you mean '{near[0]}'?" if near else ""
    raise ValueError(f"expected one of {', '.join(members)}{hint}")


def _number(kind: type[int] | type[float], text: str, unit: str) -> int | float:
    wanted = _INTEGER if kind is int else _FLOAT
    if wanted.fullmatch(text):
        if len(text) > _DIGITS:
            raise ValueError(f"a number of {len(text)} digits is out of any range")
        return kind(text.lstrip(".") if text.lower() in (".inf", ".nan") else text)
    expected = "a whole number" if kind is int else "a number"
    if unit:
        time = _time(text, unit)
        raise ValueError(
            f"{unit} as {expected}{f', as {time}' if time else ''} (expected {kind.__name__})"
        )
    raise ValueError(f"{expected} in decimal digits (expected {kind.__name__})")


def _time(text: str, unit: str) -> int | None:
    """What a time of SLURM's comes to in ``unit``, rounded up; None for what is none."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    days, *parts = match.groups()
    given = [int(part) for part in parts if part is not None]
    if days is not None:  # days-hours:minutes:seconds
        hours, minutes, seconds = [*given, 0, 0][:3]
    elif len(given) == 3:
        hours, minutes, seconds = given
    else:  # minutes:seconds
        hours, (minutes, seconds) = 0, [*given, 0][:2]
    total = ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
    return -(-total // _SECONDS[unit])


def _other(hint: Any, text: str) -> Any:
    """A value of a type that only settings of the user's own have: JSON, or the text itself."""
    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticUserError

    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
    except PydanticUserError as error:
        reason = str(error).splitlines()[0]
    raise ValueError(f"{reason} (expected {type_name(hint)})")


def shown(text: str) -> str:
    """A value as an error repeats it."""
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def cut(text: str, what: str) -> Sequence[str]:
    """Values separated by commas, none of them empty or given twice. Raises ``ValueError``."""
    values = [one.strip() for one in text.split(",")]
    if not all(values):
        raise ValueError(f"{what} separated by commas, none of them empty")
    doubled = next((one for one in values if values.count(one) > 1), None)
    if doubled is not None:
        raise ValueError(f"{doubled} is given twice")
    return values


def several(key: str, text: str, what: str) -> Sequence[str]:
    """As :func:`cut`, of the value of ``key``. Raises ``UserError`` naming both."""
    try:
        return cut(text, what)
    except ValueError as error:
        raise UserError(f"{key}={shown(text)}: {error}") from None
