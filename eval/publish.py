"""``python -m eval.publish key=value ...``: copies the trained artefacts that a run needs from its
store into its ``prebuilt`` folder, from where later runs read them instead of training.

The keys are those that ``python -m eval.run`` with the same arguments asks for. Corpora and what is
read off them in seconds are left out: they are rebuilt where they are needed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from eval.run import guarded
from eval.running.hub import LEFT_OUT as LEFT_OUT
from tasks.common.errors import UserError
from tasks.common.shipped import SHIPPED, installed, ready

USAGE = """\
usage: python -m eval.publish key=value ...

Copies the trained artefacts that a run needs from its store into its prebuilt folder.

  python -m eval.publish task=all method=all

Keys, with type, default and meaning, are those of python -m eval.run:
"""


def main(given: Sequence[str]) -> None:
    from eval.running.help import asks_help

    if asks_help(given, USAGE):
        return
    for place in publish(given):
        size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        print(f"{place}  {size / 2**20:.1f} MiB")


def publish(given: Sequence[str]) -> list[Path]:
    """Copies the artefacts; raises ``UserError`` naming the first one that is not built yet, or
    that links to something elsewhere, before anything is copied."""
    from eval.running.command import parse
    from eval.running.display import Display
    from eval.running.runner import Run
    from eval.running.store import Store

    config = parse(given)
    places = ready(config.prebuilt)
    if not places or (installed() and config.prebuilt.startswith(SHIPPED)):
        raise UserError("name the folder to copy them into: prebuilt=DIR")
    target = places[0]
    run = Run(config, Display(), given)
    recipes = [r for job in run.cells for r in job.recipes.values()]
    recipes += run.judges.values()
    store = Store(Path(config.store))
    wanted = {r.key: r for r in recipes if r.spec.kind not in LEFT_OUT}
    for key in wanted:
        if not store.find(key):
            raise UserError(f"{key} is not built yet: run python -m eval.run first")
        store.refuse_links(key)
    target.mkdir(parents=True, exist_ok=True)
    return [store.export(recipe, target) for recipe in wanted.values()]


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
