"""Whether a process that was written down still runs."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: what is written down of a process
PROCESS = {"pid": int, "born": str, "host": str}


def written(pid: int) -> dict[str, Any]:
    """A process of this machine: its number, when it was born, by which it is told from a later one
    of the same number, and the machine."""
    return {"pid": pid, "born": _born(pid), "host": socket.gethostname()}


def alive(record: Mapping[str, Any]) -> bool | None:
    """Whether the process of :func:`written` runs; None where that cannot be seen from this
    machine. What is no such record is of no process."""
    if not all(isinstance(record.get(name), kind) for name, kind in PROCESS.items()):
        return False
    if record["host"] != socket.gethostname():
        return None
    pid = record["pid"]
    if not 0 < pid < 2**31:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        pass
    return _born(pid) == record["born"] and not _ended(pid)


def _stat(pid: int) -> list[str]:
    """The fields of a process behind its name, as Linux has them (proc(5)); none elsewhere."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _born(pid: int) -> str:
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else ""


def _ended(pid: int) -> bool:
    """Whether it only waits to be reaped."""
    return _stat(pid)[:1] == ["Z"]
