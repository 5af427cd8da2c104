"""Plans of a visit: trainings that fit into their minutes, and the speed measured in what is left.
What is not done in time is left out, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from eval.run import guarded
from eval.running.command import parse
from slurm import pack, unpack
from slurm.packing import fitting, speed
from slurm.packing.config import MachineConfig, PackConfig, minutes_of
from slurm.packing.machine import opened
from slurm.packing.parcel import BACK, PARCEL
from slurm.packing.start import MANIFEST, WORK
from slurm.packing.visit import Visit
from tasks.common import stop
from tasks.common.errors import UserError
from tests.test_pack import bare, made, on_the_machine, packed  # noqa: F401


@pytest.mark.parametrize(
    ("minutes", "pace", "most", "steps"),
    [
        (7, 0.006, 200_000, 63_000),  # 7 min and nine tenths of 70,000 steps
        (7, 0.0011, 200_000, 200_000),  # no more than were asked for
        (1, 0.1, 4_000, 540),
        (0.00001, 5.0, 40, 1),  # never none
    ],
)
def test_steps_that_fit(minutes: float, pace: float, most: int, steps: int) -> None:
    assert fitting.steps_within(minutes, pace, most) == steps


def test_a_shorter_training_keeps_the_share_of_its_average() -> None:
    config = parse(["preset=paper", "task=length", "method=diffusion_lm"])
    found = fitting.shorter(config, "diffusion", 50_000)
    assert found == {"diffusion.train.steps": "50000", "diffusion.train.ema": "0.9996"}
    assert fitting.shorter(config, "diffusion", 200_000) == {}
    small = parse(["preset=small", "corpus=e2e", "task=length", "method=diffusion_lm"])
    assert fitting.shorter(small, "diffusion", 400)["diffusion.train.warmup"] == "200"
    # what is typed is what is read
    again = parse(["preset=paper", "task=length", "method=diffusion_lm",
                   *(f"{name}={value}" for name, value in found.items())])  # fmt: skip
    assert again.diffusion.train == config.diffusion.train.lasting(50_000)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("fit=diffusion", "fit=diffusion: networks with minutes above 0, as diffusion:7"),
        ("fit=diffusion:0", "minutes above 0"),
        ("fit=diffusion:nan", "minutes above 0"),
        ("fit=a:1,a:2", "a is named twice"),
        ("fit=difusion:7", "unknown network of fit= 'difusion': did you mean 'diffusion'"),
        ("bench=all;ls", "bench=all;ls: names of methods"),
        ("bench=fugde", "unknown method 'fugde': did you mean 'fudge'"),
    ],
)
def test_what_is_no_plan(
    given: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pack"
    assert guarded(pack.main, ["task=length", "method=diffusion_lm", f"out={out}", given]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said and said.count("\n") == 1, said
    assert not list(tmp_path.iterdir())
    if not given.startswith(("fit=dif", "bench=fu")):
        name, _, value = given.partition("=")
        with pytest.raises(UserError):
            MachineConfig(**{name: value})


def test_minutes() -> None:
    assert minutes_of("") == {}
    assert minutes_of("diffusion:7,classifier:0.5") == {"diffusion": 7.0, "classifier": 0.5}


def test_what_was_chosen_is_kept_to(tmp_path: Path) -> None:
    config = parse(["task=length", "method=diffusion_lm"])
    chosen = {"diffusion.train.steps": "9"}
    (tmp_path / fitting.CHOSEN).write_text(json.dumps(chosen))
    assert fitting.chosen(tmp_path, config, "diffusion:7", print) == chosen
    (tmp_path / fitting.CHOSEN).write_text('{"seed": "9"}')
    with pytest.raises(UserError, match="'seed' is no setting of a training"):
        fitting.chosen(tmp_path, config, "diffusion:7", print)


def test_a_pace_that_cannot_be_measured_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps of the pack are tried; asked to stop, it stops."""
    from eval.studies.bench import Bench

    def broken(self: Any, role: str) -> Path:
        raise RuntimeError("out of memory")

    def stopped(self: Any, role: str) -> Path:
        raise stop.Stopped("the time is over")

    config, said = parse(["task=length", "method=diffusion_lm"]), list[str]()
    monkeypatch.setattr(Bench, "build", stopped)
    with pytest.raises(stop.Stopped):
        fitting.chosen(tmp_path, config, "diffusion:7", said.append)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(Bench, "build", broken)
    assert fitting.chosen(tmp_path, config, "diffusion:7", said.append) == {}
    assert said == [
        "diffusion: its pace cannot be measured (out of memory)",
        f"diffusion: its pace is not known, all {config.diffusion.train.steps} steps are tried",
    ]


