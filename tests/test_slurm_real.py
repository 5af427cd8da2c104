"""The scheduler on a real Slurm: two virtual nodes brought up on this machine by ``.ci/slurm``.

Every test ends with the same comparison: samples, annotations, scores and table equal, byte for
byte, what ``eval.run`` makes of the same settings without any scheduler and disturbed by nothing.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_runner import TOY, write_corpus

from eval.run import main as run_main
from slurm.state import State
from slurm.sweep import main as sweep_main

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / ".ci" / "slurm"
CLUSTER = ["partition=main", "gpus=0", "cpus=1", "mem=1GB", "minutes=20", "max_parallel=6"]
CLUSTER += ["retries=0"]
#: seconds that any one thing may take on a slow machine
LONG = 300.0

pytestmark = pytest.mark.skipif(
    not (shutil.which("slurmctld") and shutil.which("munged") and os.geteuid() == 0),
    reason="needs Slurm's daemons (.ci/slurm install) and root",
)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    # not pytest's own folder: the path of a Slurm socket may have 108 characters
    folder = Path(tempfile.mkdtemp(prefix="sl", dir="/tmp"))
    subprocess.run([SCRIPT, "up", folder], check=True, stdout=subprocess.DEVNULL)
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    try:
        yield
    finally:
        subprocess.run([SCRIPT, "down", folder], check=True)
        os.environ.pop("SLURM_CONF")
        if before is not None:
            os.environ["SLURM_CONF"] = before
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def empty_queue(cluster: None) -> Iterator[None]:
    """A test that failed leaves its jobs to nobody."""
    yield
    if squeue():
        subprocess.run(["scancel", "--me"], check=True)
        drained()


class Bench:
    """One sweep's folders, and ways to disturb it. ``keys``: the arguments of ``eval.run``."""

    def __init__(self, root: Path, data: Path, steps: int = 700) -> None:
        self.out, self.store = root / "out", root / "store"
        # a checkpoint file within a second shows that training is under way
        slow = [f"diffusion.train.steps={steps}", "diffusion.train.checkpoint=0.3"]
        toy = [one for one in TOY if one.split("=")[0] not in {s.split("=")[0] for s in slow}]
        toy = [one for one in toy if not one.startswith(("samples=", "diffusion_lm.sampling"))]
        more = [f"data={data}", "samples=6", "diffusion_lm.sampling.steps=40"]
        self.keys = [*toy, *slow, *more, f"store={self.store}"]
        self.cell = self.out / "length" / "diffusion_lm"

    def sweep(self, *more: str, out: Path | None = None) -> int:
        names = {one.split("=")[0] for one in more}
        settings = [o for o in (*self.keys, *CLUSTER) if o.split("=")[0] not in names]
        return sweep_main([*settings, f"out={out or self.out}", *more])

    def checkpoint(self) -> list[Path]:
        return list(self.store.glob(".building-diffusion-*/checkpoint.safetensors"))

    def samples(self) -> int:
        files = self.cell.glob("shards/*/*/samples.jsonl")
        return sum(path.read_text().count("\n") for path in files)

    def logs(self) -> str:
        return "".join(p.read_text() for p in (self.out / ".sweep" / "logs").glob("*.out"))

    def running(self, name: str) -> list[str]:
        """SLURM's numbers of the running jobs whose names start like this."""
        sent = State(self.out / ".sweep").submitted()
        names = {job.id: job.name for job in sent if job.name.startswith(name)}
        lines = [line.split("|") for line in squeue("-o", "%i|%T")]
        return [number for number, state in lines if number in names and state == "RUNNING"]

    def job(self, name: str) -> str:
        """SLURM's number of the running job whose name starts like this."""
        (found,) = self.running(name)
        return found


def squeue(*more: str) -> list[str]:
    command = ["timeout", "20", "squeue", "-h", "-r", *more]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def until(what: Callable[[], object], why: str = "") -> None:
    deadline = time.monotonic() + LONG
    while not what():
        assert time.monotonic() < deadline, why or "waited too long"
        time.sleep(0.05)


def drained() -> None:
    until(lambda: not squeue(), f"jobs are left: {squeue()}")


def control(*command: str) -> None:
    subprocess.run(["timeout", "20", *command], check=True)


def urgent() -> None:
    """A short job of the partition that preempts, on both nodes."""
    wanted = ["--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null"]
    subprocess.run(["sbatch", *wanted, "--wrap=sleep 1"], check=True, stdout=subprocess.DEVNULL)


