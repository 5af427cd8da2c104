"""``python -m eval.export_lm_eval run=results/SET``: the set as lm-evaluation-harness has one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.run import guarded
from tasks.common.errors import unknown

USAGE = """\
usage: python -m eval.export_lm_eval key=value ...

Writes a result set in the files of lm-evaluation-harness (--log_samples): for each method
OUT/METHOD/results_DATE.json and OUT/METHOD/samples_TASK_DATE.jsonl, a line for each target. Needs
no models.

  python -m eval.export_lm_eval run=results/demo out=exported
"""


@dataclass(frozen=True)
class ExportOptions:
    """What to read and where to write."""

    #: folder of the result set
    run: str = "results/demo"
    #: folder of the files; by default RUN/lm_eval
    out: str | None = None
    #: methods, separated by commas, or all that the set has scores of
    method: str = "all"


def main(given: Sequence[str]) -> None:
    from eval.reading.lm_eval import export
    from eval.reading.results import ResultSet
    from eval.running.config import check_folder
    from eval.running.options import options

    chosen = options(ExportOptions, given, USAGE)
    if chosen is None:
        return
    results = ResultSet(Path(chosen.run))
    stored = list(dict.fromkeys(cell.method for cell in results.cells() if cell.scored))
    names = [name.strip() for name in chosen.method.split(",")]
    for name in names:
        if name not in ("all", *stored):
            raise unknown("method", name, [*stored, "all"])
    folder = Path(chosen.out or f"{chosen.run}/lm_eval")
    check_folder("out", folder)
    for path in export(results, folder, () if "all" in names else names):
        print(path)


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
