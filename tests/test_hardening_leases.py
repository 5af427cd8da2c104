"""Holders of leases that stall, locks of any kind and date, and disks that are full."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_slurm_store import HOLDER, ROOT

from eval.run import guarded
from eval.running.cells import Cell
from models.base import Sample, TargetSamples
from models.nets.artefact import save_module
from tasks.common import lease, stop
from tasks.common.files import write_bytes, write_text
from tasks.common.jsonl import append, mend, read
from tasks.common.lease import AGAIN, fenced, hold
from tests.hardening import Tried

#: how often a holder is stopped
STALLS = 3
WRITER = """
import sys, time
from pathlib import Path
from tasks.common.jsonl import append, mend
from tasks.common.lease import hold
path = Path(sys.argv[1])
with hold(path.with_name(".lock"), lapse=2):
    print("held", flush=True)
    for i in range(10**6):
        mend(path)
        append(path, [{"writer": sys.argv[2], "i": i}])
        time.sleep(0.001)
"""


def started(code: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_a_stalled_holder_writes_nothing_beside_the_new_one(tmp_path: Path) -> None:
    """Stopped at any moment, and let go on while the other writes: it ends at its first write,
    though its own sign of life comes later."""
    path = tmp_path / "samples.jsonl"
    for turn in range(STALLS):
        path.unlink(missing_ok=True)
        old = started(WRITER, str(path), "old")
        time.sleep(0.05 * turn)
        os.kill(old.pid, signal.SIGSTOP)
        new = started(WRITER, str(path), "new")
        os.kill(old.pid, signal.SIGCONT)
        assert old.wait(30) != 0
        time.sleep(0.1)
        new.kill()
        new.wait()
        assert old.stderr and "error: lost" in old.stderr.read()
        writers = [record["writer"] for record in read(path)]
        assert writers == sorted(writers, reverse=True) and writers[-1] == "new"


def steal(path: Path) -> None:
    """What another process leaves in the place of a lease that it took over."""
    path.unlink()
    path.write_text("filelock/2\npid=1\nhost=elsewhere\nmode=lease\ntoken=0\nduration=60.0\n")


WRITES: dict[str, Callable[[Path], object]] = {
    "append": lambda path: append(path, [{"a": 1}]),
    "mend": mend,
    "text": lambda path: write_text(path, "new"),
    "bytes": lambda path: write_bytes(path, b"new"),
    "tensors": lambda path: save_module(path, torch.nn.Linear(2, 2), {}),
}


@pytest.mark.parametrize("kind", WRITES)
def test_nothing_is_written_once_a_lease_is_lost(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, lock = tmp_path / "file", tmp_path / ".lock"
    path.write_text('{"a": 0}\n{"a"')

    def lose() -> None:
        with hold(lock):
            steal(lock)
            WRITES[kind](path)

    with pytest.raises(stop.Stopped):
        lose()
    assert path.read_text() == '{"a": 0}\n{"a"'
    assert sorted(one.name for one in tmp_path.iterdir()) == [".lock", "file"]
    assert "error: lost" in capsys.readouterr().err and "elsewhere" in lock.read_text()


def test_a_lease_that_was_deleted_is_nobodys(tmp_path: Path) -> None:
    with hold(tmp_path / ".lock"):
        (tmp_path / ".lock").unlink()
        append(tmp_path / "file", [{"a": 1}])
    with hold(tmp_path / "folder" / ".lock"):
        (tmp_path / "folder" / ".lock").unlink()
        (tmp_path / "folder").rmdir()
        append(tmp_path / "folder" / "file", [{"a": 1}])
    assert read(tmp_path / "file") == read(tmp_path / "folder" / "file") == [{"a": 1}]


def test_a_lost_lease_ends_a_command_as_a_stop_does(tmp_path: Path) -> None:
    def command(given: object) -> None:
        with hold(tmp_path / ".lock"):
            steal(tmp_path / ".lock")
            with fenced():
                raise AssertionError("written")

    assert guarded(command, []) == AGAIN


#: locks that nobody touches: what stands in them
FOREIGN = {
    "empty": "",
    "another host's": "filelock/2\npid=4\nhost=elsewhere\nmode=lease\ntoken=0\nduration=1.0\n",
    "another host's, held by other means": "4\nelsewhere\n",
    "held for ever": "filelock/2\npid=4\nhost=elsewhere\nmode=exclusive\n",
    "of a later version": "filelock/3\npid=4\nhost=elsewhere\nmode=other\n",
    "with another lapse": "filelock/2\npid=4\nhost=elsewhere\nmode=lease\ntoken=0\nduration=9.0\n",
    "no lock at all": "\x00\xff nonsense",
}
#: a lock and how many days ahead it is dated
LOCKS = [*((kind, 36500) for kind in FOREIGN), ("empty", 0), ("another host's", 0), ("empty", 1)]


@pytest.mark.parametrize(("kind", "ahead"), LOCKS)
def test_a_lock_that_nobody_touches_is_taken_over(
    kind: str, ahead: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Whatever it says and whatever date it bears, and first it is said what is waited for."""
    monkeypatch.setattr(lease, "SAY", 0.2)
    monkeypatch.setattr(lease, "POLL", 0.05)
    path, when = tmp_path / ".lock", time.time() + 86400 * ahead
    path.write_text(FOREIGN[kind], encoding="latin-1")
    os.utime(path, (when, when))
    began = time.monotonic()
    with hold(path, lapse=0.6):
        assert 0.5 < time.monotonic() - began < 8
    said = capsys.readouterr().err
    assert said.startswith(f"waiting for {path}, held by ") and said.count("\n") == 1
    assert "delete that file to go on at once" in said
    assert ("in the future of this machine's clock" in said) == bool(ahead)


