"""What a result set says of a task from a file, so that it reads well where the file is not named.

Samples and scores are shown in full; nothing can be drawn, prompted or scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from tasks.base import Annotation, Corpus, Score, Target, Task, Text, Words
from tasks.common.errors import UserError
from tasks.controls import Control

#: traits that are stored as they are
TRAITS = ("version", "label", "rank", "table", "fills", "fluency", "quotes", "recurs", "composes")


def facts(task: Task) -> dict[str, Any]:
    """The traits of ``task`` as JSON."""
    return {
        "name": task.name,
        **{trait: getattr(task, trait) for trait in TRAITS},
        "metrics": dict(task.metrics),
        "headlines": list(task.headlines),
        "running": list(task.running),
        "paper_metrics": sorted(task.paper_metrics),
        "pooled": sorted(task.pooled),
    }


class StoredTask(Task):
    """A task of which its :func:`facts` alone are at hand; without its metrics that are of all
    samples together, since the task alone can put them together. Raises ``UserError`` for facts
    that are damaged, and wherever the task itself would be needed."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        super().__init__()
        try:
            self.name, pooled = str(stored["name"]), set(stored["pooled"])
            self.metrics = {k: str(v) for k, v in stored["metrics"].items() if k not in pooled}
            self._headlines = tuple(k for k in stored["headlines"] if k not in pooled)
            self._running = tuple(k for k in stored["running"] if k not in pooled)
            for trait in TRAITS:
                setattr(self, trait, stored[trait])
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"the stored facts of a task are damaged: {error!r}") from None

    @property
    def headlines(self) -> tuple[str, ...]:
        return self._headlines

    @property
    def running(self) -> tuple[str, ...]:
        return self._running

    def _lacking(self) -> NoReturn:
        raise UserError(
            f"the task {self.name} is not at hand: name its file, as task=FILE.py:CLASS"
        )

    def targets(self, corpus: Corpus, n: int, source: str, seed: int) -> list[Target]:
        self._lacking()

    def examples(self, texts: Iterable[Text], seed: int) -> Iterator[tuple[Control, Words]]:
        self._lacking()

    def prompt(self, control: Control) -> list[str]:
        self._lacking()

    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        self._lacking()

    def score(self, target: Target, annotation: Annotation) -> Mapping[str, Score]:
        self._lacking()
