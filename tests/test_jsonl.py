"""JSON-lines files under kills, other programs' editors, and readers beside a writer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stored import ROOT, make_set

from eval.reading.results import ResultSet
from eval.running.cells import Cell
from models.base import Sample, TargetSamples
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.common.jsonl import BLOCK, append, mend, read
from tasks.controls import Length

ROWS, SIZE, PIECES = 2000, 1500, 40


def test_reading_changes_no_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for tail in (b'{"a": "caf\xc3', b'{"a": 2', b'{"a": 2}', b"12", b"\xef"):
        data = b'{"a": 1}\n' + tail
        path.write_bytes(data)
        assert read(path) == [{"a": 1}] + [{"a": 2}] * (tail == b'{"a": 2}')
        assert path.read_bytes() == data


def test_what_other_programs_write_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n{"a": "\xe2\x80\xa8 line"}\r\n\r\n{"a": 3}')
    assert [record["a"] for record in read(path)] == [1, "\u2028 line", 3]
    path.write_bytes(b'{"a": 1}\n{"a": "caf\xe9"}\n{"a": 2}\n')
    with pytest.raises(UserError, match=r"damaged at line 2 \(not UTF-8\)"):
        read(path)


@pytest.mark.parametrize("length", [3, BLOCK - 20, BLOCK, 3 * BLOCK])
def test_mending(tmp_path: Path, length: int) -> None:
    path, first = tmp_path / "x.jsonl", {"a": "x" * length}
    mend(path)
    assert not path.exists()
    append(path, [first, {"b": "y" * length}])
    whole = path.read_bytes()
    mend(path)
    assert path.read_bytes() == whole
    os.truncate(path, len(whole) - 1)  # the newline alone is lost: nothing else may be
    mend(path)
    assert path.read_bytes() == whole
    os.truncate(path, len(whole) - 2)
    mend(path)
    assert read(path) == [first] and path.read_bytes().endswith(b"}\n")
    path.write_bytes(b'{"a"')
    mend(path)
    assert path.read_bytes() == b""


READER = """
import sys
from pathlib import Path
from tasks.common.jsonl import read
path, rows, most = Path(sys.argv[1]), int(sys.argv[2]), 0
print("ready", flush=True)
while most < rows:
    found = [record["n"] for record in read(path)]
    assert found == list(range(len(found))), "a record is missing"
    assert len(found) >= most, "a record went away"
    most = len(found)
"""


def test_two_readers_beside_a_writer_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    command = [sys.executable, "-c", READER, str(path), str(ROWS)]
    readers = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for reader in readers:
        assert reader.stdout is not None and reader.stdout.readline() == "ready\n"
    lines = [json.dumps({"n": n, "text": "x" * SIZE}) + "\n" for n in range(ROWS)]
    data = "".join(lines).encode()
    step = len(data) // PIECES + 1
    with open(path, "ab", buffering=0) as file:  # pieces end amid lines, as a large write may
        for start in range(0, len(data), step):
            file.write(data[start : start + step])
            read(path)
    assert [reader.wait(timeout=120) for reader in readers] == [0, 0]
    assert path.read_bytes() == data and len(data) > 3e6


def test_a_cell_goes_on_behind_a_torn_record(tmp_path: Path) -> None:
    def add(cell: Cell, name: str) -> None:
        cell.add(TargetSamples(name, (Sample(0, ("w",), ("w",), 1, 0.1),)))

    targets = [Target("t1", Length(1)), Target("t2", Length(1))]
    whole, torn = Cell(tmp_path / "whole", {}), Cell(tmp_path / "torn", {})
    for cell in (whole, torn):
        for target in targets:
            add(cell, target.id)
    path = torn.folder / "samples.jsonl"
    os.truncate(path, path.stat().st_size - 5)
    assert [t.id for t in torn.missing(targets)] == ["t2"]
    add(torn, "t2")
    torn.arrange(targets)
    assert path.read_bytes() == (whole.folder / "samples.jsonl").read_bytes()
    # a whole last record counts, and gets its newline from whoever may write
    os.truncate(path, path.stat().st_size - 1)
    assert torn.missing(targets) == []
    torn.arrange(targets)
    assert path.read_bytes() == (whole.folder / "samples.jsonl").read_bytes()


def test_a_read_only_set_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_set(tmp_path / "set")
    for path in folder.rglob("*.jsonl"):
        os.truncate(path, path.stat().st_size - 1)
        path.chmod(0o444)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def refuse(*_: object) -> None:
        raise PermissionError("a reader may not write")

    for name in ("truncate", "ftruncate", "replace", "unlink", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    results = ResultSet(folder)
    assert len(results.targets("length")) == 2
    assert all(len(cell.samples) == len(cell.scores) == 4 for cell in results.cells())
    assert {path: path.read_bytes() for path in before} == before