def same(one: Path, other: Path) -> None:
    """What both result sets hold is equal, byte for byte."""
    names = ["samples.jsonl", "annotations.jsonl", "scores.jsonl", "targets.jsonl", "table.md"]
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.name in names)
    assert len(files) >= 5
    assert files == sorted(p.relative_to(other) for p in other.rglob("*") if p.name in names)
    for file in files:
        assert (one / file).read_bytes() == (other / file).read_bytes(), file


def complete(bench: Bench, reference: Bench) -> None:
    """The results equal the undisturbed ones, and nothing of the way there is left over."""
    same(bench.out, reference.out)
    networks = [
        json.loads(next(b.store.glob("diffusion-*/digests.json")).read_text())
        for b in (bench, reference)
    ]
    assert networks[0]["weights.safetensors"] == networks[1]["weights.safetensors"]
    scraps = [bench.store.glob(".building-*"), bench.out.rglob("shards"), bench.out.rglob("*.part")]
    assert not any(map(list, scraps))
    samples = [json.loads(x) for x in (bench.cell / "samples.jsonl").read_text().splitlines()]
    assert len({(s["target"], s["index"]) for s in samples}) == len(samples) == 36
    assert bench.sweep("wait=true") == 0  # and there is nothing left to do


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    root = tmp_path_factory.mktemp("reference")
    write_corpus(root / "data")
    bench = Bench(root, root / "data")
    assert run_main([*bench.keys, f"out={bench.out}"]) == 0
    return bench


@pytest.fixture
def bench(reference: Bench, tmp_path: Path) -> Bench:
    """A fresh sweep; the store holds what the faults are not about."""
    return furnished(Bench(tmp_path, reference.store.parent / "data"), reference)


def furnished(bench: Bench, reference: Bench, *more: str) -> Bench:
    bench.store.mkdir(parents=True)
    for kind in ("corpus", "vocabulary", "teacher", *more):
        for folder in reference.store.glob(f"{kind}-*"):
            shutil.copytree(folder, bench.store / folder.name)
    shutil.copy(reference.store / "corpora.json", bench.store)
    return bench


def test_a_demo_sweep_equals_the_plain_run(tmp_path: Path) -> None:
    keys = "task=length,syntax_spans method=fudge,ft_sample,ft_search targets=4 samples=2 floor=3"
    arguments = [*keys.split(), "threads=1", f"store={tmp_path / 'store'}"]
    assert run_main([*arguments, f"out={tmp_path / 'plain'}"]) == 0
    swept = [*arguments, f"out={tmp_path / 'swept'}", "shards=2", "gres=gpu:h200:1", *CLUSTER]
    assert sweep_main([*swept, "wait=true"]) == 0
    same(tmp_path / "swept", tmp_path / "plain")


def test_preemption_in_training_and_in_sampling(bench: Bench, reference: Bench) -> None:
    assert bench.sweep("shards=2", "max_parallel=2") == 0
    until(bench.checkpoint)
    urgent()
    until(lambda: "stopped as asked" in bench.logs())
    until(lambda: any(bench.store.glob("diffusion-*")))
    until(lambda: bench.samples() >= 6)
    urgent()
    drained()
    assert bench.logs().count("stopped as asked") >= 2
    complete(bench, reference)


def test_a_cluster_that_cancels(bench: Bench, reference: Bench) -> None:
    """A job that has no time to requeue itself is gone, and what needs it with it: the last job
    submits both again."""
    assert bench.sweep("partition=cancel", "retries=1") == 0
    until(bench.checkpoint)
    urgent()
    until(lambda: "stopped as asked" in bench.logs())
    until(lambda: any(bench.store.glob("diffusion-*")))
    until(lambda: bench.running("length/diffusion_lm"))
    control("scancel", bench.job("length/diffusion_lm"))
    drained()
    assert "trying them again (1)" in bench.logs()
    complete(bench, reference)


def test_the_time_limit(bench: Bench, reference: Bench) -> None:
    assert bench.sweep("grace=60") == 0
    until(bench.checkpoint)
    # Slurm looks at its jobs twice a minute: until it does, training stands still
    (worker,) = processes("slurm.worker", str(bench.out / ".sweep"))
    os.kill(worker, signal.SIGSTOP)
    job = bench.job("diffusion")
    control("scontrol", "update", f"jobid={job}", "timelimit=1")
    until(lambda: "Caught signal" in bench.logs(), "no signal came at the time limit")
    kill(worker, signal.SIGCONT)
    until(lambda: "stopped as asked" in bench.logs())
    # longer again, unless it has come to its end in the meantime
    update = ["scontrol", "update", f"jobid={job}", "timelimit=20"]
    until(lambda: not squeue("-j", job) or not subprocess.run(update, timeout=20).returncode)
    drained()
    complete(bench, reference)


