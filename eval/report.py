"""``python -m eval.report run=results/SET``: one self-contained HTML page of a result set."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.run import guarded

USAGE = """\
usage: python -m eval.report key=value ...

Writes one HTML page with the tables, the figures, a browser of samples and where every number comes
from. The page loads nothing from anywhere. Needs no GPU and no models.

  python -m eval.report run=results/demo
  python -m eval.report run=results/demo against=results/run-demo-grammar
"""


@dataclass(frozen=True)
class ReportOptions:
    """What to read, where to write, how much to show."""

    #: folder of the result set
    run: str = "results/demo"
    #: another result set to compare with
    against: str | None = None
    #: file of the page; by default RUN/report.html
    out: str | None = None
    #: targets of each task in the sample browser
    targets: int = 40
    #: samples of each target in the sample browser
    samples: int = 5


def main(given: Sequence[str]) -> None:
    from eval.reading.page.page import page
    from eval.reading.results import ResultSet
    from eval.running.options import options
    from tasks.common.errors import UserError
    from tasks.common.files import write_text

    chosen = options(ReportOptions, given, USAGE)
    if chosen is None:
        return
    for name in ("targets", "samples"):
        if getattr(chosen, name) < 1:
            raise UserError(f"{name}={getattr(chosen, name)}: at least 1")
    results = ResultSet(Path(chosen.run))
    against = ResultSet(Path(chosen.against)) if chosen.against else None
    place = Path(chosen.out or f"{chosen.run}/report.html")
    text = page(results, against, chosen.targets, chosen.samples)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_text(place, text)
    print(f"{place}  {len(text.encode()) / 2**20:.1f} MiB")


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
