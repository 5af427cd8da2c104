"""``examples/first_morning.sh`` in an empty folder, with nothing but the wheel installed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest
from built import ROOT

SCRIPT = ROOT / "examples" / "first_morning.sh"
#: commands of the script, at most
MOST = 10
#: seconds of CPU, at most: what it takes is about half of it
LIMIT = 180


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_ten_commands_from_a_wheel_to_a_report(
    installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PWD")}
    path = f"{installed.parent}{os.pathsep}{os.environ['PATH']}"
    fixed = {"PATH": path, "COLUMNS": "100", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(SCRIPT)], cwd=tmp_path, env=kept | fixed, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    # the script ends at the first command that fails
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    commands = [line for line in done.stdout.splitlines() if line.startswith("$ control-bench ")]
    assert 8 <= len(commands) <= MOST
    with capsys.disabled():
        took = done.stdout.splitlines()[-1]
        print(f"\n{len(commands)} commands, {spent:.0f} s of CPU; {took}")
    assert spent < LIMIT
    # networks of the corpus of one's own alone: the others come with the wheel
    stages = [line.partition("] ")[2] for line in done.stdout.splitlines() if line[:1] == "["]
    assert [stage for stage in stages if stage.startswith("train ")] == [
        "train the language model",
        "train the teacher of lm-score",
        "train the future discriminator of semantic_content",
    ]

    # the first command
    assert "human text" in (tmp_path / "results/run-demo-grammar/table.md").read_text()
    # mine beside the stored ones, with paired differences
    table = (tmp_path / "mine" / "table.md").read_text()
    assert "| retrieval |  | len_exact |" in table
    stored = "| diffusion_lm | results/demo | len_exact |"
    assert stored in table and "| less diffusion_lm | stored in |" in table
    assert "mine:retrieval against demo:diffusion_lm" in done.stdout
    # a control of one's own
    made = [lines(tmp_path / f"nine.{name}.jsonl") for name in ("diffusion_lm", "fudge")]
    assert [len(rows) for rows in made] == [3, 3]
    assert all(len(row["words"]) == 9 for row in made[0])
    # texts of another program, and a corpus of one's own
    table = (tmp_path / "river" / "table.md").read_text()
    assert "| river |  | len_exact |" in table and "| retrieval | mine | len_exact |" in table
    assert stored in table and len(lines(tmp_path / "river/length/river/samples.jsonl")) == 40
    own = (tmp_path / "moods" / "table.md").read_text()
    assert "| fudge | value_stated |" in own and "| ft_sample | value_stated |" in own
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "retrieval" in page and "<script src" not in page