@pytest.mark.parametrize("truncate", [False, True])
def test_scancel_and_a_truncated_checkpoint(
    bench: Bench, reference: Bench, truncate: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.sweep() == 0
    until(bench.checkpoint)
    control("scancel", bench.job("diffusion"))
    drained()
    table = (bench.out / "table.md").read_text()
    assert "n/a: its jobs have not finished" in table
    (checkpoint,) = bench.checkpoint()
    if truncate:
        os.truncate(checkpoint, checkpoint.stat().st_size // 2)
    assert bench.sweep("wait=true") == 0
    assert ("training starts afresh" in bench.logs()) == truncate
    capsys.readouterr()
    complete(bench, reference)
    assert "nothing is left to do" in capsys.readouterr().out


def test_twenty_kills_at_random_moments(bench: Bench, reference: Bench) -> None:
    assert bench.sweep("retries=25", "shards=3") == 0
    chance, kills, deadlines = random.Random(), 0, dict[int, float]()
    deadline = time.monotonic() + LONG
    while kills < 20 and time.monotonic() < deadline:
        for pid in processes("slurm.worker", str(bench.out / ".sweep")):
            due = deadlines.setdefault(pid, time.monotonic() + chance.uniform(0, 10))
            if time.monotonic() >= due and kills < 20:
                kills += kill(pid)
        if not squeue():  # it got to its end all the same: once more, from the samples on
            shutil.rmtree(bench.out)
            assert bench.sweep("retries=25", "shards=3") == 0
        time.sleep(0.05)
    assert kills == 20
    drained()
    assert bench.sweep("wait=true", "retries=25") == 0
    complete(bench, reference)


def processes(*parts: str) -> list[int]:
    """Those on this machine whose command line has all these parts."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if all(part in line for part in parts):
            found.append(int(entry.parent.name))
    return found


def kill(pid: int, how: signal.Signals = signal.SIGKILL) -> bool:
    try:
        os.kill(pid, how)
        return True
    except ProcessLookupError:
        return False


def test_a_node_goes_down(bench: Bench, reference: Bench) -> None:
    assert bench.sweep() == 0
    until(bench.checkpoint)
    job = bench.job("diffusion")
    node = squeue("-j", job, "-o", "%N")[0]
    # as when its power fails: the daemon and all that ran there are gone at once
    daemon = Path(os.environ["SLURM_CONF"]).parent / f"slurmd.{node}.pid"
    os.kill(int(daemon.read_text()), signal.SIGKILL)
    for pid in [*processes(f"slurmstepd: [{job}."), *processes(str(bench.out / ".sweep"))]:
        kill(pid)
    control("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        drained()
    finally:
        subprocess.run(["slurmd", "-N", node], check=True)
        # in vain where the node has already returned by itself (ReturnToService)
        subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], timeout=20)
        state = ["timeout", "20", "sinfo", "-h", "-n", node, "-p", "main", "-o", "%T"]
        until(lambda: subprocess.check_output(state, text=True).startswith(("idle", "mixed")))
    assert bench.sweep("wait=true") == 0
    complete(bench, reference)


def test_a_full_disk(bench: Bench, reference: Bench, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        full = furnished(Bench(disk, reference.store.parent / "data"), reference)
        assert full.sweep() == 0
        until(full.checkpoint)
        fill = f"dd if=/dev/zero of={disk / 'filler'} bs=4096"
        assert subprocess.run(fill.split(), capture_output=True).returncode  # until it is full
        drained()
        assert not any(full.store.glob("diffusion-*"))
        (disk / "filler").unlink()
        assert full.sweep("wait=true") == 0
        complete(full, reference)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_sweeps_of_the_same_cells_started_at_once(
    bench: Bench, reference: Bench, tmp_path: Path
) -> None:
    """Two of one result set, and one of another that needs the same networks."""
    command = [sys.executable, "-m", "slurm.sweep", *bench.keys, *CLUSTER]
    outs = [bench.out, bench.out, tmp_path / "other"]
    running = [subprocess.Popen([*command, f"out={out}"], cwd=ROOT) for out in outs]
    assert [one.wait(LONG) for one in running] == [0, 0, 0]
    drained()
    submitted = (bench.out / ".sweep" / "jobs.jsonl").read_text().splitlines()
    names = [json.loads(line)["name"] for line in submitted]
    assert len(names) == len(set(names))
    same(tmp_path / "other", reference.out)
    complete(bench, reference)
