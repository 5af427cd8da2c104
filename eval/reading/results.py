"""A stored result set as it is on disk, for whatever reads one: tables, figures, the report.

Nothing here loads a model or a corpus. What is missing is said with the command that makes it.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines import METHODS
from eval.reading import names
from eval.reading.names import NOTHING, Record, TaskTraits
from eval.running.cells import (
    ANNOTATIONS,
    CONFIG,
    SAMPLES,
    SCORES,
    TARGETS,
    read_samples,
    read_targets,
)
from eval.running.scoring import FLOOR, HUMAN
from models.base import Card
from tasks import known, load_task
from tasks.base import Target, Task, Words
from tasks.common.errors import UserError
from tasks.common.jsonl import read
from tasks.controls import Control

if TYPE_CHECKING:
    from eval.running.config import RunConfig

RUN = "run.json"


@dataclass(frozen=True)
class Judged:
    """``reading``: the oracles' ``tree`` and ``tags`` of a text under one control. ``task``: the
    one that the control is of, where it is at hand."""

    control: Control
    reading: Mapping[str, Any]
    task: Task | None = None


@dataclass(frozen=True)
class CellFiles:
    """What one method stored for one task."""

    task: str
    method: str
    folder: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        return read_json(self.folder / CONFIG)

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        """Each with its share of the wall time as ``seconds``, where that is known."""
        records = read_samples(self.folder)
        return _checked(self.folder / SAMPLES, records, ("target", "index", "words"))

    @cached_property
    def scores(self) -> list[dict[str, Any]]:
        return _records(self.folder / SCORES, ("target", "index", "scores"))

    @cached_property
    def annotations(self) -> dict[Words, dict[str, Any]]:
        """What this cell's judges said of each text that they read."""
        judges, readings = self.config.get("judges", {}), dict[Words, dict[str, Any]]()
        for record in _records(self.folder / ANNOTATIONS, ("words",)):
            by = record.pop("judges", {})
            if all(judges.get(role, name) == name for role, name in by.items()):
                words = tuple(record.pop("words"))
                readings[words] = readings.get(words, {}) | record
        return readings

    def judged(self, target: Target, words: Words) -> list[Judged]:
        """What the judges said of ``words`` under each control of ``target``."""
        if not known(self.task):
            return [Judged(target.control, self.annotations.get(words, {}))]
        judged = []
        for part, part_target in load_task(self.task).split(target):
            reading = self.annotations.get(part.view(part_target, words), {})
            judged.append(Judged(part_target.control, reading, part))
        return judged

    @property
    def scored(self) -> bool:
        return bool(self.scores)


