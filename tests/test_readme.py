"""The worked examples of a method and a task run as they stand, and numbers are the stored ones."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselines import METHODS
from eval.plots import main as plots_main
from eval.report import main as report_main
from eval.run import main
from eval.tables import main as tables_main
from tasks import TASKS

ROOT = Path(__file__).resolve().parent.parent
README, EVIDENCE, COMPARE = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/evidence.md", "docs/compare.md")
)
#: the columns of Table 2
TABLE_2 = ("semantic_content", "parts_of_speech", "syntax_tree", "syntax_spans", "length")
#: sets and tables that docs/evidence.md shows
SHOWN = [("small-e2e", 2), ("small-e2e", 4), ("demo", 2), ("demo", 4)]
SHOWN += [("pretrained-anlg", 5), ("small-anlg", 5), ("demo-stories", 5)]


@pytest.fixture(scope="module", autouse=True)
def _forget() -> Iterator[None]:
    """Other tests know nothing of these files' classes."""
    before = dict(METHODS._files), dict(TASKS._files)
    yield
    for registry, files in zip((METHODS, TASKS), before, strict=True):
        registry._files.clear()
        registry._files.update(files)


def example(name: str, folder: Path) -> Path:
    """The code block headed ``# name``, as a file."""
    (block,) = re.findall(rf"```python\n# {re.escape(name)}\n(.*?)```", COMPARE, re.DOTALL)
    assert len(block.splitlines()) < 60
    (folder / name).write_text(block, encoding="utf-8")
    return folder / name


def test_the_worked_examples_run_to_tables_figures_and_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    method = f"{example('lm_sample.py', tmp_path)}:LMSample"
    task = f"{example('last_word.py', tmp_path)}:LastWordTask"
    out = tmp_path / "out"
    given = [f"task=length,{task}", f"method={method}", "targets=3", "samples=2", "threads=1"]
    given += ["lm_sample.temperature=0.7", f"out={out}", f"store={tmp_path / 'store'}"]
    assert main(given) == 0
    assert "last word: " in capsys.readouterr().out.lower()
    for name in ("length", "last_word"):
        rows = (out / name / "lm_sample" / "scores.jsonl").read_text().splitlines()
        assert len(rows) == 6
    table = (out / "table.md").read_text()
    assert "| lm_sample | ends_right |" in table
    # beside it the reference row of the shipped set, whose place has a column
    assert "| lm_sample |  | len_exact |" in table and "| diffusion_lm | results/demo |" in table
    for registry in (METHODS, TASKS):
        registry._files.clear()  # whoever reads the results has not these files
    tables_main([f"run={out}", "show=false"])
    assert "LM" in (out / "tables" / "table2.md").read_text()
    plots_main([f"run={out}"])
    report_main([f"run={out}"])
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Last word" in page and "ends_right" in page
    assert main([f"method={method}", "--help"]) == 0
    assert "lm_sample.temperature (float) = 1.0" in capsys.readouterr().out


def stored(name: str, number: int) -> list[str]:
    path = ROOT / "results" / name / "tables" / f"table{number}.md"
    return path.read_text("utf-8").split("\n")


def test_results_are_the_committed_ones() -> None:
    """Every row of a result table stands in the committed one; none stands anywhere else."""
    rest = EVIDENCE
    for name, number in SHOWN:
        mark = f"<!-- table {name} {number} -->"
        before, after = rest.split(mark, 1)
        part, rest = after.split("<!-- end -->", 1)
        rows = [line for line in part.splitlines() if line.startswith("|")]
        assert len(rows) > 10
        assert [row for row in rows if row not in stored(name, number)] == []
        assert "| ours |" not in before
    assert "| ours |" not in rest


def test_the_readme_s_table_is_of_committed_figures() -> None:
    """Each cell is a control success and a perplexity of the same method and task."""
    part = re.split(r"<!-- brief small-e2e 2: [^>]* -->", README)[1].split("<!-- end -->")[0]
    rows = [cells(line) for line in part.splitlines() if line.startswith("|")]
    table = [cells(line) for line in stored("small-e2e", 2) if line.startswith("|")]
    ours = {row[0]: row[2:] for row in table if row[1] == "ours"}
    papers = [row[2:] for row in table if row[1] == "paper"]
    named = [row[0] for row in rows[2:] if row[0] != "paper"]
    assert named == [name for name in ours if name in named] and "**human text**" in named
    for name, *shown in rows[2:]:
        if name == "paper":
            assert shown == papers.pop(0)[::2]
            continue
        for i, cell in enumerate(shown):
            ctrl, lm = ours[name][2 * i : 2 * i + 2]
            if ctrl.startswith("n/a"):
                assert cell == "n/a"
            else:
                assert cell == f"{ctrl} / {lm} / {copies(TABLE_2[i], name.strip('*')):.0f}"
    assert papers == []


def copies(task: str, method: str) -> float:
    """Percent of the samples of a cell, or of human texts, that are training texts."""
    folders = {card.label: f"{task}/{card.name}" for card in METHODS.values()}
    folders |= {"unconditional": f"{task}/unconditional", "human text": "human"}
    place = ROOT / "results" / "small-e2e" / folders[method] / "config.json"
    counts = json.loads(place.read_text(encoding="utf-8"))["copied"]
    return float(100 * counts["copied"] / counts["texts"])


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
