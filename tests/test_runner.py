"""Whole runs at toy size: going on after a kill, finding nothing to do, refusing to overwrite."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.run import main
from eval.running.runner import Run

ROOT = Path(__file__).resolve().parent.parent
NETWORK = "layers=1 {0}.network.width=16 {0}.network.heads=2 {0}.network.feedforward=32"
TOY = (
    "task=length method=diffusion_lm corpus=e2e source=validation targets=6 samples=2 floor=3 "
    "batch=2 threads=1 vocabulary.above=0 longest=22 diffusion.length=24 diffusion.positions=24 "
    "diffusion.steps=40 diffusion.time=16 diffusion.train.steps=40 diffusion.train.every=10 "
    "diffusion.train.checkpoint=0 diffusion.train.batch=4 "
    "diffusion.network." + NETWORK.format("diffusion") + " "
    "teacher.layers=1 teacher.width=16 teacher.heads=2 teacher.train.steps=2 "
    "diffusion_lm.sampling.steps=40 unconditional.sampling.steps=10"
).split()


def write_corpus(data: Path) -> None:
    """A few made-up restaurants in the E2E files' format."""
    data.mkdir(exist_ok=True)
    places = ["river", "bridge", "old mill", "city centre", "park gate", "north wall"]
    for name, rows in (("trainset.csv", 90), ("devset.csv", 20)):
        with open(data / name, "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["mr", "ref"])
            for i in range(rows):
                words = f"The Fig number {i % 7} is a {'very ' * (i % 5)}good pub by the"
                table.writerow(["name[The Fig], eatType[pub]", f"{words} {places[i % 6]} ."])


def arguments(folder: Path, *more: str, store: Path | None = None) -> list[str]:
    data = folder / "data" if store is None else store.parent / "data"
    if not data.exists():
        write_corpus(data)
    names = {one.split("=")[0] for one in more}
    toy = [one for one in TOY if one.split("=")[0] not in names]
    return [
        *toy,
        f"data={data}",
        f"out={folder / 'out'}",
        f"store={store or folder / 'store'}",
        *more,
    ]


def texts(folder: Path) -> list[tuple[str, int, list[str], list[str]]]:
    path = folder / "out" / "length" / "diffusion_lm" / "samples.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [(r["target"], r["index"], r["words"], r["tokens"]) for r in records]


def kill_when(ready: Callable[[], bool], command: list[str]) -> None:
    """Runs the command line and kills it (signal 9) as soon as ``ready``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "eval.run", *command], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it was killed"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(arguments(folder)) == 0
    return folder


def test_layout_and_record(whole: Path) -> None:
    cell = whole / "out" / "length" / "diffusion_lm"
    assert sorted(p.name for p in cell.glob("[!.]*")) == [
        "annotations.jsonl",
        "config.json",
        "samples.jsonl",
        "scores.jsonl",
        "timing.jsonl",
    ]
    record = json.loads((cell / "config.json").read_text())
    assert record["config"]["diffusion_lm"]["sampling"]["steps"] == 40
    assert record["identity"]["artefacts"]["diffusion"].startswith("diffusion-")
    assert record["packages"]["torch"]
    trained = record["networks"][record["identity"]["artefacts"]["diffusion"]]
    assert trained["role"] == "diffusion" and trained["examples"] > 0 and trained["pflop"] > 0
    assert "teacher" in record["judges"] and "command" in record
    for name in ("table.md", "table.json", "run.json"):
        assert (whole / "out" / name).is_file()
    scores = [json.loads(line) for line in (cell / "scores.jsonl").read_text().splitlines()]
    assert len(scores) == 12 and scores[0]["tokens"] > 0
    rows = json.loads((whole / "out" / "table.json").read_text())["tables"][0]["rows"]
    assert [r["method"] for r in rows if r["lm"]] == [
        "diffusion_lm",
        "human text",
        "target texts",
        "unconditional",
    ]
    ceiling = next(r for r in rows if r["method"] == "human text")
    assert ceiling["ctrl"]["ours"] == 100


def test_second_run_finds_nothing_to_do(
    whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens no artefact and no stage."""
    samples = whole / "out" / "length" / "diffusion_lm" / "samples.jsonl"
    before = samples.stat().st_mtime_ns
    opened: list[object] = []
    monkeypatch.setattr(Run, "perform", lambda self, stage: opened.append(stage))
    monkeypatch.setattr(Run, "path", lambda self, recipe: opened.append(recipe))
    assert main(arguments(whole)) == 0
    assert opened == []
    out = capsys.readouterr().out
    assert out.startswith("nothing was left to do")
    assert "diffusion_lm" in out and "99.9*" in out
    assert samples.stat().st_mtime_ns == before


def test_killed_while_generating_goes_on_with_the_same_samples(whole: Path, tmp_path: Path) -> None:
    command = arguments(tmp_path, store=whole / "store")
    path = tmp_path / "out" / "length" / "diffusion_lm" / "samples.jsonl"
    kill_when(lambda: path.exists() and path.read_text().count("\n") >= 2, command)
    done = path.read_text()
    assert 2 <= done.count("\n") < 12
    path.write_text(done[: len(done) // 2])  # what a torn write leaves
    assert main(command) == 0
    assert texts(tmp_path) == texts(whole)
    scores = "out/length/diffusion_lm/scores.jsonl"
    ours, theirs = [
        [json.loads(line) for line in (folder / scores).read_text().splitlines()]
        for folder in (tmp_path, whole)
    ]
    for one, other in zip(ours, theirs, strict=True):
        # the teacher reads the texts in other batches, which moves the last digits
        assert one.pop("nll") == pytest.approx(other.pop("nll"), rel=1e-4)
        assert one == other


def test_killed_while_training_gives_the_same_network(whole: Path, tmp_path: Path) -> None:
    building = tmp_path / "store"
    kill_when(
        lambda: any(building.glob(".building-diffusion-*/checkpoint.safetensors")),
        arguments(tmp_path),
    )
    assert not any(building.glob("diffusion-*"))
    assert main(arguments(tmp_path)) == 0
    digests = [
        json.loads(next((folder / "store").glob("diffusion-*/digests.json")).read_text())
        for folder in (whole, tmp_path)
    ]
    assert digests[0]["weights.safetensors"] == digests[1]["weights.safetensors"]
    assert texts(tmp_path) == texts(whole)


def test_stopped_by_the_clock_again_and_again_gives_the_same(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stops, minutes = 0, 0.002  # a fast machine needs less than 0.01 for all of it
    while (code := main(arguments(tmp_path, f"stop_after={minutes}"))) == 75:
        assert "stopped, and saved" in capsys.readouterr().err
        stops += 1
        minutes *= 2  # on a busy machine a first batch may take longer than the first limit
    assert code == 0 and stops > 1
    assert texts(tmp_path) == texts(whole)


def test_other_settings_never_replace_a_result(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole / "out", tmp_path / "out")
    before = texts(tmp_path)
    command = arguments(tmp_path, "diffusion_lm.sampling.eta=0.5", store=whole / "store")
    assert main(command) == 2
    err = capsys.readouterr().err
    assert "settings.sampling.eta (stored: the default, now: 0.5)" in err
    assert "out=..." in err and err.count("\n") == 1
    assert texts(tmp_path) == before
    assert main([*command, "overwrite=true"]) == 0
    assert texts(tmp_path) != before


def test_out_that_cannot_be_written(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = whole / "blocked"
    blocked.write_text("")
    assert main(arguments(blocked, store=whole / "store")) == 2  # out would lie in a file
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1


def test_targets_longer_than_the_model_are_refused_before_training(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(p.name for p in (whole / "store").glob("*-*"))
    # eight of the twenty validation texts are short enough, and twelve targets are asked for
    drawn = {"longest=10": "fit longest=10 words", "diffusion.length=12": "has at most 10"}
    for key, message in drawn.items():
        assert main(arguments(tmp_path, key, store=whole / "store")) == 2
        found = capsys.readouterr().err
        assert message in found and found.count("\n") == 1
    assert sorted(p.name for p in (whole / "store").glob("*-*")) == before


def test_damaged_samples_are_named(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole / "out", tmp_path / "out")
    path = tmp_path / "out" / "length" / "diffusion_lm" / "samples.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:20], *lines[2:], ""]))
    assert main(arguments(tmp_path, store=whole / "store")) == 2
    assert "samples.jsonl is damaged at line 2" in capsys.readouterr().err


def test_interrupt_is_one_line(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("eval.running.cells.Cell.add", stop)
    # a shell's background job starts with the signal ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(arguments(tmp_path, store=whole / "store")) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "interrupted; run the same command to go on\n" in capsys.readouterr().err
