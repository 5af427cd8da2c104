"""Nothing is read or scored over and over between the command line and the table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from stored import ROOT

RUN = "task=syntax_spans method=ft_sample targets=2 samples=2 floor=4 threads=1"


def test_a_sample_is_scored_once_and_targets_are_read_twice(tmp_path: Path) -> None:
    """Once for the run, and once for its tables."""
    command = [sys.executable, str(ROOT / "tests" / "trace_run.py"), str(tmp_path / "out")]
    store = f"store={tmp_path / 'store'}"
    done = subprocess.run([*command, *RUN.split(), store], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["code"] == 0
    assert found["targets_read"] == 2
    assert len(found["scorings"]) == 4 and set(found["scorings"].values()) == {1}
