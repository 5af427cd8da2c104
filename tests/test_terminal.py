"""Tables in terminals of any width, held to the captures in ``golden/``.

After a change that is meant, look at what ``python -m tests.test_terminal`` writes.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from wcwidth import wcswidth

from eval.compare import compare
from eval.reading.measured import Guest, measure, measured_tasks
from eval.reading.results import ResultSet
from eval.reading.tables.control import table2, table4
from eval.reading.tables.fit import breaks, fit, folded
from eval.reading.tables.grid import Column, Grid, entry
from eval.reading.tables.run import brief, run_tables
from eval.reading.tables.terminal import View, hanging, show
from tests.stored import ROOT

GOLDEN = Path(__file__).parent / "golden"
VIEW = View(file="table.md")
LONG = "my_method_with_a_very_long_name_that_says_all_of_its_settings-v2.1"
#: method names as people give them
NAMES = ("fudge", LONG, "拡散言語モデル制御", "e\u0301cole", "\U0001f600")


def capture(grids: Sequence[Grid], width: int, view: View = VIEW) -> str:
    """What a terminal so wide shows, without the blanks at the ends of lines."""
    out = io.StringIO()
    show(grids, Console(file=out, width=width, highlight=False), view)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def odd() -> Grid:
    """A run's table of methods with odd names, one of them without a figure."""
    columns = [
        Column("method", right=False),
        Column("metric", right=False),
        Column("ctrl paper", drop=2),
        Column("ctrl"),
        Column("95 % interval", drop=1),
        Column("lm"),
        Column("entropy", drop=3),
    ]
    rows = [
        [entry(t) for t in (name, "len_exact", "46.9*", "45.5", "[35.5, 55.0]", "5.36", "4.91")]
        for name in NAMES
    ]
    rows.append([*map(entry, ("pplm", "len_exact", "", "n/a: no positional control")), (), (), ()])
    notes = ["ctrl, len_exact: the number of words, in percent.", "[a] a reason"]
    return Grid("odd", "length", columns, rows, notes, typed=True)


@cache
def demo() -> dict[str, list[Grid]]:
    """Tables of the committed set: what ``eval.tables``, ``eval.run`` and ``eval.compare`` show."""
    results = ResultSet(ROOT / "results" / "demo")
    tasks = measured_tasks(results)
    cells = [results.cell("length", name) for name in ("ft_sample", "ft_search")]
    guests = [Guest(cell.method, "results/demo", cell) for cell in cells if cell]
    refused = {("length", "pplm"): "n/a: PPLM has no positional control"}
    both = "semantic_content+syntax_tree"
    measured = [
        measure(
            results,
            results.task("length"),
            ["diffusion_lm", "fudge", "pplm"],
            refused=refused,
            corpus="grammar",
            guests=guests,
        ),
        measure(
            results,
            results.task(both),
            ["fudge", "ft_poe"],
            refused={},
            corpus="grammar",
            stand_in=True,
        ),
    ]
    measured[0] = replace(measured[0], stored=["stored: rows of results/demo are read."])
    return {
        "paper": [table2(results, tasks), table4(results, tasks)],
        "run": [brief(grid) for one in measured for grid in run_tables(one)],
        "compare": [compare(results, results, ("fudge", "ft_sample")), compare(results, results)],
    }  # fmt: skip


def captures() -> dict[str, str]:
    """File name -> what it holds."""
    texts = {f"terminal-odd-{w}.txt": capture([odd()], w) for w in (40, 80, 120)}
    for name, grids in demo().items():
        shown = {w: capture(grids, w).replace(str(ROOT) + "/", "") for w in (80, 120)}
        texts |= {f"terminal-{name}-{w}.txt": text for w, text in shown.items()}
    return texts


def cells(text: str) -> int:
    """The widest line, as both libraries count."""
    return max(max(wcswidth(line), Console().measure(line).maximum) for line in text.splitlines())


@pytest.mark.parametrize("width", [40, 80, 120])
def test_odd_names_are_the_golden_capture(width: int) -> None:
    text = capture([odd()], width)
    assert text == (GOLDEN / f"terminal-odd-{width}.txt").read_text(encoding="utf-8")
    assert cells(text) <= width


def test_the_committed_set_is_shown_as_captured() -> None:
    for name, text in captures().items():
        assert text == (GOLDEN / name).read_text(encoding="utf-8"), name
        assert cells(text) <= int(name.split("-")[-1].removesuffix(".txt")), name


