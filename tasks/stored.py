"""What is stored with results of the task that they are of.

Readers of results run no code of the user's: where a task from a file is not at hand, this is all
that tables know of it, and its controls are shown by the short form stored with each of them
(``tasks.controls.to_stored``).
"""

from __future__ import annotations

from typing import Any

from tasks.base import Task

#: traits that are stored as they are
TRAITS = ("label", "rank", "example_table", "table", "fills", "fluency")


def facts(task: Task) -> dict[str, Any]:
    """The traits of ``task`` that readers want, as JSON. ``pooled``: the names of its metrics of
    all samples together, which the task alone can put together."""
    return {
        **{trait: getattr(task, trait) for trait in TRAITS},
        "metrics": dict(task.metrics),
        "headlines": list(task.headlines),
        "running": list(task.running),
        "paper_metrics": sorted(task.paper_metrics),
        "pooled": sorted(task.pooled),
    }