def test_every_network_of_a_plan_has_its_pace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those too of which a run has several, one for each kind of control."""
    from eval.studies.bench import Bench

    def built(self: Any, role: str) -> Path:
        kind = self.plan.role(role, self.task.name).spec.kind
        self.figures[f"train {kind}"] = {"seconds a step": 2.0 if kind == "diffusion" else 0.5}
        return tmp_path

    monkeypatch.setattr(Bench, "build", built)
    given = ["preset=paper", "task=syntax_spans,length", "method=diffusion_lm"]
    found = fitting.chosen(tmp_path, parse(given), "diffusion:5,classifier:1", print)
    assert found["diffusion.train.steps"] == "135" and found["classifier.train.steps"] == "108"


def test_defaults_of_the_script(tmp_path: Path) -> None:
    from slurm.packing.making import _defaults

    lines = _defaults(PackConfig(minutes=9, fit="diffusion:7", bench="all")).splitlines()
    assert [line.split('"')[-4] for line in lines] == ["minutes=9", "fit=diffusion:7", "bench=all"]
    assert len(_defaults(PackConfig()).splitlines()) == 1


def test_what_is_measured_stays_when_the_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eval.studies.bench import Bench

    def run(self: Any, compare: bool) -> None:
        self.note("train x", steps=1.0)
        if not self.config.floor:
            raise stop.Stopped("the time is over")
        self.figures[speed.LAST] = 1.0

    monkeypatch.setattr(Bench, "run", run)
    config = speed.benched(["task=length", "method=fudge", "floor=3"], "diffusion_lm")
    assert config is not None and config.methods == ["diffusion_lm"] and not config.floor
    path = tmp_path / "bench.json"
    with pytest.raises(stop.Stopped):
        speed.measure(config, path, every=False)
    assert json.loads(path.read_text())["train x"] == {"steps": 1.0}
    assert not speed.complete(path)
    speed.measure(config.having(floor=1), path, every=False)
    assert speed.complete(path)


def test_a_planned_visit(made: Path, bare: Path, tmp_path: Path) -> None:  # noqa: F811
    """Where nothing else is: fewer steps, as fit; the speed of a method; all of it comes home."""
    there = tmp_path / "machine" / "pack"
    shutil.copytree(made / "pack", there)
    plan = ["device=cpu", "threads=1", "fit=diffusion:0.00001", "bench=diffusion_lm"]
    said = on_the_machine(bare, there, *plan)
    assert "diffusion: 1 of 40 steps fit into 1e-05 min" in said
    assert "complete: bring home" in said and "missing" not in said
    parcel = json.loads((there / BACK / PARCEL).read_text())
    assert parcel["settings"]["diffusion.train.steps"] == "1"
    # the next visit keeps to it, and measures nothing again
    said = on_the_machine(bare, there, *plan[:2], "fit=diffusion:9", plan[3])
    assert "complete" in said and "fit into" not in said and "decode" not in said
    out = tmp_path / "out"
    assert guarded(unpack.main, [str(there), f"out={out}"]) == 0
    (curve,) = (out / "machine").glob("diffusion-*/curve.jsonl")
    assert json.loads(curve.read_text().splitlines()[-1])["step"] == 1
    cell = json.loads((out / "length" / "diffusion_lm" / "config.json").read_text())
    assert cell["config"]["diffusion"]["train"]["steps"] == 1
    figures = json.loads((out / "machine" / speed.BENCH).read_text())
    assert figures["decode diffusion_lm"]["samples/s"] > 0 and speed.LAST in figures


def test_what_is_trained_there_is_what_the_pack_says(
    made: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    from slurm.packing.contents import read_pack
    from slurm.packing.start import unpacked

    there = tmp_path / "pack"
    shutil.copytree(made / "pack", there)
    said = read_pack(there / MANIFEST)
    assert unpacked(there, dict(said)) == there / WORK
    config = MachineConfig(device="cpu", threads=1)
    visit = Visit(there, said, config, opened(there, said, config, {}))
    assert set(visit.trained) == set(said["trained"])

    def fails() -> None:
        raise RuntimeError("no such card")

    # a part that fails is noted, and the rest goes on
    assert not visit.attempt("bench", fails)
    assert visit.missing()["bench"] == "RuntimeError: no such card"
