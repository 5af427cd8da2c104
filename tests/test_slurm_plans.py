"""What a plan says of time and memory, and whether the states of local jobs are true."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eval.running.command import parse
from eval.running.plan import Plan
from eval.running.runner import Job as CellJob
from models.nets.shapes import shape
from slurm import neighbours
from slurm.alive import alive, written
from slurm.config import SweepConfig, parse_sweep
from slurm.devices import CPU, PEAKS, SHARE, device_of
from slurm.estimate import ANALYTIC, MEASURED, SCALED, SPREAD, TAKEN, Estimate, Estimator
from slurm.outline import describe, longest, makespan
from slurm.plan import Job, open_run
from slurm.state import State
from slurm.status import rows
from slurm.submit import with_peaks
from slurm.sweep import main

PREBUILT = Path(__file__).resolve().parent.parent / "results" / "prebuilt"


def job(name: str, *needs: str, seconds: float | None = 1.0, stage: str = "generate") -> Job:
    estimate = Estimate(seconds, "s", MEASURED, 2.0, memory=1.0, device="cpu")
    return Job(name, stage, f"do {name}", 0, needs, estimate=estimate)


DIAMOND = [
    job("a", seconds=10), job("b", "a", seconds=5), job("c", "a", seconds=20),
    job("d", "b", "c", seconds=1), job("e", seconds=30),
    job("finish", "d", "e", seconds=2, stage="finish"),
]  # fmt: skip


def test_the_longest_chain_and_what_width_makes_of_the_whole() -> None:
    assert [one.name for one in longest(DIAMOND)] == ["a", "c", "d", "finish"]
    assert makespan(DIAMOND, 1) == sum(one.estimate.seconds or 0 for one in DIAMOND) == 68
    assert makespan(DIAMOND, 2) == 38  # a, b, c and d, with e beside them
    assert makespan(DIAMOND, 9) == 33
    assert makespan([job("x", "x")], 2) == 0.0  # no plan has circles; none hangs


def test_a_plan_says_stage_by_stage_what_it_takes(tmp_path: Path) -> None:
    sweep = parse_sweep([f"out={tmp_path}", "max_parallel=2", "minutes=5", "grace=1"])
    slow = dataclasses.replace(job("slow", seconds=7200), stage="artefact")
    text = describe([*DIAMOND, slow, dataclasses.replace(job("old"), done=True)], sweep)
    lines = text.splitlines()
    assert "- old  do old  (done)" in lines
    assert any(
        line == "+ b  do b  (after a; about 5 s (2 s to 10 s), measured: s; 1.0 GiB, cpu)"
        for line in lines
    )
    assert "7 jobs to run on slurm, 1 done" in lines
    assert any(line.startswith("generate") and "66 s (33 s to 2 min)" in line for line in lines)
    assert "critical path: 2 h 00 min (60 min to 4 h 00 min): slow" in lines
    assert (
        "mem is not set: mem=2GB would do" in text and "minutes=5 is less than slow takes" in text
    )
    assert "unknown" not in text
    none = describe([dataclasses.replace(job("old"), done=True)], sweep)
    assert none.endswith("0 jobs to run on slurm, 1 done")


def test_mem_that_is_set_and_peaks_that_were_seen(tmp_path: Path) -> None:
    sweep = parse_sweep([f"out={tmp_path}", "mem=8GB"])
    assert "mem is not set" not in describe(DIAMOND, sweep)
    state = State(tmp_path / ".sweep")
    for name in ("a", "b", "c"):
        state.write_outcome(name, "failed", time.time(), "ill")
    for name, peak in (("b", '"much"'), ("c", "1e99")):
        path = state.folder / "outcome" / f"{name}.json"
        record = json.loads(path.read_text()) | {"peak_gib": json.loads(peak)}
        path.write_text(json.dumps(record))
    seen = {one.name: one.estimate for one in with_peaks(DIAMOND, state)}
    assert seen["a"].peak and 0.01 < (seen["a"].memory or 0) < 500
    assert not seen["b"].peak and not seen["c"].peak and seen["c"].memory == 1.0
    assert "GiB measured" in describe(with_peaks(DIAMOND, state), sweep)


# estimates


def fudge_run(tmp_path: Path, *more: str) -> tuple[Plan, CellJob]:
    run = open_run(["task=length", "method=fudge", f"store={tmp_path}", *more])
    return run.plan, run.jobs[0]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def test_a_training_is_measured_then_scaled_then_analytic(store: Path, tmp_path: Path) -> None:
    plan, _ = fudge_run(store)
    lm = plan.role("lm")
    ready = Estimator([PREBUILT], []).training(lm)
    assert ready.method == MEASURED and "curve of" in ready.source
    # twice as many steps of the same network take twice as long
    twice = fudge_run(store, f"lm.train.steps={2 * lm.pace['train']['steps']}")[0].role("lm")
    assert Estimator([PREBUILT], []).training(twice).seconds == pytest.approx(2 * ready.seconds)  # type: ignore[operator]
    wider = fudge_run(store, "lm.width=256", "lm.layers=6")[0].role("lm")
    scaled = Estimator([PREBUILT], []).training(wider)
    assert scaled.method == SCALED and (scaled.seconds or 0) > (ready.seconds or 0)
    assert "parameters x tokens" in scaled.source and scaled.spread == SPREAD[SCALED]
    gpu = device_of(SweepConfig(gres="gpu:h200:1"), parse([]))
    there = Estimator([PREBUILT], [], gpu).training(wider)
    assert there.method == ANALYTIC and there.device == "cuda" and there.on_device
    assert "H200, 20% of 989 TFLOP/s" in there.source
    assert (there.seconds or 0) < (scaled.seconds or 0)


def test_samples_are_measured_then_scaled_then_taken(store: Path, tmp_path: Path) -> None:
    _, cell = fudge_run(store)
    place = tmp_path / "set" / "length" / "fudge"
    place.mkdir(parents=True)
    identity = json.loads(json.dumps(cell.cell.identity))
    (place / "config.json").write_text(json.dumps({"identity": identity}))
    (place / "timing.jsonl").write_text('{"target": "x", "seconds": [0.5, 1.5]}\n')
    sets = [tmp_path / "set"]
    same = Estimator([PREBUILT], sets).sampling(cell, 10)
    assert same.method == MEASURED and same.seconds == pytest.approx(10 * cell.samples)
    other = dataclasses.replace(
        cell, cell=dataclasses.replace(cell.cell, identity={**identity, "settings": {"lam": 1.0}})
    )
    assert Estimator([PREBUILT], sets).sampling(other, 10).method == SCALED
    stranger = dataclasses.replace(
        cell, cell=dataclasses.replace(cell.cell, identity={**identity, "method": "mine"})
    )
    assert Estimator([PREBUILT], sets).sampling(stranger, 10).method == TAKEN
    # what cannot be read is passed over
    (place / "timing.jsonl").write_text('{"seconds": 3}\n')
    (tmp_path / "set" / "length" / "fudge" / "config.json").write_text("[]")
    assert Estimator([PREBUILT], sets).sampling(stranger, 10).method == TAKEN


def test_judges_that_read_take_their_time(store: Path) -> None:
    _, cell = fudge_run(store)
    bare = Estimator([], []).sampling(cell, 40)
    read = Estimator([], []).sampling(cell, 40, ["teacher", "parser", "subwords"])
    assert (read.seconds or 0) > (bare.seconds or 0)
    assert (Estimator([], []).judging(1000, ["parser"]).seconds or 0) > 20


def test_the_shipped_networks_are_predicted_within_the_stated_factor() -> None:
    """Each from the nearest other one that is no equal of it, by what its settings say."""
    known = neighbours.specs([PREBUILT])
    trained = list(neighbours.trainings(known, "cpu", 700, neighbours.WORDS))
    assert len(trained) > 30 and all(one.pace > 0 and one.shape.flops > 0 for one in trained)
    off = []
    for one in trained:
        estimator = Estimator([], [])
        rest = [t for t in trained if t.kind == one.kind and t.key != one.key]
        if rest:
            estimator.__dict__["_trained"] = rest
            pace, _, how = estimator._step(one.shape, one.kind, one.key, one.task, CPU)
            assert how == SCALED
            off.append(max(pace / one.pace, one.pace / pace))
    assert len(off) > 15
    assert sum(factor < SPREAD[SCALED] for factor in off) / len(off) > 0.9


def test_sizes_from_settings() -> None:
    paper = parse(["preset=paper", "data=x"])
    bert = shape(dataclasses.asdict(paper.diffusion), 821, 26)
    assert bert.parameters == pytest.approx(87.1e6, rel=0.05)  # README: 87,129,749
    assert bert.tokens == paper.diffusion.train.batch * paper.diffusion.length
    gpt2 = shape(dataclasses.asdict(paper.lm), 821, 26)
    assert gpt2.parameters == pytest.approx(85.7e6, rel=0.05) and gpt2.length == 28
    assert 1 < bert.training / 2**30 < 40
    assert shape({}, 10, 5).flops > 0


def test_devices() -> None:
    run = parse([])
    assert device_of(SweepConfig(gpus=0), run) is CPU
    assert device_of(SweepConfig(), parse(["device=cpu"])) is CPU
    h100 = device_of(SweepConfig(constraint="gpu&h100"), run)
    assert (h100.kind, h100.flops) == ("cuda", SHARE * PEAKS["h100"])
    assert "taken for an A100" in device_of(SweepConfig(), run).source
    # the l4 is not found in l40s, nor t4 in any other word
    assert device_of(SweepConfig(gres="gpu:l40s:2"), run).flops == SHARE * PEAKS["l40s"]
    given = device_of(SweepConfig(device_flops=1e12), run)
    assert (given.flops, given.source) == (1e12, "device_flops")


@pytest.mark.parametrize(
    ("value", "said"),
    [("-1", "at least 0"), ("fast", "device_flops=fast"), ("1e30", "at most"), ("nan", "nan")],
)
def test_device_flops_that_are_none(
    value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"device_flops={value}", "dry_run=true"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


# states


def test_processes_are_told_from_their_successors() -> None:
    me = written(os.getpid())
    assert alive(me) is True
    assert alive({**me, "born": "1"}) is False  # another process has its number now
    assert alive({**me, "host": "elsewhere"}) is None
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    record = written(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert alive(record) is False  # it has ended, although nobody has asked how
    child.wait()
    for wrong in ({}, {"pid": "1"}, {**me, "pid": -1}, {**me, "pid": 2**40}, {**me, "host": 3}):
        assert alive(wrong) is False


def test_states_of_local_jobs_are_those_of_their_processes(tmp_path: Path) -> None:
    state = State(tmp_path / ".sweep")
    sweep = parse_sweep(["cluster=local", f"out={tmp_path}"])
    names = ["runs", "died", "failed", "waits", "done"]
    jobs = [job(name) for name in names]
    jobs += [job("behind", "failed"), job("further", "behind")]
    jobs.append(job("finish", "behind", stage="finish"))
    plan = state.write_plan(sweep, jobs, "code", 0)
    found = {row.name: row for row in rows(state, {})}
    assert {row.state for row in found.values()} == {"not run"}
    state.write_process("", os.getpid(), plan.number)
    gone = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    for name, pid in (("runs", os.getpid()), ("died", gone.pid), ("failed", 1), ("done", 1)):
        state.write_process(name, pid, plan.number)
    assert {row.name: row.state for row in rows(state, {})}["died"] == "running"
    gone.kill()
    gone.wait()
    state.write_outcome("failed", "failed", time.time(), "Traceback\nOSError: full\n")
    state.write_outcome("done", "done", time.time() - 5)
    found = {row.name: row for row in rows(state, {})}
    assert {name: row.state for name, row in found.items()} == {
        "runs": "running", "died": "died", "failed": "failed", "waits": "waiting", "done": "done",
        "behind": "blocked", "further": "blocked", "finish": "waiting",
    }  # fmt: skip
    assert f"process {os.getpid()} on" in found["runs"].note and ", for " in found["runs"].note
    assert found["behind"].note == "needs failed" and "slurm.logs" in found["died"].note
    # a new sweep has not started them yet, whatever became of them in the one before
    again = state.write_plan(sweep, jobs, "code", 0)
    state.write_process("", os.getpid(), again.number)
    assert {row.state for row in rows(state, {})} == {"waiting"}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"plan": 1}', '{"plan": 1, "pid": "x"}', "\0"])
def test_records_of_processes_that_are_none(tmp_path: Path, text: str) -> None:
    state = State(tmp_path / ".sweep")
    sweep = parse_sweep(["cluster=local", f"out={tmp_path}"])
    plan = state.write_plan(sweep, [job("a")], "code", 0)
    state.write_process("a", os.getpid(), plan.number)
    for path in (state.folder / "process" / "a.json", state.folder / "scheduler.json"):
        path.write_text(text)
    assert rows(state, {})[0].state in ("died", "not run")
