"""Result folders of any content: readers give a result or one line, and change nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slices import ODD, mistake, places, replaced, small_set, snapshot

from eval import compare, plots, report, tables
from eval.reading import intervals
from eval.reading.figures import build
from eval.reading.figures.ablation import ABLATIONS
from eval.reading.figures.style import Missing, Plot, looks
from eval.reading.figures.training import TRAINING
from eval.reading.measured import measured_tasks
from eval.reading.page.data import embedded, glance, provenance, samples
from eval.reading.results import ResultSet
from eval.reading.tables.build import all_tables
from eval.reading.tables.grid import csv_text, html_table, latex, markdown
from eval.reading.tables.likelihood import table7
from eval.run import guarded
from eval.running.cells import CONFIG, read_config
from eval.running.scoring import FLOOR, HUMAN
from tasks.common.errors import UserError
from tests.hardening import Tried

Reader = Callable[[Path], None]
BYTES = (
    *(b"", b"\n", b"null", b"[]", b"{}", b"3", b'"x"', b"{", b"\xff\xfe{}", b"\x00" * 40),
    *(b"[" * 100_000, b'{"a":' * 3000, b"9" * 10_000, b'{"a": NaN}', b'{"a": 1e999}'),
    *(b'{"a": -Infinity}', b'{"words": ["\\ud800"]}', b"\xef\xbb\xbf{}", b'{"target": 3}\n'),
)
OBJECTS = (b"{}", b"\xef\xbb\xbf{}", b'{"target": 3}\n')
#: what readers read of a set of one task, but for what is drawn
FILES = (
    *("run.json", "length/config.json", "length/targets.jsonl", "human/scores.jsonl"),
    *("human/config.json", "length/human/scores.jsonl", "length/diffusion_lm/config.json"),
    *("length/diffusion_lm/samples.jsonl", "length/diffusion_lm/scores.jsonl"),
    *("length/diffusion_lm/timing.jsonl", "length/diffusion_lm/annotations.jsonl"),
    *("unconditional/samples.jsonl", "unconditional/config.json", "likelihood.json"),
)
#: file -> the figures that it is drawn in
DRAWN = {
    "sweep.json": ("control-fluency", "frontiers", "quality-steps"),
    "curves.json": ("training-curves", "classifier-noise"),
    "ablation.json": ("figure4-ablations",),
    "embedding.json": ("figure3-embeddings",),
    "trajectory.json": ("figure1-trajectory",),
}
DRAWS, PICTURES = 40, 24

TRIED = (
    Tried("result folder", "a file of other bytes", len(BYTES) * len(FILES)),
    Tried(
        "result folder",
        "a value of a file replaced by another, or left out",
        DRAWS,
        "a result, or one line and exit code 2; folders as they were",
    ),
    Tried(
        "result folder",
        "a value of what figures are drawn from replaced",
        PICTURES,
        "a picture, or one line that names the file",
    ),
    Tried("result folder", "counts of another metric than it says", 3),
    Tried("result folder", "what a command would write first stays unwritten", 3),
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_set("demo", tmp_path_factory.mktemp("sets") / "set", "length")
    stored = json.loads((folder / "sweep.json").read_text())
    for point in stored["points"]:
        point |= {"distinct2": 0.5, "samples": 4, "length": 9.5}
    (folder / "sweep.json").write_text(json.dumps(stored))
    return folder


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """Intervals from a few draws."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "DRAWS", 8)
        patch.setattr(intervals, "EXCHANGES", 8)
        yield


def load(folder: Path) -> None:
    """Every file of the set, read."""
    results = ResultSet(folder)
    _ = results.settings, results.floor_samples, results.refused, results.arguments
    for task in results.tasks:
        _ = results.targets(task), results.configs(task)
        for name in results.scored_cells(task):
            results.scores(task, name)
        for cell in results.cells(task):
            _ = cell.samples, cell.scores, cell.annotations, cell.config
    for name in (HUMAN, FLOOR):
        results.common_scores(name)
        read_config(folder / name / CONFIG)
    table7(results)


def read(folder: Path) -> None:
    """What the tables, the page's data and a comparison read."""
    results = ResultSet(folder)
    for grid in all_tables(results, 2):
        assert all((markdown(grid), csv_text(grid), latex(grid), html_table(grid)))
    embedded([samples(results, 2, 2), glance(results), provenance(results)])
    compare.compare(results, ResultSet(folder))


def holds(folder: Path, capsys: pytest.CaptureFixture[str], reader: Reader = read) -> int:
    """Reads the set; what must be so whatever is in it. The exit code."""
    before = snapshot(folder)
    code = guarded(lambda _: reader(folder), [])
    said = capsys.readouterr().err
    assert code in (0, 2) and snapshot(folder) == before
    if code:
        assert said.startswith("error: ") and said.count("\n") == 1
    return code


