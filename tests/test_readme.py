"""The README's two worked examples run as they stand."""

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

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


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
    (block,) = re.findall(rf"```python\n# {re.escape(name)}\n(.*?)```", README, re.DOTALL)
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
    assert "| lm_sample | ends_right |" in table and "| lm_sample | len_exact |" in table
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


def test_results_are_the_committed_ones() -> None:
    """Every row of the README's result tables stands in the committed tables."""
    results = Path(__file__).parent.parent / "results"
    shown = [("small-e2e", 2), ("small-e2e", 4), ("demo", 2), ("demo", 4)]
    shown += [("pretrained-anlg", 5), ("small-anlg", 5), ("demo-stories", 5)]
    files = [results / name / "tables" / f"table{number}.md" for name, number in shown]
    stored = [line for path in files for line in path.read_text("utf-8").split("\n")]
    first, rest = README.split("```\npip install", 1)
    more = rest.split("## More results\n", 1)[1].split("\n## ", 1)[0]
    for part in (first, more):
        rows = [line for line in part.splitlines() if line.startswith("|")]
        assert len(rows) > 10
        assert [row for row in rows if row not in stored] == []
