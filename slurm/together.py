"""One artefact built by several processes: the first one builds, the others train along with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.progress import Progress, silent

if TYPE_CHECKING:
    from eval.running.runner import Run
    from tasks.common.recipe import Folders, Recipe


def build_together(run: Run, recipe: Recipe) -> None:
    """Builds ``recipe`` with all processes that were started for this job.

    The first one holds the artefact's lease and does all reading and writing around the training;
    it tells the others when to come in, and when there is nothing (more) to train.
    """
    from models.nets import parallel

    parallel.start(cpu=run.plan.device.type == "cpu")
    if parallel.rank() == 0:

        def led(folder: Path, deps: Folders, progress: Progress) -> None:
            parallel.tell((str(folder), {role: str(path) for role, path in deps.items()}))
            recipe.build(folder, deps, progress)

        run.build([replace(recipe, build=led)])
        parallel.tell(None)
        return
    while (message := parallel.tell()) is not None:
        folder, deps = message
        try:
            recipe.build(Path(folder), {role: Path(path) for role, path in deps.items()}, silent)
        except parallel.Follower:
            continue
