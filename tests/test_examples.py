"""The methods of ``examples/``: short, with options on the command line, from there to a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baselines import METHODS
from eval.run import main
from tests.stored import ROOT

EXAMPLES = ROOT / "examples"
RETRIEVAL = f"{EXAMPLES / 'retrieval.py'}:Retrieval"
PROGRAM = f"{EXAMPLES / 'program.py'}:Program"
#: a program that answers its request in capitals, and ends with its seed
ANSWER = 'sh -c "tr a-z A-Z; echo $SEED"'


@pytest.fixture(scope="module", autouse=True)
def _forget() -> Iterator[None]:
    """Other tests know nothing of these files' classes."""
    before = dict(METHODS._files)
    yield
    METHODS._files.clear()
    METHODS._files.update(before)


def arguments(folder: Path, *more: str) -> list[str]:
    small = ["targets=3", "samples=2", "threads=1", f"method={RETRIEVAL},{PROGRAM}"]
    return [*small, f"out={folder / 'out'}", f"store={folder / 'store'}", *more]


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_first_example_fits_15_lines_and_shows_every_field() -> None:
    text = (EXAMPLES / "retrieval.py").read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line.strip()]) <= 15
    for name in ("index=", "words=", "tokens=", "nfe=", "seconds=", "target_id=", "samples="):
        assert name in text
    assert max(map(len, text.splitlines())) <= 100


def test_help_lists_the_options_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"method={PROGRAM}", "--help"]) == 0
    page = capsys.readouterr().out
    assert "program.command (str) = cat\n      the program; it finds a seed" in page
    for key in ("with", "columns", "legend"):
        assert f"\n  {key} (" in page
    assert main([f"method={PROGRAM}", "program.comand=x"]) == 2
    assert "did you mean 'program.command'" in capsys.readouterr().err
    assert main(["beside=demo"]) == 2
    assert "unknown key 'beside'" in capsys.readouterr().err


def test_they_run_beside_the_stored_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(tmp_path, f"program.command={ANSWER}", "task=length,semantic_content")
    assert main(given) == 0
    shown = capsys.readouterr().out
    assert "diffusion_lm was not run here: its row is that of results/demo" in " ".join(
        shown.split()
    )
    out = tmp_path / "out"
    for task in ("length", "semantic_content"):
        # a training text with the very control is one that does what was asked
        records = read(out / task / "retrieval" / "scores.jsonl")
        scores = [next(iter(record["scores"].values())) for record in records]
        assert scores == [1.0] * 6
        counts = [
            json.loads((out / task / name / "config.json").read_text())["copied"]
            for name in ("retrieval", "program")
        ]
        assert counts == [{"copied": 6, "texts": 6}, {"copied": 0, "texts": 6}]
    rows = read(out / "length" / "program" / "samples.jsonl")
    words = [tuple(row["words"]) for row in rows]
    assert all(row[:3] == ("THE", "TEXT", "HAS") for row in words)
    assert len({row[-1] for row in words}) == 6  # a seed for each sample
    table = (out / "table.md").read_text()
    assert "| less diffusion_lm | stored in |" in table and "| retrieval |  | len_exact |" in table
    assert main(given) == 0
    assert capsys.readouterr().out.startswith("nothing was left to do")
