"""Files written whole or not at all, and what identifies their content."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.common.lease import fenced

#: what the names of damaged files end in, which nobody reads and nobody deletes
DAMAGED = ".damaged"


def canonical(value: Any) -> str:
    """JSON that is equal for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


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
