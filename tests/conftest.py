"""Every test is ``slow``, where ``slow.txt`` names it, or ``fast``: ``pytest -m fast`` runs those.

``slow.txt`` holds what took :data:`LIMIT` seconds or more: tests (``test_x.py::test_y``), modules
(``test_x.py``), and fixtures that a module's tests share (``test_x.py(fixture)``), by which all who
use them are slow. A new test is fast; after a run of ``-m fast`` those that are not are named. To
add the slow tests of a run to the list:

    python -m pytest -m fast --durations=0 | python tests/conftest.py
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from built import installed, site, wheel

__all__ = ["installed", "site", "wheel"]

# the networks of tests are tiny: a second thread costs more than it gives, and on a busy machine
# threads that wait for each other take many times as long
os.environ.setdefault("OMP_NUM_THREADS", "1")
# committed samples were made by the bf16 kernels of AVX-512: those of AMX round otherwise
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")

SLOW = Path(__file__).with_name("slow.txt")
#: seconds from which on a test counts as slow
LIMIT = 0.25
#: longer ones that are fast all the same: from a command line to samples, and these the committed
KEPT = ("test_committed_samples.py",)
#: files of minutes, the longest first: they start first, so that no process waits for another's
LONGEST = (
    "test_slurm_real.py",
    "test_readme_blocks.py",
    "test_plots.py",
    "test_first_morning.py",
    "test_site_browser.py",
    "test_hardening_torture.py",
)
#: a line of pytest's list of durations
DURATION = re.compile(r"^([\d.]+)s (?:setup|call|teardown) +tests/(\S+\.py::.*?) *$")


def slow_names() -> list[str]:
    return SLOW.read_text(encoding="utf-8").splitlines() if SLOW.exists() else []


def covers(names: set[str], node: str, fixtures: Iterable[str] = ()) -> bool:
    """Whether a test, as ``test_x.py::test_y[z]``, its module, all its parameters or one of its
    fixtures is named."""
    module = node.split("::")[0]
    shared = {f"{module}({fixture})" for fixture in fixtures}
    return bool(names & {node, node.split("[")[0], module, *shared})


def slow_tests(log: Iterable[str]) -> list[str]:
    """Names of the tests that took too long in a run with ``--durations=0``."""
    spent: Counter[str] = Counter()
    for line in log:
        if found := DURATION.match(line):
            spent[found[2]] += float(found[1])
    long = (name for name, seconds in spent.items() if seconds >= LIMIT)
    return sorted(name for name in long if not name.startswith(KEPT))


def place(item: pytest.Item) -> int:
    name = item.path.name
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=place)
    names = set(slow_names())
    for item in items:
        node = item.nodeid.removeprefix("tests/")
        slow = covers(names, node, getattr(item, "fixturenames", ()))
        item.add_marker(pytest.mark.slow if slow else pytest.mark.fast)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names fast tests that are not: a hint, as the machine may have been busy."""
    if terminalreporter.config.option.markexpr != "fast":
        return
    spent: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                spent[report.nodeid] += report.duration
    found = [(seconds, name) for name, seconds in spent.items() if seconds >= 10 * LIMIT]
    for seconds, name in sorted(found, reverse=True):
        terminalreporter.write_line(f"not fast ({seconds:.1f} s), see tests/conftest.py: {name}")


if __name__ == "__main__":
    known = slow_names()
    found = [name for name in slow_tests(sys.stdin) if not covers(set(known), name)]
    SLOW.write_text("\n".join(sorted([*known, *found])) + "\n", encoding="utf-8")
    print(f"{len(found)} added: {', '.join(found)}")
