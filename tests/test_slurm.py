"""The scheduler without a cluster: keys, plans, slots, what is stored, and runs on this machine."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_runner import TOY, write_corpus

from eval.run import guarded
from eval.run import main as run_main
from eval.running.cells import Shard
from slurm import bench, estimate
from slurm.cluster import Queued, Slots, arrays, label, outside_any_job, parameters
from slurm.config import SweepConfig, parse_sweep
from slurm.estimate import Estimate
from slurm.local import Scheduler, threads_each
from slurm.plan import Job, open_run
from slurm.state import State, Submitted
from slurm.status import rows
from slurm.supervise import Task, Worker, _ended
from slurm.sweep import main
from slurm.version import code_digest, same_code
from slurm.worker import reason
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import Length

ROOT = Path(__file__).resolve().parent.parent


def job(name: str, *needs: str, stage: str = "generate", done: bool = False) -> Job:
    return Job(name, stage, f"do {name}", 0, needs, done)


# keys


def test_keys_of_the_sweep_and_of_the_run_are_told_apart(tmp_path: Path) -> None:
    sweep = parse_sweep(["task=length", "partition=gpu", "gpus=2", "targets=3", "out=r/x"])
    assert sweep.runs == (("task=length", "targets=3", "out=r/x"),)
    assert (sweep.config.partition, sweep.config.gpus) == ("gpu", 2)
    assert sweep.folder == Path("r/x/.sweep")


def test_seeds_are_result_sets_of_their_own() -> None:
    sweep = parse_sweep(["task=length", "seeds=3,5", "out=r/x"])
    assert sweep.runs == (
        ("task=length", "seed=3", "out=r/x/seed-3"),
        ("task=length", "seed=5", "out=r/x/seed-5"),
    )


def test_a_profile_gives_defaults_and_the_command_line_wins(tmp_path: Path) -> None:
    profile = tmp_path / "site.yaml"
    profile.write_text("partition: gpu\ngpus: 4\nsetup:\n  - module load cuda\n  - echo a, b\n")
    config = parse_sweep([f"profile={profile}", "gpus=2"]).config
    assert (config.partition, config.gpus) == ("gpu", 2)
    assert config.setup == ["module load cuda", "echo a, b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["partitoin=gpu"], "unknown key 'partitoin': did you mean 'partition'"),
        (["cluster=slrum"], "expected one of"),
        (["max_parallel=0"], "max_parallel=0: at least 1"),
        (["seed=1", "seeds=1,2"], "give seed= or seeds=, not both"),
        (["seeds=one"], "seeds=one: numbers"),
        (["profile=nowhere.yaml"], "cannot read profile nowhere.yaml"),
        (["task=lenght"], "unknown task 'lenght'"),
        (["diffusion.network.layer=3"], "did you mean 'diffusion.network.layers'"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    found = capsys.readouterr().err
    assert message in found and found.count("\n") == 1


def test_a_profile_with_an_unknown_key(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("partion: gpu")
    with pytest.raises(UserError, match="did you mean 'partition'"):
        parse_sweep([f"profile={tmp_path / 'p.yaml'}"])


def test_help_lists_every_key_and_needs_no_torch() -> None:
    code = (
        "import sys; from slurm.sweep import main; c = main(['--help', 'all']); "
        "assert 'torch' not in sys.modules and 'submitit' not in sys.modules; sys.exit(c)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for field in dataclasses.fields(SweepConfig):
        assert f"  {field.name} (" in done.stdout
    assert "  diffusion.network.layers (int)" in done.stdout


# shards, slots, resources


@pytest.mark.parametrize(("targets", "count"), [(7, 3), (6, 3), (2, 2), (5, 1)])
def test_shards_split_the_targets_in_order(targets: int, count: int) -> None:
    all_targets = [Target(str(i), Length(1)) for i in range(targets)]
    parts = [list(Shard(i, count).of(all_targets)) for i in range(count)]
    assert [t for part in parts for t in part] == all_targets
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_never_more_arrays_than_slots() -> None:
    """Simulated: every array runs for as long as it says, once those it waits for have ended."""
    slots, ends, spans = Slots(3), dict[str, float](), list[tuple[float, float, int]]()
    for number, (count, load) in enumerate([(2, 5.0), (1, 3.0), (4, 2.0), (1, 1.0), (1, 9.0)]):
        width, chosen, before = slots.take(count, load)
        start = max((ends[name] for name in before), default=0.0)
        ends[str(number)] = start + load * -(-count // width)
        spans.append((start, ends[str(number)], width))
        slots.hold(chosen, str(number))
    for moment in {start for start, _, _ in spans}:
        assert sum(width for a, b, width in spans if a <= moment < b) <= 3
    # the fourth need not wait for all of the third's: it takes a slot that is free by then
    assert max(ends.values()) < sum(end - start for start, end, _ in spans)


def test_jobs_with_equal_needs_are_one_array_unless_it_grows_too_long() -> None:
    jobs = [job("a"), job("b"), job("c", "a"), *(job(str(i)) for i in range(1001))]
    assert [len(part) for part in arrays(jobs)] == [2, 1, 1000, 1]
    assert [one for part in arrays(jobs) for one in part] == jobs


def test_the_queue_names_an_array_by_what_its_jobs_share() -> None:
    assert label([job("unconditional")]) == "unconditional"
    assert label([job("length/fudge/0of2"), job("length/fudge/1of2")]) == "length/fudge"
    assert label([job("length/fudge"), job("length/ft_sample")]) == "length"
    mixed = [job("unconditional"), job("length/fudge")]
    assert label(mixed) == mixed[0].stage == "generate"


def test_resources_of_training_and_of_other_jobs() -> None:
    config = SweepConfig(gpus=4, partition="p", mem="8GB", setup=["module load x"])
    training = Job("diffusion-0", "artefact", "", 0, key="diffusion-0", parallel=True)
    small = Job("discriminator-0", "artefact", "", 0, key="discriminator-0")
    assert parameters(config, training)["gpus_per_node"] == 4
    assert parameters(config, small)["gpus_per_node"] == 1
    other = parameters(config, job("x"))
    assert other["gpus_per_node"] == 1
    assert (other["partition"], other["mem"], other["setup"]) == ("p", "8GB", ["module load x"])
    assert "account" not in other
    assert other["additional_parameters"] == {"requeue": True, "kill-on-invalid-dep": "yes"}
    assert "gpus_per_node" not in parameters(SweepConfig(gres="gpu:h200:1"), job("x"))
    assert "gpus_per_node" not in parameters(SweepConfig(gpus=0), job("x"))


def test_a_job_submitted_from_a_job_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "5")
    monkeypatch.setenv("SLURM_CONF", "/x")
    with outside_any_job():
        assert "SLURM_ARRAY_JOB_ID" not in os.environ and os.environ["SLURM_CONF"] == "/x"
    assert os.environ["SLURM_ARRAY_JOB_ID"] == "5"


# order and failure, without any process


def plan_of(folder: Path, jobs: list[Job], retries: int = 1):  # type: ignore[no-untyped-def]
    sweep = parse_sweep([f"retries={retries}", "cluster=local", f"out={folder}"])
    return State(folder / ".sweep").write_plan(sweep, jobs, "code", 0)


def run_through(schedule: Scheduler, codes: dict[str, list[int]]) -> list[str]:
    order = []
    while ready := schedule.ready():
        schedule.start(ready[0])
        order.append(ready[0].name)
        schedule.end(ready[0], codes.get(ready[0].name, [0]).pop(0))
    return order


def test_a_failed_branch_does_not_stop_the_others(tmp_path: Path) -> None:
    jobs = [job("a"), job("b", "a"), job("c", "b"), job("d"), job("e", "d")]
    jobs.append(job("finish", "c", "e", stage="finish"))
    schedule = Scheduler(plan_of(tmp_path, jobs), lambda line: None)
    order = run_through(schedule, {"b": [1, 1]})
    assert sorted(order[:-1]) == ["a", "b", "b", "d", "e"] and order[-1] == "finish"
    assert schedule.failed == {"b", "c"}


def test_a_failed_job_is_tried_again_and_a_mistake_is_not(tmp_path: Path) -> None:
    jobs = [job("a"), job("b"), job("c", done=True), job("d", "c")]
    schedule = Scheduler(plan_of(tmp_path, jobs, retries=2), lambda line: None)
    order = run_through(schedule, {"a": [1, -9, 0], "b": [2]})
    assert sorted(order) == ["a", "a", "a", "b", "d"]
    assert schedule.failed == {"b"}


def test_why_a_cell_is_missing(tmp_path: Path) -> None:
    state = State(tmp_path)
    jobs = [
        Job("net", "artefact", "train the net", 0),
        Job("length/m/0-of-1", "generate", "", 0, ("net",), task="length", method="m"),
    ]

    class Cell:
        task, method = "length", "m"

    assert reason(state, jobs, Cell()) == "its jobs have not finished"  # type: ignore[arg-type]
    state.write_outcome("net", "failed", time.time(), "Traceback\n  x\nValueError: too small\n")
    found = reason(state, jobs, Cell())  # type: ignore[arg-type]
    assert found == "train the net failed (ValueError: too small)"


# what is stored


def test_a_plan_is_read_back_as_it_was(tmp_path: Path) -> None:
    shard = Job("a/b", "generate", "t", 0, ("x",), False, Estimate(3.5, "y"), shard=Shard(1, 2))
    plan = plan_of(tmp_path, [job("x"), shard])
    assert State(tmp_path / ".sweep").latest() == plan
    with pytest.raises(UserError, match="holds no sweep"):
        State(tmp_path / "other" / ".sweep").latest()


def test_states_of_jobs(tmp_path: Path) -> None:
    sweep = parse_sweep([f"out={tmp_path}"])
    state = State(sweep.folder)
    names = ["done", "old", "waits", "died", "failed"]
    state.write_plan(sweep, [job(name, done=name == "old") for name in names], "code", 0)
    state.add([Submitted(n, str(i), 1, 0.0) for i, n in enumerate(names) if n != "old"])
    state.write_outcome("done", "done", time.time() - 5)
    state.write_outcome("failed", "failed", time.time(), "Traceback\nOSError: full\n")
    found = {row.name: row for row in rows(state, {"2": Queued("PENDING", "", "Dependency")})}
    assert {name: row.state for name, row in found.items()} == {
        "done": "done",
        "old": "done",
        "waits": "pending",
        "died": "died",
        "failed": "failed",
    }
    assert found["failed"].note == "OSError: full"
    assert found["waits"].note == "Dependency"


def test_other_code_stops_a_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same_code(code_digest())
    plan = plan_of(tmp_path, [job("x")])
    assert plan.code == "code"
    done = subprocess.run(
        [sys.executable, "-m", "slurm.worker", str(tmp_path / ".sweep"), "1", "x"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "the code has changed since this sweep was planned (then code, now" in done.stderr
    assert "the code has changed" in State(tmp_path / ".sweep").outcome("x")["error"]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that knows the corpus: the first plan in a store reads it."""
    store = tmp_path_factory.mktemp("store")
    assert open_run(["task=length", f"store={store}"]).plan.role("corpus").key
    return store


