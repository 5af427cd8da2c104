"""The targets of a run: where they come from, and what results keep of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines import METHODS
from eval.running.cells import TARGETS, Cell, read_targets, withheld, write_targets
from eval.running.config import RunConfig
from eval.running.plan import Plan
from eval.running.scoring import FLOOR
from tasks.base import Corpus, Tag, Target
from tasks.common.errors import UserError
from tasks.common.files import file_digest
from tasks.common.recipe import Recipe
from tasks.controls import Length, Withheld
from tasks.corpora import tokenizer, traits
from tasks.given import read_given
from tasks.stored import facts
from tasks.typed import Known


class TargetLists:
    """``corpus``: reads the corpus of a recipe that is built."""

    def __init__(
        self, folder: Path, config: RunConfig, plan: Plan, corpus: Callable[[Recipe], Corpus]
    ) -> None:
        self.folder, self.config, self.plan, self.corpus = folder, config, plan, corpus
        self._drawn: dict[str, list[Target]] = {}
        self._stored: dict[str, list[Target]] = {}

    def cell(self, task: str) -> Cell:
        """Where a task's targets are stored; two runs with its identity have the same ones."""
        identity = {
            "task_version": self.plan.task(task).version,
            "targets": self.config.targets,
            "source": self.config.source,
            "seed": self.config.seed,
            "longest": self.config.longest,
            "texts": self.plan.texts_for(task).key,
            **{role: recipe.key for role, recipe in self.judges(task).items()},
        }
        if self.config.controls:
            identity["controls"] = file_digest(Path(self.config.controls))
        if self.plan.task(task).digest:
            identity["code"] = self.plan.task(task).digest
        return Cell(self.folder / task, identity)

    def forget(self) -> None:
        """Reads the stored lists anew when they are next asked for."""
        self._stored.clear()

    def judges(self, task: str) -> dict[str, Recipe]:
        """The oracles that targets themselves hang on."""
        return {"tagger": self.plan.role("tagger")} if "tags" in self.plan.task(task).needs else {}

    def stored(self, task: str | None) -> list[Target]:
        """As results have them; the floor has no task and one stand-in."""
        if task is None:
            return [Target(FLOOR, Length(1))]
        if task not in self._stored:
            self._stored[task] = read_targets(self.folder / task / TARGETS)
        if not self._stored[task]:  # not chosen yet, perhaps by another process
            return self._stored.pop(task)
        return self._stored[task]

    def full(self, task: str | None) -> list[Target]:
        """The targets as generators and judges need them, with what results may not store.

        Raises ``UserError`` where the corpus no longer gives the stored ones."""
        stored = self.stored(task)
        if task is None or not self.plan.task(task).quotes:
            return stored
        targets = self.sources(task)
        for old, new in zip(stored, targets, strict=False):
            control = withheld(new.control) if isinstance(old.control, Withheld) else new.control
            if (old.id, old.control) != (new.id, control):
                raise UserError(f"target {old.id} of {self.folder / task} is not in the corpus")
        return targets

    def choose(self, task: str, tag: Tag, record: Mapping[str, Any]) -> None:
        """Draws the targets of a task and stores them; ``tag``: of the oracle tagger, for a task
        that asks for tags; ``record``: their provenance."""
        targets = self.chosen(task, tag)
        self.refuse_long(task, targets)
        cell = self.cell(task)
        # ids begin with the list that a target came from
        origin = "own" if self.config.controls else targets[0].id.split("-")[0]
        cell.write_config(drawn_from=origin, task=facts(self.plan.task(task)), **record)
        withhold = self.plan.task(task).quotes and not traits(self.config.corpus).embedded
        write_targets(cell.folder / TARGETS, targets, withhold)
        self._stored.pop(task, None)

    def chosen(self, task: str, tag: Tag) -> list[Target]:
        """The targets of :meth:`sources` as they are asked for: with the tagger's tags, where the
        task asks for any."""
        targets = self.sources(task)
        return self.plan.task(task).retag(targets, tag) if self.judges(task) else targets

    def refuse_long(self, task: str, targets: Sequence[Target]) -> None:
        """Raises ``UserError`` for a target that needs more words than a text of one of the run's
        methods can have."""
        repair = [self.config.repair] if self.config.repair else []
        for method in [*self.config.methods, *repair]:
            self.check_room(task, method, targets)

    def check_room(self, task: str, method: str, targets: Sequence[Target]) -> None:
        """Raises ``UserError`` for a target that asks for more words than a text of the method can
        have."""
        room = METHODS.card(method).room(self.config, self.plan.task(task))
        for before, target in enumerate(targets):
            words = target.control.needed_words
            if room is not None and words > room:
                # a released list is taken as it is, whatever longest= says
                fewer = f"targets={before} ends before it, " if before else ""
                raise UserError(
                    f"target {target.id} of {task} needs {words} words, but a text of {method} "
                    f"has at most {room}: {fewer}choose another longest= or a longer network"
                )

    def known(self) -> Known:
        """What controls of the user's own are held against; the corpus is there."""
        texts = self.corpus(self.plan.role("corpus")).train
        return Known(texts, tokenizer(self.config.corpus))

    def sources(self, task: str) -> list[Target]:
        """The targets of a task with the human texts behind them, drawn once.

        Targets drawn from validation texts are those of at most ``longest`` words; a released list
        is taken as it is, and so are controls of the user's own.
        """
        if task not in self._drawn:
            self._drawn[task] = self._draw(task)
        return self._drawn[task]

    def _draw(self, task: str) -> list[Target]:
        config = self.config
        if config.controls:
            return read_given(Path(config.controls), self.plan.task(task), self.known())
        texts = self.corpus(self.plan.texts_for(task))
        return self.plan.task(task).draw(
            texts, config.targets, config.source, config.seed, config.longest
        )
