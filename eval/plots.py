"""``python -m eval.plots run=results/SET``: figures from stored results alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.run import guarded
from tasks.common.commands import typed

USAGE = """\
usage: python -m eval.plots key=value ...

Draws the paper's figures and some more from a stored result set, each as PDF and PNG. Needs no GPU
and no models. A figure whose data is not stored is left out, with the command that makes it.

  python -m eval.plots run=results/demo
"""


@dataclass(frozen=True)
class PlotsOptions:
    """What to read and where to write."""

    #: folder of the result set
    run: str = "results/demo"
    #: folder of the figures; by default RUN/figures
    out: str | None = None


def main(given: Sequence[str]) -> None:
    from eval.running.options import options

    chosen = options(PlotsOptions, given, USAGE)
    if chosen is None:
        return
    from eval.reading.figures.build import write_figures
    from eval.reading.results import stored

    folder = Path(chosen.out or f"{chosen.run}/figures")
    for plot, reason in write_figures(stored(chosen.run), folder):
        print(f"{plot.name}: {'not drawn: ' + typed(reason) if reason else plot.title}")
    print(f"figures: {folder}/")


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