def test_pace_from_curves_and_from_benchmarks(known: Path, tmp_path: Path) -> None:
    run = open_run(["task=length", "method=fudge", f"store={known}"])
    lm = run.plan.role("lm")
    empty = estimate.Estimator([tmp_path], []).training(lm)
    assert empty.method == estimate.SCALED and "bench-" in empty.source
    folder = tmp_path / "lm-other"
    folder.mkdir()
    config = dict(lm.spec.config, seed=9)
    (folder / "spec.json").write_text(json.dumps({"kind": "lm", "config": config}))
    (folder / "curve.jsonl").write_text('{"step": 100.0, "seconds": 25.0}\n')
    found = estimate.Estimator([tmp_path], []).training(lm)
    assert found.seconds == pytest.approx(0.25 * lm.spec.config["train"]["steps"])
    assert str(folder) in found.source and found.method == estimate.MEASURED


def test_a_sweep_can_be_planned_before_anything_exists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["task=length", "method=ft_sample", f"store={tmp_path / 'new'}", "prebuilt="]
    assert main([*line, f"out={tmp_path / 'out'}", "cluster=local", "dry_run=true"]) == 0
    printed = capsys.readouterr().out
    assert "train the language model  (now; about " in printed and "unknown" not in printed
    assert "critical path: " in printed and "total: " in printed