def test_a_living_holder_is_waited_for_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lease, "SAY", 0.2)
    process = started(HOLDER, str(tmp_path / "x"), "1")
    killed: list[float] = []

    def look(path: Path) -> tuple[int, ...]:
        if time.monotonic() - began > 3 and not killed:  # three lapses
            killed.append(time.monotonic())
            process.kill()
            process.wait()
        return mark(path)

    mark, began = lease._mark, time.monotonic()
    monkeypatch.setattr(lease, "_mark", look)
    with hold(tmp_path / "x", lapse=1):
        assert killed
    assert f"held by process {process.pid} on " in capsys.readouterr().err


# full disks

LIMIT = 20_000
LIMITED = """
import resource, sys
sys.path.insert(0, "tests")
from pathlib import Path
from eval.run import guarded
from tests.test_hardening_leases import FULL
def command(given):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
    FULL[sys.argv[1]](Path(sys.argv[2]))
sys.exit(guarded(command, []))
"""


def _added(path: Path) -> None:
    cell = Cell(path.parent, {})
    words = ("word",) * 100
    for i in range(100):
        cell.add(TargetSamples(f"t{i}", tuple(Sample(k, words, words, 1, 0.5) for k in range(3))))


FULL: dict[str, Callable[[Path], object]] = {
    "weights.safetensors": lambda path: save_module(path, torch.nn.Linear(200, 200), {}),
    "scores.jsonl": lambda path: append(path, [{"a": "b" * 100} for _ in range(1000)]),
    "config.json": lambda path: write_text(path, "x" * 100_000),
    "samples.jsonl": _added,
}


@pytest.mark.parametrize("name", FULL)
def test_a_full_disk_is_one_line_that_names_the_file(name: str, tmp_path: Path) -> None:
    """As far as a limit on the size of files is one: nothing half-written stays, and what was
    there before does."""
    path = tmp_path / name
    before = "" if name == "weights.safetensors" else '{"a": 1}\n'
    if before and name != "samples.jsonl":
        path.write_text(before)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, name, str(path), str(LIMIT)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: cannot ") and str(path) in done.stderr
    assert not list(tmp_path.glob("*.part"))
    if name == "samples.jsonl":
        lines = path.read_text().splitlines()
        targets = [json.loads(line)["target"] for line in lines]
        assert 3 <= len(lines) < 300 and len(targets) % 3 == 0 and path.stat().st_size < LIMIT
        assert list(Cell(tmp_path, {}).samples()) == list(dict.fromkeys(targets))
    else:
        assert (path.read_text() if path.exists() else "") == before


def test_a_failed_append_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "samples.jsonl"
    append(path, [{"a": 1}])
    monkeypatch.setattr("tasks.common.jsonl.os.fsync", full)
    with pytest.raises(OSError) as caught:
        append(path, [{"a": 2}])
    assert caught.value.filename == str(path) and read(path) == [{"a": 1}]


TAKEN = "who waits says for whom and how to break it; taken over after a lapse on its own clock"
TRIED = (
    Tried("lease", "its holder is stopped, and goes on beside the new one", STALLS,
          "the old one ends before its next write; no line of it stands behind the new one's"),
    Tried("lease", "lost just before a write", len(WRITES), "nothing is written, exit code 75"),
    Tried("lock", "of another host or program, empty, dated ahead", len(LOCKS),
          TAKEN),
    Tried("disk", "full while weights, samples, scores or JSON are saved", len(FULL) + 1,
          "one line naming the file, nothing half-written"),
)  # fmt: skip
