"""A task of the user's own, under 60 lines, and with it a method of their own, to the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_own import BIGRAM, OWN

from eval.plots import main as plots_main
from eval.report import main as report_main
from eval.run import guarded, main
from eval.tables import main as tables_main

LAST_WORD = f"{OWN / 'last_word.py'}:OwnLastWordTask"
#: the networks of ft_sample, which is trained for the task, are small
TINY = [
    *("targets=3", "samples=2", "floor=2", "threads=1"),
    *("finetune.layers=1", "finetune.width=16", "finetune.heads=2"),
    *("finetune.train.steps=20", "finetune.train.batch=4"),
    *("lm.layers=1", "lm.width=16", "lm.heads=2", "lm.train.steps=20", "lm.train.batch=4"),
]


def from_command_line_to_page(folder: Path, task: str, methods: str, *more: str) -> Path:
    """``eval.run``, ``eval.tables``, ``eval.plots`` and ``eval.report`` on the demo's corpus."""
    out = folder / "out"
    given = [f"task={task}", f"method={methods}", *TINY, f"out={out}", f"store={folder / 'store'}"]
    assert main([*given, *more]) == 0
    for command in (tables_main, plots_main, report_main):
        assert guarded(command, [f"run={out}"]) == 0
    return out


def test_a_task_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len((OWN / "last_word.py").read_text().splitlines()) < 60
    out = from_command_line_to_page(tmp_path, LAST_WORD, f"{BIGRAM},ft_sample,diffusion_lm")
    cell = out / "own_last_word" / "ft_sample"
    scores = [json.loads(line) for line in (cell / "scores.jsonl").read_text().splitlines()]
    assert len(scores) == 6 and all("ends_right" in row["scores"] for row in scores)
    (page,) = out.glob("*.html")
    assert "own_last_word" in page.read_text() and "ends_right" in page.read_text()
    assert "ends_right" in (out / "table.md").read_text()
    # a control that says itself generically is shown with the samples
    assert "OwnLastWord(" not in capsys.readouterr().out
    # Diffusion-LM has no guide of it, and says so
    assert "n/a" in (out / "table.md").read_text()
