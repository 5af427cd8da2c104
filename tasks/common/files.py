"""Files written whole or not at all, and what identifies their content."""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.lease import fenced

#: what the names of damaged files end in, which nobody reads and nobody deletes
DAMAGED = ".damaged"


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
    """As :func:`write_bytes`, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Writes beside ``path`` and renames, so that a kill leaves the old file or none. Each writer
    has a name of its own for it: two at once leave one whole file. Fenced by this process's leases.
    An ``OSError`` names ``path``, and nothing of it stays."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with naming(path):
            with open(part, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            place(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def place(part: Path, path: Path) -> None:
    """Renames a whole file into place, unless the lease under which it was written is lost."""
    with fenced():
        os.replace(part, path)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An ``OSError`` in this block, a full disk for one, is one of ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def open_as_others(path: Path) -> None:
    """Gives a file that a library made for its owner alone the mode of any new file, which is what
    the umask leaves."""
    probe = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        probe.touch()
        os.chmod(path, probe.stat().st_mode)
    finally:
        probe.unlink(missing_ok=True)
