"""What a file says is text to a terminal, a spreadsheet, LaTeX and figures, whatever stands in it;
and JSON that is written has no NaN."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from stored import TEXTS, make_set

from eval.reading.figures.style import axes, literal, looks, render
from eval.reading.figures.tradeoff import PARETO
from eval.reading.figures.trajectory import DENOISING
from eval.reading.measured import measured_tasks
from eval.reading.results import ResultSet
from eval.reading.samples import pick, show
from eval.reading.tables.grid import Column, Grid, csv_text, entry, latex, markdown, tex_escape
from eval.reading.tables.run import store
from eval.reading.tables.terminal import show as show_tables
from eval.run import guarded
from eval.running.cells import write_lines
from eval.running.display import Display
from tasks.common.errors import UserError
from tasks.common.files import json_text, write_text
from tasks.common.shown import visible
from tasks.common.spreadsheet import guarded as cell
from tasks.common.spreadsheet import unguarded
from tests.hardening import Tried

ESCAPES = (
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\x08\x08",
    "a\rb",
    "\u202egnp",
    "\x00",
    "\x7f",
)
FORMULAE = (
    *('=HYPERLINK("http://x","y")', "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''=1"),
    *("=", "-", "+", "@", "\n=1", "-not a number"),
)
MATHS = (
    "$x_{$",
    "$",
    "$$",
    r"\$x$",
    "$\\frac{1}{$",
    "a $b$ c",
    "{",
    "\\",
    "^_",
    "\x1b$x$",
    "%",
    "$\x00$",
)
LOW = tuple(map(chr, range(0x180)))
EXAMPLES = 100
TRIED = (
    Tried("terminal", "escape sequences and control characters", len(ESCAPES), "written out"),
    Tried("spreadsheets", "texts that are formulae", len(FORMULAE), "guarded, and read back alike"),
    Tried("spreadsheets", "any text", EXAMPLES, "read back alike"),
    Tried("LaTeX", "every character below U+0180", len(LOW), "set, or named"),
    Tried("figures", "labels with mathematics of their own", len(MATHS), "drawn as they stand"),
    Tried("JSON that is written", "NaN and infinities", 3, "one line that names the figure"),
)


@pytest.mark.parametrize("text", ESCAPES)
def test_a_terminal_obeys_no_file(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {"fudge": {"t1": [f"a {text}b c"], "t2": ["a b"]}}
    folder = make_set(tmp_path / "set", texts, refused={"length/pplm": f"n/a: {text}"})
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system=None, width=200)
    results = ResultSet(folder)
    for line in show(pick(results, "length", ["fudge"])):
        console.print(line)
    columns = [Column(f"t{text}", f"g{text}")]
    grid = Grid("x", f"title {text}", columns, [[entry(f"c{text}")]], [f"note {text}"])
    show_tables([grid], console)
    Display(console).say(f"say {text}")

    def fail(_: object) -> None:
        raise UserError(f"no {text}")

    assert guarded(fail, []) == 2
    shown = out.getvalue() + capsys.readouterr().err
    assert text not in shown and visible(text) in shown
    assert not [c for c in shown if ord(c) < 32 and c != "\n"]
    assert text not in markdown(grid) and text not in latex(grid)


@pytest.mark.parametrize("text", FORMULAE)
def test_a_spreadsheet_runs_nothing(text: str) -> None:
    guarded_ = cell(text)
    assert guarded_.startswith("'") and unguarded(guarded_) == text
    records = [{"method": text, "ours": "-1.5"}]
    grid = Grid("x", "", [Column("a")], [[entry(text)]], records=records)
    (row,) = csv.DictReader(io.StringIO(csv_text(grid), newline=""))
    assert row["method"] == cell(visible(text)) and row["ours"] == "-1.5"


@given(st.text(max_size=12))
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
def test_any_cell_comes_back(text: str) -> None:
    assert unguarded(cell(text)) == text
    assert cell(text)[:1] not in ("=", "@", "\t", "\r")


def test_numbers_stay_numbers() -> None:
    for number in ("-1", "+0.5", "-1e-05", "12"):
        assert cell(number) == number


def test_every_low_character_can_be_set() -> None:
    """What T1 and ``textcomp`` lack, and every control, is named instead: it would end pdflatex."""
    kept = {c for c in LOW if tex_escape(c) == c}
    assert not [c for c in kept if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0]
    assert not kept & set("ĦħĸĿŀŉŦŧſ") and set("éüß£ÅłŒ°") <= kept
    for c in LOW:
        shown = tex_escape(c)
        assert shown == c or shown.startswith(("\\", "[U+", "$"))
        assert not set(shown) & set("\x00\x1b")


def test_no_row_of_a_table_begins_with_an_option() -> None:
    rows = [[entry("[3cm]"), entry("x")], [entry("*"), entry("y")]]
    text = latex(Grid("x", "t", [Column("[a]"), Column("b")], rows))
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert lines and not [line for line in lines if line.startswith(("[", "*"))]


@pytest.mark.parametrize("text", MATHS)
def test_labels_are_no_mathematics(text: str, tmp_path: Path) -> None:
    with looks():
        figure, (axis,) = axes()
        axis.set(title=literal(text), xlabel=literal(text))
        axis.plot([1], [1], label=literal(text + "x"))
        axis.annotate(literal(text), (1, 1))
        axis.legend()
        assert render(figure, "svg")


def test_a_trajectory_with_dollars_is_drawn(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    control = {"kind": "field_value", "field": "$x_{$", "value": "\x1b$y$ $"}
    frames = [{"t": t, "std": 1.0, "words": ["$a_{$", "\x1b"]} for t in (5, -1)]
    write_text(folder / "trajectory.json", json.dumps({"control": control, "frames": frames}))
    for path in folder.glob("*/fudge/config.json"):
        stored = json.loads(path.read_text()) | {"card": {"label": "$m_{$"}}
        write_text(path, json.dumps(stored))
    with looks():
        for plot in (DENOISING, PARETO):
            plot.draw(ResultSet(folder)).draw_without_rendering()


@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
def test_json_has_no_nan(figure: float, tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    with pytest.raises(UserError, match=r"rows\.1\.lm \(-?(nan|inf)\) is not finite"):
        json_text({"rows": [{"lm": 1.0}, {"lm": figure}]})
    with pytest.raises(UserError, match="nll"):
        write_lines(path, [{"nll": 1.0}, {"nll": figure}])
    assert not path.exists()


def test_a_method_that_says_nothing_has_no_figure_and_no_nan(tmp_path: Path) -> None:
    silent = {method: {t: ["", ""] for t in texts} for method, texts in TEXTS.items()}
    folder = make_set(tmp_path / "set", silent)
    for path in folder.rglob("scores.jsonl"):
        write_text(path, path.read_text().replace('"tokens": 0', '"tokens": 1'))
    results = ResultSet(folder)
    store(folder, [measured_tasks(results)["length"]], [])
    text = (folder / "table.json").read_text()
    rows = json.loads(text, parse_constant=pytest.fail)["tables"][0]["rows"]
    row = next(row for row in rows if row["method"] == "fudge")
    assert row["distinct2"] is None and row["entropy"] is None
    assert "nan" not in (folder / "table.md").read_text().lower()