def test_jobs_of_one_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert [threads_each(4, at_once) for at_once in (1, 2, 3, 16)] == [4, 4, 2, 1]


# the supervisor


def test_a_killed_worker_is_started_again_and_a_stopped_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is replaced by a shell line that counts its starts."""
    count = tmp_path / "count"
    line = f"echo x >> {count}; [ $(wc -l < {count}) -ge 3 ] || kill -9 $$"

    def start(self: Worker, *_: object, **__: object) -> None:
        self.parts = [subprocess.Popen(["bash", "-c", line])]

    monkeypatch.setattr(Worker, "__init__", start)
    task = Task(tmp_path, 1, "x", ".", retries=2, processes=1, cpus=1, patience=1)
    assert task() == "done"
    assert count.read_text() == "x\n" * 3
    line = "exit 75"
    with pytest.raises(RuntimeError, match="was asked to stop"):
        task()
    line = "kill -9 $$"
    with pytest.raises(RuntimeError, match="signal 9"):
        task()


def test_stopping_waits_for_the_worker() -> None:
    worker = Worker.__new__(Worker)
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGUSR2, lambda *_: (time.sleep(0.3), sys.exit(75)))\n"
        "print('up', flush=True)\nwhile True: time.sleep(0.01)"
    )
    worker.parts = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)]
    assert worker.parts[0].stdout and worker.parts[0].stdout.readline() == b"up\n"
    worker.stop(patience=20)
    assert _ended(worker.parts[0].pid)
    assert worker.poll() == 75
    worker.signal(signal.SIGTERM)  # to one that has ended: nothing


# whole sweeps on this machine


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A finished plain run, and the arguments that name its corpus and store."""
    root = tmp_path_factory.mktemp("toy")
    write_corpus(root / "data")
    keys = [*TOY, f"data={root / 'data'}", f"store={root / 'store'}"]
    assert run_main([*keys, f"out={root / 'plain'}"]) == 0
    return root, keys


