"""JSON-lines files that only grow, and that a kill may leave with a torn last line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError


def append(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Appends the records in one write and waits until the disk has them."""
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as file:
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a file, none if it does not exist. A last line without its newline is what a
    kill leaves: it is cut off the file. Raises ``UserError`` for any other malformed line."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    records = []
    for number, line in enumerate(data[:whole].decode("utf-8").split("\n")[:-1], 1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise UserError(
                f"{path} is damaged at line {number} ({error.msg}): delete the file to make it anew"
            ) from None
    return records
