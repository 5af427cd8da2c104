"""What several processes share on disk: leases, shards, stores that are checked."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import filelock
import pytest

from eval.running.cells import Cell, Shard, read_samples
from eval.running.store import Store
from eval.verify import Damaged, damage, main, unfinished
from models.base import Sample, TargetSamples
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.common.files import write_text
from tasks.common.lease import AGAIN, hold
from tasks.common.recipe import recipe
from tasks.controls import Length

ROOT = Path(__file__).resolve().parent.parent

HOLDER = """
import sys, time
from pathlib import Path
from tasks.common.lease import hold
with hold(Path(sys.argv[1]), lapse=float(sys.argv[2])):
    print("held", flush=True)
    time.sleep(120)
"""


def holder(path: Path, lapse: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(lapse)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time limits, in seconds, under which this process asks for leases; -1: none."""
    asked: list[float] = []

    class Noted(filelock.SoftFileLease):
        def acquire(self, timeout: float = -1, **more: Any) -> Any:  # type: ignore[override]
            asked.append(timeout)
            return super().acquire(timeout=timeout, **more)

    monkeypatch.setattr(filelock, "SoftFileLease", Noted)
    return asked


def test_a_killed_holder_is_followed_at_once(tmp_path: Path, looks: list[float]) -> None:
    """At the first look, long before its lease lapses: who waits sees that it is dead."""
    process, said = holder(tmp_path / "x", 600), list[str]()
    process.kill()
    process.wait()
    with hold(tmp_path / "x", lambda: said.append("waiting"), lapse=600):
        assert looks == [0] and said == []


def test_one_at_a_time(tmp_path: Path) -> None:
    process, said = holder(tmp_path / "x", 600), list[str]()

    def waiting() -> None:
        said.append("waiting")
        process.terminate()  # only now does the lease come free
        process.wait()

    with hold(tmp_path / "x", waiting, lapse=600):
        assert said == ["waiting"]


def test_an_empty_lease_that_nobody_touches_is_taken_over(
    tmp_path: Path, looks: list[float]
) -> None:
    """Left by a holder that died before it wrote its name, or by a program that locks otherwise.
    It has one lapse to be touched."""
    (tmp_path / "x").touch()
    said = list[str]()
    with hold(tmp_path / "x", lambda: said.append("waiting"), lapse=1):
        assert said == ["waiting"] and (tmp_path / "x").stat().st_size
    assert looks[:2] == [0, 1] and len(looks) == 3


def test_a_holder_that_was_stopped_loses_its_work_and_ends(tmp_path: Path) -> None:
    """As on another machine that hangs: it lives, but gives no sign of life."""
    process = holder(tmp_path / "x", 2)
    os.kill(process.pid, signal.SIGSTOP)
    with hold(tmp_path / "x", lapse=2):
        os.kill(process.pid, signal.SIGCONT)
        assert process.wait(30) == AGAIN
        assert process.stderr and "error: lost" in process.stderr.read()


def test_two_writers_of_one_file_leave_a_whole_one(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from eval.running.store import write_text\n"
        "for _ in range(200): write_text(Path(sys.argv[1]), sys.argv[2] * 5000)"
    )
    path = tmp_path / "file"
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path), letter], cwd=ROOT)
        for letter in "ab"
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert path.read_text() in ("a" * 5000, "b" * 5000)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "file", "\ud800")
    assert list(tmp_path.iterdir()) == []


# shards


def samples(target: str) -> TargetSamples:
    words = (f"word-{target}",)
    return TargetSamples(target, tuple(Sample(i, words, words, 1, 0.5 + i) for i in range(2)))


def test_shards_merge_into_what_one_process_writes(tmp_path: Path) -> None:
    targets = [Target(f"t{i}", Length(1)) for i in range(5)]
    whole, cell = Cell(tmp_path / "whole", {"a": 1}), Cell(tmp_path / "cell", {"a": 1})
    for target in targets:
        whole.add(samples(target.id))
    for index in (1, 0):
        part = cell.shard(Shard(index, 2))
        for target in Shard(index, 2).of(targets):
            part.add(samples(target.id))
    assert cell.missing(targets) == []
    stranger = Cell(tmp_path / "cell", {"a": 2})
    assert stranger.missing(targets) == targets  # shards of other settings do not count
    cell.arrange(targets)
    for name in ("samples.jsonl", "timing.jsonl"):
        merged, single = (folder / name for folder in (cell.folder, whole.folder))
        assert merged.read_bytes() == single.read_bytes()
    assert not (cell.folder / "shards").exists()
    assert [r["seconds"] for r in read_samples(cell.folder)] == [0.5, 1.5] * 5
    before = (cell.folder / "samples.jsonl").stat().st_mtime_ns
    cell.arrange(targets)
    assert (cell.folder / "samples.jsonl").stat().st_mtime_ns == before


