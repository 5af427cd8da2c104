"""``python -m eval.report run=results/SET``: one self-contained HTML page of a result set."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.run import guarded
from tasks.common.ranges import Checked, ranged

USAGE = """\
usage: python -m eval.report key=value ...

Writes one HTML page with the tables, the figures, a browser of samples and where every number comes
from. The page loads nothing from anywhere. Needs no GPU and no models.

  python -m eval.report run=results/demo
  python -m eval.report run=results/demo against=results/run-demo-grammar
"""


@dataclass(frozen=True)
class ReportOptions(Checked):
    """What to read, where to write, how much to show."""

    #: folder of the result set
    run: str = "results/demo"
    #: another result set to compare with
    against: str | None = None
    #: file of the page; by default RUN/report.html
    out: str | None = None
    #: targets of each task in the sample browser
    targets: int = ranged(40, least=1, most=10**6)
    #: samples of each target in the sample browser
    samples: int = ranged(5, least=1, most=10**6)


def main(given: Sequence[str]) -> None:
    from eval.reading.page.page import page
    from eval.reading.results import stored
    from eval.running.options import options
    from tasks.common.files import write_text

    chosen = options(ReportOptions, given, USAGE)
    if chosen is None:
        return
    results = stored(chosen.run)
    against = stored(chosen.against) if chosen.against else None
    place = Path(chosen.out or f"{chosen.run}/report.html")
    text = page(results, against, chosen.targets, chosen.samples)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_text(place, text)
    print(f"{place}  {len(text.encode()) / 2**20:.1f} MiB")


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
