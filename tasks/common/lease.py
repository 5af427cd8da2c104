"""One worker for one piece of work, on a shared file system and whatever happens to the holder.

A lease is a file that its holder touches every few seconds. A dead holder's is taken over at once
by a process that can see it is dead (same machine), and by any other after :data:`LAPSE` seconds
without a touch, measured on the waiting process's own clock: neither the date that the file bears
nor what stands in it matters.

Writes are fenced by the leases that this process holds (:func:`fenced`): a holder that was stopped
for longer than that, and goes on, writes nothing more. Check and write are one step under a lock of
the kernel's on the lease's folder, which a new holder waits for before it begins. It waits no
longer than a lapse, as the old one may have been stopped between the two, and files that grow are
then other files for the new one (:func:`first`). Where a file system has no such locks, the
check comes just before the write.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common import stop

if TYPE_CHECKING:
    from filelock import LeaseCompromise, SoftFileLease

#: seconds without a sign of life after which a holder on another machine counts as dead
LAPSE = 60.0
#: seconds between looks at a lease that another process holds
POLL = 0.2
#: seconds after which who waits says what for
SAY = 5.0
#: exit code of a process that may be run again (EX_TEMPFAIL)
AGAIN = 75

#: the leases that this process holds, and what each says
_held: dict[Path, str] = {}
#: the files that it has appended to under each that was another's before
_touched: dict[Path, set[Path]] = {}


@contextmanager
def hold(
    path: Path, waiting: Callable[[], None] = lambda: None, lapse: float = LAPSE
) -> Iterator[None]:
    """Holds the lease ``path`` for a ``with`` block; ``waiting`` is called once if it must wait,
    and after a few seconds a line on stderr says who holds it and how to break it.

    A holder that was stopped for longer than ``lapse`` finds its work given to another process: it
    ends, with exit code 75 and a line on stderr, at its next sign of life and before any fenced
    write.
    """
    from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lease = SoftFileLease(path, lease_duration=lapse, on_compromise=_lost)
    free = not path.exists()
    try:
        lease.acquire(timeout=0)
    except (Timeout, LeaseSettingsMismatch):
        free = False
        waiting()
        _wait(lease, path, lapse)
    place = path.absolute()
    try:
        with _alone(place.parent, lapse):  # the last holder's write is over, or never begins
            _held[place] = f"token={lease.token}\n"
        if not free:
            _touched[place] = set()
        yield
    finally:
        _held.pop(place, None)
        _touched.pop(place, None)
        lease.release()


def _wait(lease: SoftFileLease, path: Path, lapse: float) -> None:
    """Acquires the lease however long it takes."""
    from filelock import LeaseSettingsMismatch, Timeout

    began = since = time.monotonic()
    seen, said = _mark(path), False
    while True:
        try:
            lease.acquire(timeout=min(lapse, SAY), poll_interval=POLL)
            return
        except Timeout:
            pass
        except LeaseSettingsMismatch:  # of a program that lets leases lapse later or sooner
            time.sleep(POLL)
        now, mark = time.monotonic(), _mark(path)
        if mark != seen:
            seen, since = mark, now
        elif mark and now - since >= lapse:
            # whoever created it died before it wrote its name into it, or was a program that
            # locks by other means; a live holder of ours would have touched it by now
            path.unlink(missing_ok=True)
        if mark and not said and now - began >= SAY:
            print(f"waiting for {path}, {_holder(path, lapse)}", file=sys.stderr, flush=True)
            said = True


def _mark(path: Path) -> tuple[int, ...]:
    """What changes when a lease is touched or made anew; empty where there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return ()
    return stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size


def _holder(path: Path, lapse: float) -> str:
    """Who holds a lease, since when it was not touched, and how to break it."""
    from filelock import SoftFileLease

    owner = SoftFileLease(path, lease_duration=lapse).owner
    who = f"process {owner.pid} on {owner.hostname}" if owner else "a process that left no name"
    try:
        touched = path.stat().st_mtime
    except FileNotFoundError:
        return "which has just come free"
    date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(touched))
    ahead = ", in the future of this machine's clock" if touched > time.time() + SAY else ""
    return (
        f"held by {who}, last touched {date}{ahead}: it is taken over once it stays untouched for "
        f"{lapse:.0f} s; if its holder is gone, delete that file to go on at once"
    )


@contextmanager
def fenced() -> Iterator[None]:
    """For what is written under the leases that this process holds. Raises ``Stopped``, with a line
    on stderr, where one of them is another's by now. (One that was deleted is nobody's.)"""
    leases = dict(_held)
    with ExitStack() as stack:
        for folder in sorted({path.parent for path in leases}):
            stack.enter_context(_alone(folder, LAPSE))
        for path, token in leases.items():
            if _taken(path, token):
                print(f"error: lost {path} (another process holds it)", file=sys.stderr, flush=True)
                raise stop.Stopped
        yield


def first(path: Path) -> bool:
    """Whether this is the first time that this process asks so of a file under the leases that it
    holds now and that were another's when it asked for them; False where there are none."""
    place = path.absolute()
    fresh = [files for files in list(_touched.values()) if place not in files]
    for files in fresh:
        files.add(place)
    return bool(fresh)


def _taken(path: Path, token: str) -> bool:
    """Whether a lease is another's. Who looks whether a lease is stale may hold it aside for a
    moment, so that one look proves nothing."""
    for _ in range(5):
        try:
            said = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        if token in said:
            return False
        time.sleep(POLL / 2)
    return True


@contextmanager
def _alone(folder: Path, patience: float) -> Iterator[None]:
    """The kernel's lock on a folder, as far as it has one and it comes free within ``patience``
    seconds."""
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        end = time.monotonic() + patience
        with suppress(OSError):  # a file system without such locks
            while time.monotonic() < end:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def _lost(compromise: LeaseCompromise) -> None:
    print(f"error: lost {compromise.lock_file} ({compromise.reason})", file=sys.stderr, flush=True)
    os._exit(AGAIN)
