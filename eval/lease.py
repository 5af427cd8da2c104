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
        lease.acquire(poll_interval=POLL)
    try:
        yield
    finally:
        lease.release()


def _lost(compromise: LeaseCompromise) -> None:
    print(f"error: lost {compromise.lock_file} ({compromise.reason})", file=sys.stderr, flush=True)
    os._exit(AGAIN)
