"""One worker for one piece of work, on a shared file system and whatever happens to the holder.

A lease is a file that its holder touches every few seconds. A dead holder's is taken over at once
by a process that can see it is dead (same machine), and by any other after :data:`LAPSE` seconds
without a touch, measured on the waiting process's own clock.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import LeaseCompromise

#: seconds without a sign of life after which a holder on another machine counts as dead
LAPSE = 60.0
#: seconds between looks at a lease that another process holds
POLL = 0.2
#: exit code of a process that may be run again (EX_TEMPFAIL)
AGAIN = 75


@contextmanager
def hold(
    path: Path, waiting: Callable[[], None] = lambda: None, lapse: float = LAPSE
) -> Iterator[None]:
    """Holds the lease ``path`` for a ``with`` block; ``waiting`` is called once if it must wait.

    A holder that was stopped for longer than ``lapse`` finds its work given to another process: it
    ends at once, with exit code 75 and a line on stderr, before it can write over the other's.
    """
    from filelock import SoftFileLease, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lease = SoftFileLease(path, lease_duration=lapse, on_compromise=_lost)
    try:
        lease.acquire(timeout=0)
    except Timeout:
        waiting()
        seen = _empty(path)
        while True:
            try:
                lease.acquire(timeout=lapse if seen else -1, poll_interval=POLL)
                break
            except Timeout:
                # whoever created it died before it wrote its name into it, or was a program that
                # locks by other means; a live holder of ours would have touched it by now
                if seen and _empty(path) == seen:
                    path.unlink(missing_ok=True)
                seen = _empty(path)
    try:
        yield
    finally:
        lease.release()


def _empty(path: Path) -> int | None:
    """When an empty lease file was last touched (ns); None for one with a holder, or none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return None if stat.st_size else stat.st_mtime_ns


def _lost(compromise: LeaseCompromise) -> None:
    print(f"error: lost {compromise.lock_file} ({compromise.reason})", file=sys.stderr, flush=True)
    os._exit(AGAIN)
