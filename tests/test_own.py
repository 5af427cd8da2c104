"""A method of the user's own, under 60 lines, from the command line to its page.

It brings a network and options; nothing of it stands anywhere in the repository's packages.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from baselines import METHODS
from eval.plots import main as plots_main
from eval.report import main as report_main
from eval.run import guarded, main
from eval.tables import main as tables_main

OWN = Path(__file__).parent / "own"
BIGRAM = f"{OWN / 'bigram.py'}:Bigram"
#: the demo with its shipped networks, small
TINY = ["task=length", "method={},ft_sample", "targets=3", "samples=2", "floor=2", "threads=1"]


@pytest.fixture(scope="module", autouse=True)
def _forget() -> object:
    """Other tests know nothing of these files' classes."""
    before = dict(METHODS._files)
    yield
    METHODS._files.clear()
    METHODS._files.update(before)


def arguments(folder: Path, *more: str) -> list[str]:
    given = [one.format(BIGRAM) for one in TINY]
    return [*given, f"out={folder / 'out'}", f"store={folder / 'store'}", *more]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its result set."""
    folder = tmp_path_factory.mktemp("own")
    assert main(arguments(folder, "bigram.temperature=0.5", "bigrams.smoothing=0.001")) == 0
    return folder


def test_it_is_short() -> None:
    assert len((OWN / "bigram.py").read_text(encoding="utf-8").splitlines()) < 60


def test_help_lists_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"method={BIGRAM}", "--help"]) == 0
    page = capsys.readouterr().out
    assert "bigram.temperature (float) = 1.0\n      of the distribution of the next word" in page
    assert "bigrams.smoothing (float) = 0.01" in page
    assert main([f"method={BIGRAM}", "bigram.temperatur=2"]) == 2
    assert "did you mean 'bigram.temperature'" in capsys.readouterr().err


def test_its_network_is_an_artefact_like_any_other(done: Path) -> None:
    (folder,) = (done / "store").glob("bigrams-*")
    spec = json.loads((folder / "spec.json").read_text())
    assert spec["config"] == {"smoothing": 0.001} and set(spec["deps"]) == {"corpus", "vocabulary"}
    config = json.loads((done / "out" / "length" / "bigram" / "config.json").read_text())
    loaded = config["identity"]["artefacts"]
    assert loaded["bigrams"] == folder.name and set(loaded) == {"bigrams", "vocabulary"}
    assert config["identity"]["settings"] == {"temperature": 0.5} and config["identity"]["code"]


def test_it_is_sampled_judged_and_compared(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cell = done / "out" / "length" / "bigram"
    samples = [json.loads(line) for line in (cell / "samples.jsonl").read_text().splitlines()]
    scores = [json.loads(line) for line in (cell / "scores.jsonl").read_text().splitlines()]
    assert len(samples) == len(scores) == 6 and all(row["nll"] > 0 for row in scores)
    assert all(sample["words"] for sample in samples)
    table = (done / "out" / "table.md").read_text()
    assert {"bigram", "ft_sample"} <= {row.split(" | ")[0].strip("| ") for row in table.split("\n")}
    assert main(arguments(done, "bigram.temperature=0.5", "bigrams.smoothing=0.001")) == 0
    assert "nothing was left to do" in capsys.readouterr().out


def test_tables_figures_and_the_page_show_it(done: Path) -> None:
    out = done / "out"
    assert guarded(tables_main, [f"run={out}"]) == 0
    tables = [path.read_text() for path in (out / "tables").glob("*.md")]
    assert any("bigram" in text for text in tables)
    assert guarded(plots_main, [f"run={out}"]) == 0
    assert list((out / "figures").glob("*.png"))
    assert guarded(report_main, [f"run={out}"]) == 0
    (page,) = out.glob("*.html")
    assert "bigram" in page.read_text()