class ResultSet:
    """The folder ``results/SET``, or what of it belongs to some ``tasks``, whether they are begun
    or not. Raises ``UserError`` for a folder that is none."""

    def __init__(self, folder: Path, tasks: Sequence[str] = ()) -> None:
        self.folder = folder
        self._cells: dict[tuple[str, str], CellFiles] = {}
        self._scores: dict[Path, list[dict[str, Any]]] = {}
        self._targets: dict[str, list[Target]] = {}
        self._cards: dict[str, Record] = {}
        self._task_records: dict[str, Record] = {}
        if not folder.is_dir():
            raise UserError(f"there is no result set {folder}{_nearest(folder)}")
        self.tasks = list(tasks) or self._tasks()
        if not self.tasks:
            raise UserError(
                f"{folder} is no result set: no folder in it has a {TARGETS} "
                "(python -m eval.run makes one)"
            )

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @cached_property
    def run(self) -> dict[str, Any]:
        """``run.json``: the settings of the last run; empty where there is none."""
        path = self.folder / RUN
        return read_json(path) if path.exists() else {}

    @property
    def settings(self) -> Mapping[str, Any]:
        """The resolved settings, from ``run.json`` or else from a cell."""
        stored = self.run.get("config")
        if stored is None:
            stored = next((c.config["config"] for c in self.cells() if "config" in c.config), {})
        return stored if isinstance(stored, dict) else {}

    def config(self, store: str, prebuilt: str) -> RunConfig:
        """The settings of the set's run, with artefacts elsewhere. Raises ``UserError`` where they
        are not stored."""
        from pydantic import TypeAdapter

        from eval.running.config import run_config

        if not self.settings:
            raise UserError(f"{self.folder} has no {RUN}: its settings are not known")
        config: RunConfig = TypeAdapter(run_config()).validate_python(dict(self.settings))
        return dataclasses.replace(config, store=store, prebuilt=prebuilt)

    @property
    def corpus(self) -> str:
        return str(self.settings.get("corpus", ""))

    @property
    def refused(self) -> dict[tuple[str, str], str]:
        """(task, method) -> why it has no cell."""
        stored = self.run.get("refused", {})
        return {(k.rpartition("/")[0], k.rpartition("/")[2]): v for k, v in stored.items()}

    def _tasks(self) -> list[str]:
        stored = {path.parent.name for path in self.folder.glob(f"*/{TARGETS}")}
        return [name for name in names.task_order(stored, self._task_record) if name in stored]

    def targets(self, task: str) -> list[Target]:
        """As stored; read once."""
        if task not in self._targets:
            self._targets[task] = read_targets(self.folder / task / TARGETS)
        return self._targets[task]

    def methods(self, task: str) -> list[str]:
        """Methods with samples under a task, in the order of tables."""
        stored = {path.parent.name for path in (self.folder / task).glob(f"*/{SAMPLES}")}
        stored -= {HUMAN, FLOOR}
        return [m for m in self.method_order(stored) if m in stored]

    def cell(self, task: str, method: str) -> CellFiles | None:
        """None where there are no samples."""
        if (task, method) not in self._cells:
            folder = self.folder / task / method
            if not (folder / SAMPLES).exists():
                return None
            self._cells[task, method] = CellFiles(task, method, folder)
        return self._cells[task, method]

    def cells(self, *tasks: str) -> Iterator[CellFiles]:
        """Every cell with samples, task by task, or those of some tasks."""
        for task in tasks or self.tasks:
            for method in self.methods(task):
                if (cell := self.cell(task, method)) is not None:
                    yield cell

    def scored_cells(self, task: str) -> list[str]:
        """Methods and references that have scores under a task."""
        return [path.parent.name for path in (self.folder / task).glob(f"*/{SCORES}")]

    def scores(self, task: str, name: str) -> list[dict[str, Any]]:
        """The scores of a method or of a reference (``human``) under a task; none without any."""
        cell = self.cell(task, name)
        return cell.scores if cell else self._read(self.folder / task / name / SCORES)

    def common_scores(self, name: str) -> list[dict[str, Any]]:
        """The lm-scores of a reference, which all tasks share."""
        return self._read(self.folder / name / SCORES)

    @cached_property
    def floor_samples(self) -> list[dict[str, Any]]:
        """The samples without control, which all tasks share."""
        return CellFiles("", FLOOR, self.folder / FLOOR).samples

    def _read(self, path: Path) -> list[dict[str, Any]]:
        if path not in self._scores:
            self._scores[path] = read(path)
        return self._scores[path]

    def configs(self, task: str) -> list[dict[str, Any]]:
        """What the cells of a task say of themselves, methods and references alike."""
        return [read_json(path) for path in sorted((self.folder / task).glob(f"*/{CONFIG}"))]

    # how it is all called

    def task(self, name: str) -> TaskTraits:
        """What the set, or else this version, says of a task."""
        return names.task(name, self._task_record(name))

    def task_name(self, name: str) -> str:
        return self.task(name).label

    def method(self, name: str) -> Card:
        """What the set, or else this version, says of a method."""
        return names.method(name, self._card(name))

    def method_name(self, name: str) -> str:
        return self.method(name).label

    def method_order(self, methods: Collection[str]) -> list[str]:
        """All methods that there are and those of ``methods``, in the order of tables."""
        return names.method_order(methods, self._card)

    def _task_record(self, name: str) -> Record:
        if name not in self._task_records:
            self._task_records[name] = _part(self.folder / name / CONFIG, "task")
        return self._task_records[name]

    def _card(self, name: str) -> Record:
        if name not in self._cards:
            paths = sorted(self.folder.glob(f"*/{name}/{CONFIG}"))
            self._cards[name] = next((card for p in paths if (card := _part(p, "card"))), NOTHING)
        return self._cards[name]

    def reason(self, task: str, method: str) -> str:
        """Why a cell has no scores, with the command that fills it."""
        if (task, method) in self.refused:
            return self.refused[task, method]
        if method not in METHODS and method not in METHODS.own:
            return f"n/a: this version has no method {method}"
        if not known(task):
            return f"n/a: this version has no task {task}"
        if refusal := names.corpus_refuses(task, self.corpus, self._task_record(task)):
            return refusal
        cell = self.cell(task, method)
        what = "not judged yet" if cell is not None and not cell.scored else "not run"
        # one command for a task of which nothing was run
        return f"{what}: {self.command(task, method if self.methods(task) else 'all')}"

    def command(self, task: str, method: str) -> str:
        """The command of this result set's run for another task and method."""
        given = shlex.split(str(self.run.get("command", ""))) or ["python", "-m", "eval.run"]
        kept = [part for part in given if not part.startswith(("task=", "method=", "out="))]
        return shlex.join([*kept, f"task={task}", f"method={method}", f"out={self.folder}"])


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ``UserError`` for a file that is missing, damaged or something else."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is damaged: {error}") from None
    if not isinstance(stored, dict):
        raise UserError(f"{path} holds no JSON object")
    return stored


def _part(path: Path, name: str) -> Record:
    """One entry of a ``config.json``; nothing where there is none."""
    stored = read_json(path).get(name) if path.exists() else None
    return stored if isinstance(stored, dict) else NOTHING


def _records(path: Path, needed: tuple[str, ...]) -> list[dict[str, Any]]:
    return _checked(path, read(path), needed)


def _checked(
    path: Path, records: list[dict[str, Any]], needed: tuple[str, ...]
) -> list[dict[str, Any]]:
    """The records. Raises ``UserError`` naming the first one that lacks an entry."""
    for number, record in enumerate(records, 1):
        lacking = [name for name in needed if name not in record]
        if lacking:
            raise UserError(
                f"{path} line {number} has no '{lacking[0]}': it was made by another version of "
                "this program"
            )
    return records


def _nearest(folder: Path) -> str:
    """The sets that stand where ``folder`` was looked for."""
    sets = sorted({p.parent.parent for p in folder.parent.glob(f"*/*/{TARGETS}")})
    return f" (there: {', '.join(map(str, sets))})" if sets else ""
