"""An sbatch that says no, clusters with short arrays, and what a sweep leaves where they do."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import TEXTS, make_set

from slurm.cluster import LONGEST, Refused, longest_array, submit
from slurm.config import SweepConfig, parse_sweep
from slurm.logs import main as logs
from slurm.plan import Job
from slurm.state import State, StoredPlan
from slurm.status import rows
from slurm.sweep import main
from tasks.common.errors import UserError
from tests.hardening import Tried

#: stands in for sbatch: refuses arrays of more than $MAX jobs, the $NTH submission, or all as $SAYS
SBATCH = """#!/bin/bash
script="${@: -1}"
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$script"); last=${last:-0}
echo "$last" >> "$CALLS"
if [ "$last" -ge "${MAX:-1001}" ]; then
  echo "sbatch: error: Batch job submission failed: Invalid job array specification" >&2; exit 1
fi
if [ -n "$SAYS" ] && [ "$(wc -l < "$CALLS")" -ge "${NTH:-1}" ]; then
  printf "$SAYS" >&2; exit 1
fi
[ -n "$GIBBERISH" ] && { echo "$GIBBERISH"; exit 0; }
echo "Submitted batch job 1$(wc -l < "$CALLS")"
"""
FAILED = "sbatch: error: Batch job submission failed: "
#: what sbatch says, and the line that it becomes
REFUSALS = {
    FAILED + "Invalid account or account/partition combination specified":
        "sbatch: Batch job submission failed: Invalid account or account/partition combination",
    FAILED + "Invalid qos specification": "sbatch: Batch job submission failed: Invalid qos",
    "sbatch: error: invalid partition specified: none\\n" + FAILED + "Invalid partition name":
        "sbatch: invalid partition specified: none; Batch job submission failed: Invalid partition",
    FAILED + "Job violates accounting/QOS policy (job submit limit, user's time limits)":
        "sbatch: Batch job submission failed: Job violates accounting/QOS policy (job submit limit",
    FAILED + "Requested node configuration is not available":
        "sbatch: Batch job submission failed: Requested node configuration is not available",
    "sbatch: error: Invalid --mem specification": "sbatch: Invalid --mem specification",
    "Unable to contact slurm controller": "sbatch: Unable to contact slurm controller",
}  # fmt: skip
CONFIGS = {
    "MaxArraySize            = 120\n": 120,
    "X = 1\nMaxArraySize = 1001\nMaxJobCount = 10000\n": LONGEST,
    "MaxArraySize = 0\n": 1,
    "MaxArraySize = 4000001\n": LONGEST,
    "MaxArraySize = many\n": LONGEST,
    "": LONGEST,
}
EXAMPLES = 60
TRIED = (
    Tried("SLURM", "an sbatch that says no", len(REFUSALS) + 2),
    Tried("SLURM", "MaxArraySize, or a limit that nothing tells", len(CONFIGS) + 3,
          "arrays as short as the cluster wants"),
    Tried("stored sweep", "a plan or outcome of any shape", EXAMPLES, "one line, or passed over"),
)  # fmt: skip


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands that stand in for SLURM's; ``calls`` in it has a line a submission."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("squeue", "scancel", "srun"):
        (folder / name).write_text("#!/bin/bash\nexit 0\n")
    (folder / "scontrol").write_text('#!/bin/bash\n[ -e "$0.txt" ] && cat "$0.txt"\nexit 0\n')
    (folder / "sbatch").write_text(SBATCH)
    for path in folder.iterdir():
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(folder / "calls"))
    return folder


def jobs(count: int) -> list[Job]:
    return [Job(f"length/m/{i}of{count}", "generate", "", 0) for i in range(count)]


def planned(folder: Path, todo: list[Job], *keys: str) -> tuple[State, StoredPlan]:
    state = State(folder / "out" / ".sweep")
    sweep = parse_sweep([f"out={folder / 'out'}", "gpus=0", *keys])
    return state, state.write_plan(sweep, todo, "code", 0)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


def submissions(cluster: Path) -> list[int]:
    return [int(line) + 1 for line in (cluster / "calls").read_text().split()]


@pytest.mark.parametrize(("says", "line"), REFUSALS.items())
def test_what_sbatch_refuses_is_one_line(
    says: str, line: str, cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, plan = planned(tmp_path, jobs(2))
    state.write_outcome("length/m/0of2", "failed", 0.0, "an error")
    before = tree(tmp_path)
    monkeypatch.setenv("SAYS", says)
    with pytest.raises(Refused) as caught:
        submit(state, plan, {})
    assert line in str(caught.value) and "\n" not in str(caught.value)
    (cluster / "calls").unlink()
    after = tree(tmp_path)
    after.pop("out/.sweep/logs", None)
    assert after == before and state.submitted() == []
    # the mended command is not in the way of anything
    monkeypatch.delenv("SAYS")
    assert len(submit(state, plan, {})) == 2 == len(state.submitted())


def test_a_refused_sweep_leaves_folders_as_they_were(
    cluster: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    todo = [*jobs(2), Job("finish", "finish", "", 0, ("length/m/0of2",))]
    monkeypatch.setattr("slurm.submit.planned", lambda *_, **__: todo)
    monkeypatch.setenv("SAYS", FAILED + "Invalid qos specification")
    command = ["task=length", "gpus=0", f"out={tmp_path / 'new' / 'my lr=0.1'}"]
    assert main([*command, "qos=none"]) == 2
    said = capsys.readouterr().err
    assert said == "error: sbatch: Batch job submission failed: Invalid qos specification\n"
    assert not (tmp_path / "new").exists()
    monkeypatch.delenv("SAYS")
    assert main(command) == 0 and (tmp_path / "new" / "my lr=0.1" / ".sweep").is_dir()
    assert main([*command[:2], f"out={tmp_path}/50%j"]) == 2
    assert "SLURM puts other things in the place of %" in capsys.readouterr().err
    (cluster / "squeue").unlink()
    monkeypatch.setenv("PATH", str(cluster))
    assert main([*command[:2], f"out={tmp_path / 'other'}"]) == 2
    assert "squeue was not found" in capsys.readouterr().err and not (tmp_path / "other").exists()


def test_a_refusal_keeps_what_was_to_be_overwritten(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_set(tmp_path / "set", {"fudge": TEXTS["fudge"]})
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    command = ["task=length", "method=fudge", "targets=2", "samples=2", "floor=0", "gpus=0"]
    command += [f"out={folder}", f"store={tmp_path / 'store'}"]
    assert main(command) == 2  # another identity, and no leave to overwrite
    monkeypatch.setenv("SAYS", FAILED + "Invalid account")
    assert main([*command, "overwrite=true"]) == 2
    after = {path: path.read_bytes() for path in before if path.is_file()}
    assert after == before
    monkeypatch.delenv("SAYS")
    assert main([*command, "overwrite=true"]) == 0
    assert not (folder / "length" / "fudge" / "samples.jsonl").exists()


def test_what_was_submitted_before_a_refusal_goes_on(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, plan = planned(tmp_path, jobs(6), "max_array=2")
    monkeypatch.setenv("SAYS", FAILED + "limit reached")
    monkeypatch.setenv("NTH", "3")
    with pytest.raises(Refused, match=r"limit reached \(4 jobs are submitted; the same command"):
        submit(state, plan, {})
    live = {one.name: one.id for one in state.submitted()}
    assert len(live) == 4
    monkeypatch.delenv("SAYS")
    assert [one.name for one in submit(state, plan, live)] == ["length/m/4of6", "length/m/5of6"]


def test_an_sbatch_that_says_nothing_that_can_be_read(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, plan = planned(tmp_path, jobs(1))
    monkeypatch.setenv("GIBBERISH", "hello")
    with pytest.raises(Refused, match="^sbatch: Could not make sense of sbatch output"):
        submit(state, plan, {})
    monkeypatch.delenv("GIBBERISH")
    (cluster / "srun").unlink()
    monkeypatch.setenv("PATH", str(cluster))
    with pytest.raises(Refused, match="srun"):
        submit(state, plan, {})


@pytest.mark.parametrize(("text", "longest"), CONFIGS.items())
def test_arrays_are_as_long_as_the_cluster_allows(cluster: Path, text: str, longest: int) -> None:
    (cluster / "scontrol.txt").write_text(text)
    assert longest_array(SweepConfig()) == longest
    assert longest_array(SweepConfig(max_array=7)) == 7
    (cluster / "scontrol").write_text("#!/bin/bash\nexit 1\n")
    assert longest_array(SweepConfig()) == LONGEST


def test_arrays_are_cut_to_what_scontrol_or_the_key_says(cluster: Path, tmp_path: Path) -> None:
    (cluster / "scontrol.txt").write_text("MaxArraySize = 4\n")
    state, plan = planned(tmp_path, jobs(9))
    assert len(submit(state, plan, {})) == 9 and submissions(cluster) == [4, 4, 1]
    (cluster / "calls").unlink()
    state, plan = planned(tmp_path / "keyed", jobs(9), "max_array=5")
    assert len(submit(state, plan, {})) == 9 and submissions(cluster) == [5, 4]


def test_a_limit_that_nothing_tells_is_found(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX", "3")
    state, plan = planned(tmp_path, jobs(10), "max_parallel=2")
    sent = submit(state, plan, {})
    assert [one.name for one in sent] == [job.name for job in plan.jobs]
    assert len({one.id for one in sent}) == 10
    assert submissions(cluster) == [10, 5, 3, 2, 5, 3, 2]


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_what_is_stored_of_a_sweep_may_have_any_shape(tmp_path: Path, data: st.DataObject) -> None:
    state, kept = State(tmp_path / "out" / ".sweep"), tmp_path / "plan.json"
    path = state.folder / "plan-1.json"
    if not kept.exists():
        planned(tmp_path, jobs(1))
        path.rename(kept)
    scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
    values = st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
        ),
        max_leaves=4,
    )
    whole = json.loads(kept.read_text())
    whole[data.draw(st.sampled_from(sorted(whole)))] = data.draw(values)
    path.write_text(json.dumps(whole if data.draw(st.booleans()) else data.draw(values)))
    state.write_outcome("length/m/0of1", "done", 0.0)
    outcome = state.folder / "outcome" / "length.m.0of1.json"
    shapes = st.binary(max_size=9) | values.map(lambda value: json.dumps(value).encode())
    outcome.write_bytes(data.draw(shapes))
    for read in (lambda: rows(state, {}), lambda: logs([str(tmp_path / "out")])):
        with suppress(UserError):
            read()
