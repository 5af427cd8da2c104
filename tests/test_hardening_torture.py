"""A handful of kills at random moments; ``python -m tests.torture kills=200`` for a long run, or
``TORTURE=200`` in the environment of this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.hardening import Tried

ROOT = Path(__file__).resolve().parent.parent
KILLS = 6


def test_nothing_is_lost_changed_or_left_behind() -> None:
    """In training, sampling and judging in turn; a long run kills local sweeps too, whose workers
    take most of the time to start."""
    kills = int(os.environ.get("TORTURE", KILLS))
    kinds = "train,sample,judge" + (",sweep" if "TORTURE" in os.environ else "")
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", f"kills={kills}", f"kinds={kinds}", "seed=1"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{kills} kills in " in done.stdout and "; 0 differences" in done.stdout


TRIED = (
    Tried(
        "process",
        "SIGKILL, SIGTERM, SIGINT at random moments of training, sampling and judging",
        KILLS,
        "the rerun ends with the bytes of an undisturbed run, and leaves nothing behind",
    ),
)