def test_what_is_dropped_is_said_and_can_be_had() -> None:
    text = " ".join(capture([odd()], 40).split())
    assert "no room for: ctrl paper, 95 % interval, entropy (columns=all shows them; " in text
    assert "table.md has them)" in text and "[a] a reason" in text and "legend=full" in text
    assert "the number of words" not in text
    whole = capture([odd()], 40, View(columns="all"))
    assert "entropy" in whole and LONG in whole and "no room" not in whole
    assert cells(whole) > 100
    full = " ".join(capture([odd()], 40, View(legend="full")).split())
    assert "the number of words" in full and "legend=full" not in full


def test_a_wide_terminal_shows_all_in_one_block() -> None:
    text = capture([odd()], 200)
    assert "entropy" in text and LONG in text and "no room" not in text
    (one,) = fit(odd(), 200)
    assert len(one.blocks) == 1 and not one.dropped and fit(odd(), None)[0].blocks == one.blocks


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=40)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    columns = [Column("method", right=False)]
    for i in range(draw(st.integers(1, 8))):
        group = f"group {i // 2}" if draw(st.booleans()) else ""
        columns.append(
            Column(draw(st.sampled_from(["ctrl ↑", "95 % interval", "lm"])), group,
                   drop=draw(st.integers(0, 2)), wide=draw(st.integers(0, 9)) == 0)
        )  # fmt: skip
    figures = st.sampled_from(["", "[12.65, 24.68]", "n/a: not run", "45.5"])
    cell = st.one_of(WORDS, WORDS.map(lambda text: f"{text} " * 9), figures)
    rows = [[entry(draw(cell)) for _ in columns] for _ in range(draw(st.integers(0, 4)))]
    return Grid("g", draw(WORDS), columns, rows, [draw(WORDS)])


@settings(max_examples=60, deadline=None)
@given(grids(), st.integers(20, 130))
def test_no_line_is_wider_than_the_terminal(grid: Grid, width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    show([grid], console, VIEW)
    for line in out.getvalue().splitlines():
        assert console.measure(line).maximum <= width
    # every column is in a block or among those that found no room
    for one in fit(grid, width):
        shown = {i for block in one.blocks for i in block.columns}
        assert len(shown) + len(one.dropped) == len(grid.columns)
        assert all(not grid.columns[i].drop for i in set(range(len(grid.columns))) - shown) or (
            one.dropped
        )


@settings(max_examples=60, deadline=None)
@given(WORDS, st.integers(2, 30))
def test_folding_loses_no_letter(text: str, width: int) -> None:
    assert "".join("".join(folded(text, width)).split()) == "".join(text.split())
    assert breaks("a" * width, width) == []
    assert folded("semantic_content.value_stated", 18) == ["semantic_content.", "value_stated"]


def test_method_names_are_whole_however_narrow() -> None:
    text = capture([odd()], 40)
    first = [line.split("  ")[0].split(" ")[0] for line in text.splitlines()]
    assert LONG in "".join(first) and NAMES[2] in "".join(first)


def test_a_long_sample_goes_on_indented() -> None:
    from rich.text import Text

    out = io.StringIO()
    hanging(Text("  yes fudge  " + "word " * 30), Console(file=out, width=40), 6)
    head, *rest = out.getvalue().splitlines()
    assert head.startswith("  yes fudge  word") and len(rest) > 3
    assert all(line.startswith("      word") and len(line) <= 40 for line in rest)


@pytest.mark.parametrize("columns", ["60", ""])
def test_the_width_is_that_of_columns_or_80(columns: str, tmp_path: Path) -> None:
    """A command whose output is no terminal."""
    own = tmp_path / "set"
    shutil.copytree(ROOT / "results" / "demo" / "length", own / "length")
    code = f"from eval.tables import main; main(['run={own}', 'out={tmp_path}/t'])"
    environment = {"PATH": "/usr/bin:/bin"} | ({"COLUMNS": columns} if columns else {})
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, check=True,
        capture_output=True, text=True, encoding="utf-8", stdin=subprocess.DEVNULL,
    )  # fmt: skip
    table = done.stdout[: done.stdout.index("tables as Markdown")]
    widest = max(wcswidth(line.rstrip()) for line in table.splitlines())
    assert int(columns or 80) - 20 < widest <= int(columns or 80)
    assert "│" not in table and "Diffusion-LM" in table


def main() -> None:
    for name, text in captures().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
        print(f"{name}: {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()
