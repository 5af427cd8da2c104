"""Files written whole or not at all, and what identifies their content."""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError


def canonical(value: Any) -> str:
    """JSON that is equal for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def json_text(
    value: Any, *, indent: int | None = None, escape: bool = False, tight: bool = False
) -> str:
    """JSON as it is stored and printed; ``escape``: in ASCII alone, ``tight``: without spaces.
    Raises ``UserError`` naming the figure that is not finite: JSON has no NaN and no infinity, and
    what is not known is a null, with its reason beside it."""
    separators = (",", ":") if tight else None
    try:
        return json.dumps(
            value, indent=indent, ensure_ascii=escape, separators=separators, allow_nan=False
        )
    except ValueError:
        place = next(_endless(value), "")
        raise UserError(f"nothing is stored: {place or 'a figure'} is not finite") from None


def _endless(value: Any, place: str = "") -> Iterator[str]:
    """The places of figures that are not finite, as ``rows.0.lm``."""
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{place or 'the figure'} ({value})"
    for name, part in parts:
        yield from _endless(part, f"{place}.{name}" if place else str(name))


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Writes beside ``path`` and renames, so that a kill leaves the old file or none. Each writer
    has a name of its own for it: two at once leave one whole file."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def open_as_others(path: Path) -> None:
    """Gives a file that a library made for its owner alone the mode of any new file, which is what
    the umask leaves."""
    probe = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        probe.touch()
        os.chmod(path, probe.stat().st_mode)
    finally:
        probe.unlink(missing_ok=True)
