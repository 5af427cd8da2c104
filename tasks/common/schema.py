"""Stored JSON is data of a shape that is said once: read strictly, checked against a type, and
every mistake named by its file, its line and the path of the field.

Strictly: UTF-8, no NaN or infinity, no halves of surrogate pairs, no number that a float cannot
hold, no more than some 200 levels. What was read is given back as it stands in the file, so that
writing it again gives the same bytes; the type only says whether it fits.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import ConfigDict, Field

from tasks.common.errors import UserError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

C = TypeVar("C")

#: of a ``TypedDict``: entries of other versions are let be, and nothing is turned into another type
OPEN = ConfigDict(extra="allow", strict=True)

#: a figure: finite, and of a size whose sums and squares are finite too
Real = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]
#: a figure that is not negative
Amount = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e15)]
#: a number of things, or a place in a list
Whole = Annotated[int, Field(ge=0, le=2**53)]
#: a text that is not empty
Named = Annotated[str, Field(min_length=1)]

#: what may be a number that no float holds; most records have none and are not looked through
_LARGE = re.compile(rb"\d{300}|[eE]\+?\d{3}")
#: the largest whole number that is read
_LIMIT = 10**300


class Unreadable(UserError):
    """A file is there and cannot be read: nothing is known of what is in it."""


def parsed(data: bytes) -> Any:
    """A JSON value. Raises ``ValueError``, in one line, for what is none."""
    import pydantic_core

    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    value = pydantic_core.from_json(data, allow_inf_nan=False)
    if _LARGE.search(data) and not _sizeable(value):
        raise ValueError("a number is too large")
    return value


def _sizeable(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_sizeable, value.values()))
    if isinstance(value, list):
        return all(map(_sizeable, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) <= _LIMIT


@cache
def _adapter(schema: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(schema)


def misfit(value: Any, schema: Any) -> str | None:
    """What of ``value``, parsed JSON, is not as ``schema`` (a type, ``TypedDict`` and the like)
    says, in one line that names the field; None where it fits."""
    from pydantic import ValidationError

    try:
        _adapter(schema).validate_python(value, strict=True)
    except ValidationError as error:
        return said(error, value)
    return None


def said(error: ValidationError, value: Any) -> str:
    """The first mistake of a validation in one line: ``scores.len: input should be ...``."""
    # of a union's branches the last is the one that says most
    first = error.errors(include_url=False)[-1]
    if first["type"] == "missing":
        *inside, name = first["loc"]
        within = _field(value, inside)
        return f"{within}{': ' if within else ''}has no '{name}'"
    what = first["msg"].removeprefix("Value error, ")
    field = _field(value, first["loc"])
    what = what[:1].lower() + what[1:]
    return f"'{field}': {what}" if field else what


def _field(value: Any, loc: Sequence[int | str]) -> str:
    """A path as one types it; what a library says of branches and keys is not of the path."""
    names = []
    for part in loc:
        place = isinstance(part, int) and isinstance(value, (list, tuple)) and part < len(value)
        if not place and not (isinstance(value, dict) and part in value):
            continue
        value = value[part]
        names.append(str(part))
    return ".".join(names)


def built(cls: type[C], value: Any, place: str) -> C:
    """``cls``, a dataclass (nested ones included), from parsed JSON. Raises ``UserError``, in one
    line that begins with ``place``, where it does not fit; what ``cls`` itself refuses, too."""
    from pydantic import ValidationError

    try:
        made: C = _adapter(cast("Any", cls)).validate_python(value)
    except ValidationError as error:
        raise UserError(f"{place}: {said(error, value)}") from None
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"{place}: {(str(error).splitlines() or ['they do not fit'])[0]}") from None
    return made


def read_json(path: Path, schema: Any, kind: str = "") -> Any:
    """A JSON file that is as ``schema`` says; ``kind``: what it is to be, for the error. Raises
    ``UserError``, in one line that names the file and the field, for one that is missing, cannot
    be read, is no JSON, or is something else."""
    try:
        value = parsed(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}") from None
    if isinstance(value, dict) or kind:
        wrong = misfit(value, schema)
    else:
        wrong = misfit(value, schema) and "holds no JSON object"
    if wrong:
        raise UserError(f"{path}{f' is no {kind}' if kind else ''}: {wrong}")
    return value


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The numbered lines of a file that grows (:mod:`tasks.common.jsonl`), none where there is no
    file: blank ones and a torn last one are passed over. Raises ``UserError`` for a file that
    cannot be read."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror or error}") from None
    *whole, tail = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    for number, line in enumerate(whole, 1):
        if line.strip():
            yield number, line
    if tail.strip().endswith(b"}"):
        try:
            parsed(tail)
        except ValueError:
            return
        yield len(whole) + 1, tail


def read_lines(
    path: Path,
    schema: Any,
    check: Callable[[dict[str, Any]], str | None] = lambda record: None,
) -> list[dict[str, Any]]:
    """The records of a JSON-lines file, each as ``schema`` says; none where there is no file.
    ``check``: what else is wrong with one of them. Raises ``UserError``, in one line that names
    file, line and field."""
    records = list[dict[str, Any]]()
    for number, line in lines(path):
        try:
            record = parsed(line)
        except ValueError as error:
            raise UserError(f"{path} is damaged at line {number} ({error})") from None
        wrong = misfit(record, schema) or check(record)
        if wrong:
            lacks = wrong.startswith("has no '")
            more = ": it was made by another version of this program" if lacks else ""
            raise UserError(f"{path} line {number}{'' if lacks else ':'} {wrong}{more}")
        records.append(record)
    return records
