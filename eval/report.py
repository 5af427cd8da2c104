"""``python -m eval.report run=results/SET``: one self-contained HTML page of a result set, or of a
folder of them an index with a page for each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.run import guarded
from tasks.common.ranges import Checked, ranged

USAGE = """\
usage: python -m eval.report key=value ...

Writes one HTML page with the finding, the tables, the figures, a browser of samples and where every
number comes from. The page loads nothing from anywhere. Of a folder of result sets it writes an
index, and the page of each set beside it. Needs no GPU and no models.

  python -m eval.report run=results/demo
  python -m eval.report run=results/demo against=results/run-demo-grammar
  python -m eval.report run=results/small-e2e data=DIR    human texts beside the samples
  python -m eval.report run=results                       an index of all sets
"""


@dataclass(frozen=True)
class ReportOptions(Checked):
    """What to read, where to write, how much to show."""

    #: folder of the result set, or of several
    run: str = "results/demo"
    #: another result set to compare with
    against: str | None = None
    #: file of the page; by default RUN/report.html, of an index RUN/index.html. The pages of an
    #: index's sets are SET/report.html beside it
    out: str | None = None
    #: folder of the set's corpus, for human texts in the sample browser. The embedded corpora need
    #: none. Do not publish a page that holds texts of others
    data: str | None = None
    #: targets of each task in the sample browser
    targets: int = ranged(40, least=1, most=10**6)
    #: samples of each target in the sample browser
    samples: int = ranged(5, least=1, most=10**6)


def main(given: Sequence[str]) -> None:
    from eval.reading.page.index import sets_in
    from eval.reading.page.page import page
    from eval.reading.results import ResultSet
    from eval.running.options import options

    chosen = options(ReportOptions, given, USAGE)
    if chosen is None:
        return
    folder = Path(chosen.run)
    if sets := sets_in(folder):
        _index(chosen, folder, sets)
        return
    against = ResultSet(Path(chosen.against)) if chosen.against else None
    text = page(ResultSet(folder), against, chosen.targets, chosen.samples, _data(chosen))
    _write(Path(chosen.out or f"{chosen.run}/report.html"), text)


def _data(chosen: ReportOptions) -> Path | None:
    return Path(chosen.data) if chosen.data else None


def _index(chosen: ReportOptions, folder: Path, sets: Sequence[Path]) -> None:
    from eval.reading.page.index import index
    from eval.reading.page.page import page
    from eval.reading.results import ResultSet
    from tasks.common.errors import UserError

    for key in ("against", "data"):
        if getattr(chosen, key):
            raise UserError(f"{key}= is of one result set, and {folder} holds {len(sets)}")
    place = Path(chosen.out or folder / "index.html")
    read = {f"{path.name}/report.html": ResultSet(path) for path in sets}
    text = index(folder, read)
    for href, results in read.items():
        home = f"../{place.name}"
        _write(place.parent / href, page(results, None, chosen.targets, chosen.samples, home=home))
    _write(place, text)


def _write(place: Path, text: str) -> None:
    from tasks.common.files import write_text

    place.parent.mkdir(parents=True, exist_ok=True)
    write_text(place, text)
    print(f"{place}  {len(text.encode()) / 2**20:.1f} MiB")


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
