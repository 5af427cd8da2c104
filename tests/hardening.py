"""Bad inputs tried and faults survived, counted by the tests that try them.

A module ``tests/test_hardening_*.py`` says in ``TRIED`` what it tries; ``python -m
tests.hardening`` prints the table of docs/robustness.md, and ``--write`` writes it there.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "robustness.md"
BEGIN, END = "<!-- made by python -m tests.hardening --write -->", "<!-- end -->"


@dataclass(frozen=True)
class Tried:
    """``boundary``: where the input comes in ("command line", "samples file", "checkpoint");
    ``kind``: what is wrong with it, as a reader would say it; ``count``: how many inputs a run of
    the tests tries, the most that hypothesis draws included; ``result``: what is asserted."""

    boundary: str
    kind: str
    count: int
    result: str = "one line, exit code 2, folders as they were"


def tried() -> Iterator[Tried]:
    """What all modules try, by module and then as they list it."""
    here = str(Path(__file__).parent)
    if here not in sys.path:  # where pytest finds what the modules share
        sys.path.insert(0, here)
    for path in sorted(Path(__file__).parent.glob("test_hardening_*.py")):
        yield from importlib.import_module(f"tests.{path.stem}").TRIED


def table() -> str:
    rows = sorted(tried(), key=lambda one: one.boundary)
    total = sum(one.count for one in rows)
    lines = ["| where | what is wrong with it | tried | what must happen |", "|---|---|--:|---|"]
    lines += [f"| {one.boundary} | {one.kind} | {one.count} | {one.result} |" for one in rows]
    return "\n".join([*lines, f"| all | | {total} | |"])


def page(text: str) -> str:
    """The page with its table made anew."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(table())
