"""``python -m docs.made``: whether picture and tables are those of the stored results."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from docs.made.picture import pictures
from docs.made.tables import ROOT, tables
from eval.run import guarded
from tasks.common.errors import UserError
from tasks.common.files import write_text

USAGE = """\
usage: python -m docs.made [--write]

Names the tables and pictures of README.md and docs/ that are not those of the stored results, and
with --write makes them anew. The site is built with: mkdocs build --strict
"""


def stale() -> dict[Path, str]:
    """Path -> what should stand there, of files that hold something else."""
    made = {**pictures(), **tables()}
    return {
        path: text
        for path, text in made.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def main(given: Sequence[str]) -> None:
    if {"--help", "-h"} & set(given):
        print(USAGE)
        return
    if set(given) - {"--write"}:
        raise UserError(
            f"unknown argument '{next(iter(set(given) - {'--write'}))}' (valid: --write)"
        )
    old = stale()
    names = ", ".join(str(path.relative_to(ROOT)) for path in old) or "nothing"
    if "--write" in given:
        for path, text in old.items():
            write_text(path, text)
        print(f"made anew: {names}")
    elif old:
        raise UserError(f"stale: {names} (python -m docs.made --write makes them anew)")


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
