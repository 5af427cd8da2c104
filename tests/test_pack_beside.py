"""The pieces of a visit, each in a process of its own: the same samples as one after another, what
fails alone, and what a stop leaves."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from eval.run import guarded
from slurm import unpack
from slurm.packing.beside import LOGS, Piece, SideBySide, pieces
from slurm.packing.config import MachineConfig
from slurm.packing.contents import read_pack
from slurm.packing.machine import main, opened
from slurm.packing.parcel import BACK, PARCEL
from slurm.packing.start import MANIFEST, WORK, unpacked
from slurm.packing.visit import Visit
from tasks.common import stop
from tests.test_pack import bare, made, on_the_machine  # noqa: F401


def visit_of(made: Path, place: Path, jobs: int = 2) -> Visit:  # noqa: F811
    shutil.copytree(made / "pack", place)
    said = read_pack(place / MANIFEST)
    unpacked(place, dict(said))
    config = MachineConfig(device="cpu", threads=1, jobs=jobs)
    return Visit(place, said, config, opened(place, said, config, {}))


def test_the_same_samples_as_one_after_another(
    made: Path,  # noqa: F811
    bare: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    both = {}
    for jobs in (1, 3):
        there = tmp_path / str(jobs) / "pack"
        shutil.copytree(made / "pack", there)
        said = on_the_machine(bare, there, "device=cpu", "threads=1", f"jobs={jobs}")
        assert "complete: bring home" in said and "missing" not in said
        # the floor and the cell wait for their network; the judge's waits for nothing
        begun = [line.split(": ")[1] for line in said.splitlines() if line.startswith("begun")]
        assert sorted(name.split("-")[0] for name in begun) == (
            [] if jobs == 1 else ["diffusion", "length/diffusion_lm", "teacher", "unconditional"]
        )
        out = tmp_path / str(jobs) / "out"
        home = ["judge=false", f"out={out}", f"store={out / 'store'}"]
        assert guarded(unpack.main, [str(there), *home]) == 0
        both[jobs] = [
            (out / name / "samples.jsonl").read_bytes()
            for name in ("unconditional", "length/diffusion_lm")
        ]
        assert any((out / "store").glob("teacher-*"))
    assert both[1] == both[3]


def test_what_waits_for_what(made: Path, tmp_path: Path) -> None:  # noqa: F811
    visit = visit_of(made, tmp_path / "pack")
    found = {piece.name.split("-")[0]: piece for piece in pieces(visit)}
    assert list(found) == ["diffusion", "unconditional", "length/diffusion_lm", "teacher"]
    network = found["diffusion"].name
    assert network in found["length/diffusion_lm"].needs and network in found["unconditional"].needs
    assert network not in found["teacher"].needs


def test_what_fails_costs_what_needs_it_alone(
    made: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    visit = visit_of(made, tmp_path / "pack")
    judge = next(piece for piece in pieces(visit) if piece.name.startswith("teacher"))
    lost = [Piece("diffusion-0123456789abcdef", ()), Piece("a", ("diffusion-0123456789abcdef",))]
    monkeypatch.setattr("slurm.packing.beside.pieces", lambda visit: [*lost, judge])
    SideBySide(visit, visit.config, ["device=cpu", "jobs=2"]).work()
    said = capsys.readouterr().out
    assert said.count("begun") == 2 and f"ended: {judge.name}" in said
    assert "unknown network or cell 'diffusion-0123456789abcdef'" in visit.failed[lost[0].name]
    assert visit.run.store.find(judge.name) is not None
    assert lost[0].name in json.loads((visit.place / BACK / PARCEL).read_text())["missing"]


def test_a_stop_leaves_nothing_running(
    made: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What runs is asked to save what it has, and goes on from there the next time."""
    visit = visit_of(made, tmp_path / "pack")
    beside = SideBySide(visit, visit.config, ["device=cpu", "jobs=2", "minutes=5"])
    log = visit.place / WORK / LOGS
    asked = stop.check

    def check() -> None:
        if log.is_dir() and any("train " in path.read_text() for path in log.iterdir()):
            raise stop.Stopped
        asked()

    monkeypatch.setattr(stop, "check", check)
    began = time.monotonic()
    with pytest.raises(stop.Stopped):
        beside.work()
    assert not beside.running and time.monotonic() - began < 60
    monkeypatch.undo()
    SideBySide(visit, visit.config, ["device=cpu", "jobs=2"]).work()
    assert not visit.failed and not visit.missing()


def test_one_piece_that_is_unknown(
    made: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    visit = visit_of(made, tmp_path / "pack")
    assert main([str(visit.place), "device=cpu", "only=length/difusion_lm"]) == 2
    said = capsys.readouterr().err
    assert "unknown network or cell 'length/difusion_lm': did you mean" in said
    assert said.count("\n") == 1 and not (visit.place / BACK).exists()