def test_a_shard_torn_by_a_kill_is_filled_up(tmp_path: Path) -> None:
    targets = [Target(f"t{i}", Length(1)) for i in range(3)]
    part = Cell(tmp_path, {}).shard(Shard(0, 1))
    part.add(samples("t0"))
    part.add(samples("t1"))
    path = part.folder / "samples.jsonl"
    path.write_bytes(path.read_bytes()[:-25])
    assert [t.id for t in part.missing(targets)] == ["t1", "t2"]
    part.arrange(targets)
    for name in ("t1", "t2"):
        part.add(samples(name))
    assert part.missing(targets) == []
    assert [r["target"] for r in read_samples(part.folder)] == ["t0", "t0", "t1", "t1", "t2", "t2"]


def test_times_of_older_cells_are_read_from_their_samples(tmp_path: Path) -> None:
    line = {"target": "a", "index": 0, "words": [], "seconds": 2.5}
    (tmp_path / "samples.jsonl").write_text(json.dumps(line) + "\n")
    assert read_samples(tmp_path)[0]["seconds"] == 2.5


# eval.verify


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two artefacts of the repository."""
    ready = ROOT / "results" / "prebuilt"
    for folder in [*sorted(ready.glob("lm-*"))[:1], *sorted(ready.glob("parser-*"))[:1]]:
        shutil.copytree(folder, tmp_path / folder.name)
    assert len(list(tmp_path.iterdir())) == 2
    return tmp_path


def test_a_whole_store(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([f"store={store}"])
    assert capsys.readouterr().out == "2 artefacts are whole, 0 damages\n"


def test_every_damage_is_named(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lm, parser = sorted(store.iterdir())
    weights = lm / "weights.safetensors"
    with open(weights, "r+b") as file:  # one bit
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    (parser / "extra.pkl").write_bytes(b"\x80")
    building = store / ".building-lm-0"
    building.mkdir()
    (building / "checkpoint.safetensors").write_bytes(b"short")
    with pytest.raises(Damaged):
        main([f"store={store}"])
    found = capsys.readouterr().out
    assert f"{weights} is damaged" in found
    assert f"{parser / 'extra.pkl'} is not part of the artefact" in found
    assert "training will start afresh" in found
    assert found.endswith("0 artefacts are whole, 3 damages\n")
    assert list(unfinished(store)) == []
    with pytest.raises(UserError, match="is damaged"):
        Store(store).find(lm.name)
    assert Store(store, check=False).find(lm.name) == lm


def test_a_spec_under_another_name(store: Path) -> None:
    lm = next(store.glob("lm-*"))
    moved = lm.rename(store / "lm-0000000000000000")
    assert list(damage(moved)) == [f"{moved / 'spec.json'} is that of {lm.name}"]


def test_verify_is_a_command_with_an_exit_code(store: Path) -> None:
    next(store.glob("lm-*/digests.json")).write_text("{")
    command = [sys.executable, "-m", "eval.verify", f"store={store}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "is damaged" in done.stdout


def test_no_weights_are_pickled(tmp_path: Path) -> None:
    """Every file of every artefact of the repository is safetensors or JSON (or gzipped JSON)."""
    files = [p for p in (ROOT / "results" / "prebuilt").glob("*-*/**/*") if p.is_file()]
    kinds = {Path(path.name.removesuffix(".gz")).suffix for path in files}
    assert kinds <= {".safetensors", ".json", ".jsonl"}
    assert all(path.name.endswith(".json.gz") for path in files if path.suffix == ".gz")


def test_an_artefact_is_built_once_by_many(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = f"""
import time
from contextlib import contextmanager
from pathlib import Path
from eval.running.store import Store
from tasks.common.recipe import recipe
from tasks.common.progress import silent
def build(folder, deps, progress):
    with open({str(log)!r}, "a") as f: f.write("x")
    time.sleep(0.3)
    (folder / "out").write_text("y")
@contextmanager
def quiet(part): yield silent
Store(Path({str(tmp_path / "store")!r})).resolve(recipe("n", "net", build, {{}}), quiet)
"""
    running = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    assert log.read_text() == "x"
    key = recipe("n", "net", lambda folder, deps, progress: None, {}).key
    assert json.loads((tmp_path / "store" / key / "digests.json").read_text()).keys() == {"out"}