def equal(one: Path, other: Path) -> None:
    for name in ("samples", "annotations", "scores"):
        file = f"length/diffusion_lm/{name}.jsonl"
        assert (one / file).read_bytes() == (other / file).read_bytes(), file
    assert (one / "table.md").read_bytes() == (other / "table.md").read_bytes()
    said = [json.loads((folder / "run.json").read_text("utf-8")) for folder in (one, other)]
    for name in ("tasks", "methods", "refused", "artefacts", "judges"):
        assert said[0][name] == said[1][name], name


def test_shards_in_this_process_give_the_plain_run(
    toy: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    root, keys = toy
    out = root / "here"
    command = [*keys, f"out={out}", "cluster=debug", "shards=3"]
    assert main([*command, "dry_run=true"]) == 0
    found = capsys.readouterr().out
    assert "+ length/diffusion_lm/2-of-3" in found and "- diffusion-" in found
    assert not out.exists()
    assert main(command) == 0
    equal(out, root / "plain")
    assert not (out / "length" / "diffusion_lm" / "shards").exists()
    capsys.readouterr()
    assert main(command) == 0
    found = capsys.readouterr().out
    assert "0 jobs to run on debug" in found and "start" not in found


def test_what_scheduling_costs_is_measured_on_equal_samples(
    toy: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root, keys = toy
    out = root / "bench"
    command = [*keys, f"out={out}", "cluster=local", "max_parallel=2", "gpus=0"]
    assert guarded(bench.main, command) == 0
    found = json.loads((out / "bench.json").read_text())
    assert found["cells"] == 2 and found["by_hand_seconds"] > 0 and found["sweep_seconds"] > 0
    equal(out / "hand", out / "sweep")
    capsys.readouterr()
    assert guarded(bench.main, command) == 2
    assert "exists already" in capsys.readouterr().err
    empty = [k for k in keys if not k.startswith("store=")]
    empty += [f"store={tmp_path}", f"out={tmp_path / 'out'}"]
    assert guarded(bench.main, empty) == 2
    assert "artefacts are not there yet" in capsys.readouterr().err


def test_a_plain_run_goes_on_from_shards(toy: tuple[Path, list[str]]) -> None:
    root, keys = toy
    out = root / "half"
    run = open_run([*keys, f"out={out}"])
    run.perform(run.choosing("length"))
    run.perform(run.generation(run.jobs[0], Shard(1, 2)))
    targets = run.lists.stored("length")
    assert [t.id for t in run.missing(run.jobs[0])] == [t.id for t in targets[:3]]
    assert run_main([*keys, f"out={out}"]) == 0
    equal(out, root / "plain")


def test_processes_on_this_machine(
    toy: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    root, keys = toy
    out = root / "local"
    command = [*keys, f"out={out}", "cluster=local", "gpus=0", "cpus=1", "max_parallel=2"]
    assert main(command) == 0
    equal(out, root / "plain")
    state = State(out / ".sweep")
    assert state.outcome("finish")["state"] == "done" and state.outcome("finish")["peak_gib"] > 0
    printed = capsys.readouterr().out
    assert f"samples, scores and table: {out}/  (table.md, table.json)" in printed
    assert "human text" in printed and printed.rstrip().endswith(f"complete: {out}/")
    assert {row.state for row in rows(state, {})} == {"done"}


def test_a_sweep_whose_methods_need_no_floor_is_judged(tmp_path: Path) -> None:
    keys = ["task=length", "method=ft_sample", "targets=2", "samples=2", "threads=1"]
    keys.append(f"store={tmp_path / 'store'}")
    assert run_main([*keys, f"out={tmp_path / 'plain'}"]) == 0
    assert main([*keys, f"out={tmp_path / 'swept'}", "cluster=debug", "shards=2"]) == 0
    for name in ("length/ft_sample/samples.jsonl", "length/ft_sample/scores.jsonl", "table.md"):
        assert (tmp_path / "swept" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    assert not (tmp_path / "swept" / "unconditional").exists()


def test_two_hundred_cells_plan_without_reading_what_is_there(
    known: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Which is what makes it a matter of seconds. The artefacts exist (with the repository), the
    cells do not; the corpus's digest is known."""
    read: list[str] = []

    def noted(module: str, name: str) -> None:
        whole = getattr(importlib.import_module(module), name)

        def call(*args: Any, **more: Any) -> Any:
            read.append(name)
            return whole(*args, **more)

        monkeypatch.setattr(f"{module}.{name}", call)

    noted("eval.running.store", "verify")
    noted("eval.running.store", "file_digest")
    noted("eval.running.inputs", "load_corpus")
    keys = ["task=length,syntax_spans", "method=diffusion_lm,fudge,ft_sample,ft_search"]
    seeds = ",".join(map(str, range(25)))
    command = [*keys, f"seeds={seeds}", f"store={known}", f"out={tmp_path / 'r'}", "dry_run=true"]
    assert main(command) == 0
    assert read == []
    printed = capsys.readouterr().out.splitlines()
    lines = [line for line in printed if " under " in line and "generate" in line]
    assert len(lines) == 200
    # cells whose networks exist wait for nothing: one array, in which no slot stays empty
    assert all("(now" in line for line in lines)
    assert not (tmp_path / "r").exists()
