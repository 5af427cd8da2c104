"""JSON-lines files that only grow, and that a kill may leave with a torn last line.

Readers never change a file: what stands behind the last newline is a record where it is a whole
one, and is passed over where it is torn. Whoever is to append holds the file's lease (a
:func:`tasks.common.lease.hold` around the folder that it lies in) and calls :func:`mend` first.
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.files import json_text, naming, write_bytes
from tasks.common.lease import fenced, first

#: bytes that are read at once when the last newline is looked for
BLOCK = 1 << 16


def append(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Appends the records in one write and waits until the disk has them; all of them or none,
    where the disk is full: the ``OSError`` names the file. Fenced by this process's leases."""
    lines = "".join(json_text(record) + "\n" for record in records)
    data = memoryview(lines.encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    _renew(path)
    # opened before the fence, see _renew; no buffer, which would be written again when it is closed
    with naming(path), open(path, "ab", buffering=0) as file:
        with fenced():
            size = file.seek(0, os.SEEK_END)
            try:
                while data:
                    data = data[file.write(data) :]
            except OSError:
                file.truncate(size)
                raise
        try:
            os.fsync(file.fileno())  # may take long
        except OSError:
            with fenced():
                file.truncate(size)
            raise


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a file, none if it does not exist; blank lines and a byte-order mark are
    passed over, and so is a torn last line. Raises ``UserError`` for any other malformed line."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    # a JSON string may hold U+2028 and its like, at which str.splitlines would cut
    *lines, tail = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    records = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            records.append(json.loads(line.decode("utf-8")))
        except ValueError as error:
            reason = getattr(error, "msg", "not UTF-8")
            raise UserError(
                f"{path} is damaged at line {number} ({reason}): delete the file to make it anew"
            ) from None
    last = _whole(tail)
    return records if last is None else [*records, last]


def mend(path: Path) -> None:
    """Leaves the file with whole lines alone: a whole last record gets its newline, a torn one is
    cut off. Only for the holder of the file's lease: what looks torn may be another's append."""
    _renew(path)
    try:
        file = open(path, "r+b")  # noqa: SIM115 (a missing file is no error)
    except FileNotFoundError:
        return
    with fenced(), naming(path), file:
        tail = _tail(file, file.seek(0, os.SEEK_END))
        if not tail:
            return
        if _whole(tail.removeprefix(codecs.BOM_UTF8)) is not None:
            file.write(b"\n")
        else:
            file.truncate(file.seek(-len(tail), os.SEEK_END))
        file.flush()
        os.fsync(file.fileno())


def _renew(path: Path) -> None:
    """Makes a copy of the file take its place, where this process has just got its lease: whatever
    the last holder had opened and was stopped before it wrote goes to the file of before."""
    if first(path) and path.exists():
        write_bytes(path, path.read_bytes())


def _whole(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None for what is none. Only a whole object is one: every cut of it
    lacks the last brace."""
    try:
        record = json.loads(line.decode("utf-8"))
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _tail(file: Any, size: int) -> bytes:
    """What stands behind the last newline of an open file, which is left at its end."""
    tail, start = b"", size
    while start and b"\n" not in tail:
        step = min(BLOCK, start)
        start -= step
        file.seek(start)
        tail = file.read(step) + tail
    file.seek(0, os.SEEK_END)
    return tail.rpartition(b"\n")[2]
