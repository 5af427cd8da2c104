"""How fast the machine trains and decodes, measured in the time that is left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eval.running.command import parse
from eval.running.config import RunConfig
from tasks.common.files import json_text, write_text
from tasks.common.schema import read_json

#: what comes home, beside the curves
BENCH = "bench.json"
#: the figure that comes last
LAST = "peak memory GiB"
#: of the networks and methods that are measured all, with what the originals do not do
EVERY = "all"


def benched(given: Sequence[str], methods: str) -> RunConfig | None:
    """The settings of a run, ``given`` as typed, with these methods and no floor; None where there
    are none. Raises ``UserError`` for a method that is not known."""
    if not methods:
        return None
    kept = [one for one in given if not one.startswith(("method=", "floor="))]
    return parse([*kept, f"method={methods}", "floor=0"])


def complete(path: Path) -> bool:
    """Whether an earlier visit measured everything."""
    return path.exists() and LAST in read_json(path, dict[str, Any])


def measure(config: RunConfig, path: Path, every: bool) -> None:
    """Writes the figures of ``eval.bench`` to ``path``, each as soon as it is known. Raises
    ``Stopped`` when it is asked to."""
    from eval.studies.bench import Bench

    with TemporaryDirectory() as folder:

        def say(line: str) -> None:
            print(line, flush=True)
            write_text(path, json_text(bench.figures, indent=1))

        bench = Bench(config, Path(folder), say)
        bench.run(compare=every)
        write_text(path, json_text(bench.figures, indent=1))