@pytest.mark.parametrize("name", FILES)
def test_other_bytes(name: str, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = base / name
    before = path.read_bytes()
    try:
        for data in BYTES:
            path.write_bytes(data)
            code = holds(base, capsys, load)
            # of a JSON-lines file a torn line is passed over, and no line is no record; an object
            # of other entries says nothing
            assert code == 2 or path.suffix == ".jsonl" or data in OBJECTS
    finally:
        path.write_bytes(before)


def damaged(path: Path, draw: st.DataObject) -> bytes:
    """The file with one value of it replaced, or left out."""
    lines = path.suffix == ".jsonl"
    text = path.read_text(encoding="utf-8")
    value = json.loads(text.splitlines()[0] if lines else text)
    at = draw.draw(st.sampled_from(sorted(places(value), key=str)), label="place")
    odd = draw.draw(st.sampled_from((*ODD, ...)), label="value")
    changed: Any = replaced(value, at, lambda _: odd)
    first = "" if changed is ... else json.dumps(changed)
    rest = text.splitlines()[1:] if lines else []
    return "\n".join([first, *rest, ""]).encode()


@given(data=st.data(), name=st.sampled_from(FILES))
@settings(
    max_examples=DRAWS,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_any_value(
    data: st.DataObject, name: str, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = base / name
    before = path.read_bytes()
    try:
        path.write_bytes(damaged(path, data))
        holds(base, capsys)
    finally:
        path.write_bytes(before)


def drawn(plot: Plot, folder: Path) -> None:
    try:
        plot.draw(ResultSet(folder)).draw_without_rendering()
    except Missing:
        return


@given(data=st.data(), name=st.sampled_from(sorted(DRAWN)))
@settings(
    max_examples=PICTURES,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_any_figure(data: st.DataObject, name: str, base: Path) -> None:
    path = base / name
    before = path.read_bytes()
    try:
        path.write_bytes(damaged(path, data))
        for plot in (one for one in build.PLOTS if one.name in DRAWN[name]):
            with looks():
                said = mistake(lambda plot=plot: drawn(plot, base))
                assert not said or str(path) in said
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("counts", [3.0, [1.0, 2.0], ["a", "b"]])
def test_counts_of_another_metric(counts: object, tmp_path: Path) -> None:
    folder = small_set("demo-stories", tmp_path / "set")
    for path in folder.glob("infilling/*/scores.jsonl"):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        for record in records:
            record["scores"]["bleu4"] = counts
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert str(folder / "infilling") in mistake(lambda: measured_tasks(ResultSet(folder)))


def test_an_error_names_file_line_and_field(base: Path, tmp_path: Path) -> None:
    path = base / "length" / "diffusion_lm" / "scores.jsonl"
    before = path.read_text()
    lines = [json.loads(line) for line in before.splitlines()]
    lines[1]["scores"]["len_pm2"] = "yes"
    try:
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        with pytest.raises(UserError) as error:
            read(base)
    finally:
        path.write_text(before)
    assert f"{path} line 2: 'scores.len_pm2': " in str(error.value)


@pytest.mark.parametrize("command", ["plots", "report", "tables"])
def test_a_failed_command_writes_nothing(
    command: str,
    base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last file that is read is damaged; what comes before it is not written either."""
    monkeypatch.setattr(build, "PLOTS", (ABLATIONS, TRAINING))
    folder = shutil.copytree(base, tmp_path / "set")
    (folder / "curves.json").write_text('{"artefacts": 3}')
    (folder / "length" / "diffusion_lm" / "samples.jsonl").write_text("{}\n")
    before = snapshot(tmp_path)
    main = {"plots": plots.main, "report": report.main, "tables": tables.main}[command]
    out = tmp_path / "new" / "out"
    assert guarded(main, [f"run={folder}", f"out={out}"]) == 2
    assert snapshot(tmp_path) == before and not out.parent.exists()
    assert capsys.readouterr().err.count("\n") == 1


def test_a_last_line_without_newline_is_a_record(base: Path, tmp_path: Path) -> None:
    """What other programs write ends where the record does: it counts, and stays as it is."""
    folder = shutil.copytree(base, tmp_path / "set")
    for path in folder.rglob("*.jsonl"):
        path.write_bytes(path.read_bytes().rstrip(b"\n"))
    before = snapshot(folder)
    first, second = ResultSet(base), ResultSet(folder)
    for cell, other in zip(first.cells(), second.cells(), strict=True):
        assert (cell.samples, cell.scores) == (other.samples, other.scores)
    assert first.targets("length") == second.targets("length") and snapshot(folder) == before
