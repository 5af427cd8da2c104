"""A stored result set as it is on disk, for whatever reads one: tables, figures, the report.

Nothing here loads a model or a corpus. What is missing is said with the command that makes it.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines import METHODS
from eval.reading import names
from eval.reading.names import NOTHING, Record, TaskTraits
from eval.reading.shipped import RESULTS, is_set, shipped_sets
from eval.running.cells import (
    ANNOTATIONS,
    CONFIG,
    SAMPLES,
    SCORES,
    TARGETS,
    judged_whole,
    read_config,
    read_samples,
    read_scores,
    read_targets,
    sample_lines,
)
from eval.running.config import REPAIRED
from eval.running.schema import AnnotationLine, CellConfig, FluencyLine, RunFile, ScoreLine
from eval.running.scoring import FLOOR, HUMAN
from models.base import Card
from tasks import known, load_task
from tasks.base import Target, Task, Words
from tasks.common.errors import UserError
from tasks.common.names import is_name
from tasks.common.schema import built, read_json, read_lines
from tasks.controls import Control
from tasks.vocabulary import to_end

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
        """Raises ``UserError`` where there is none."""
        stored: dict[str, Any] = read_json(self.folder / CONFIG, CellConfig)
        return stored

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        """Each with its share of the wall time as ``seconds``, where that is known, and with the
        words that are judged, those up to END."""
        records = read_samples(self.folder)
        for record in records:
            record["words"] = list(to_end(record["words"]))
        return records

    @cached_property
    def scores(self) -> list[dict[str, Any]]:
        return read_scores(self.folder / SCORES)

    @cached_property
    def annotations(self) -> dict[Words, dict[str, Any]]:
        """What this cell's judges said of each text that they read."""
        judges, readings = self.config.get("judges", {}), dict[Words, dict[str, Any]]()
        for record in read_lines(self.folder / ANNOTATIONS, AnnotationLine):
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

    @property
    def judged_whole(self) -> bool:
        """Whether its scores count words behind END (:func:`eval.running.cells.judged_whole`)."""
        config = read_config(self.folder / CONFIG)
        return self.scored and judged_whole(config, sample_lines(self.folder))


class ResultSet:
    """The folder ``results/SET``, or what of it belongs to some ``tasks``, whether they are begun
    or not. Raises ``UserError`` for a folder that is none."""

    def __init__(self, folder: Path, tasks: Sequence[str] = ()) -> None:
        self.folder = self.named = folder
        self._cells: dict[tuple[str, str], CellFiles] = {}
        self._scores: dict[tuple[str, str], list[dict[str, Any]]] = {}
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
        stored: dict[str, Any] = read_json(path, RunFile) if path.exists() else {}
        return stored

    @property
    def settings(self) -> Mapping[str, Any]:
        """The resolved settings, from ``run.json`` or else from a cell."""
        stored = self.run.get("config")
        if stored is None:
            stored = next((c.config["config"] for c in self.cells() if "config" in c.config), {})
        return stored

    def config(self, store: str, prebuilt: str) -> RunConfig:
        """The settings of the set's run, with artefacts elsewhere. Of its tasks and methods those
        of files are left out: what is stored runs no code. Raises ``UserError`` where the settings
        are not stored, or are none of this version's."""
        from eval.running.config import run_config

        if not self.settings:
            raise UserError(f"{self.folder} has no {RUN}: its settings are not known")
        stored = {
            **self.settings,
            "task": ",".join(task for task in self.tasks if known(task)) or "all",
            "method": ",".join(registered(str(self.settings.get("method", "all")))) or "all",
            "out": str(self.folder),
        }
        config: RunConfig = built(run_config(), stored, f"the settings of {self.folder}")
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
        stored = _named(self.folder.glob(f"*/{TARGETS}"))
        return [name for name in names.task_order(stored, self._task_record) if name in stored]

    def targets(self, task: str) -> list[Target]:
        """As stored; read once."""
        if task not in self._targets:
            self._targets[task] = read_targets(self.folder / task / TARGETS)
        return self._targets[task]

    def methods(self, task: str) -> list[str]:
        """Methods with samples under a task, in the order of tables."""
        stored = _named((self.folder / task).glob(f"*/{SAMPLES}")) - {HUMAN, FLOOR}
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
        return sorted(_named((self.folder / task).glob(f"*/{SCORES}")))

    def scores(self, task: str, name: str) -> list[dict[str, Any]]:
        """The scores of a method or of a reference (``human``) under a task; none without any."""
        cell = self.cell(task, name)
        return cell.scores if cell else self._read(task, name, ScoreLine)

    def common_scores(self, name: str) -> list[dict[str, Any]]:
        """The lm-scores of a reference, which all tasks share."""
        return self._read("", name, FluencyLine)

    @cached_property
    def floor_samples(self) -> list[dict[str, Any]]:
        """The samples without control, which all tasks share."""
        return CellFiles("", FLOOR, self.folder / FLOOR).samples

    def _read(self, task: str, name: str, line: type) -> list[dict[str, Any]]:
        if (task, name) not in self._scores:
            self._scores[task, name] = read_scores(self.folder / task / name / SCORES, line)
        return self._scores[task, name]

    def configs(self, task: str) -> list[dict[str, Any]]:
        """What the cells of a task say of themselves, methods and references alike."""
        return [read_config(path) for path in sorted((self.folder / task).glob(f"*/{CONFIG}"))]

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

    @property
    def arguments(self) -> list[str]:
        """The words of the command line of the set's last run; none where it is not known."""
        try:
            return shlex.split(self.run.get("command", ""))
        except ValueError:  # a quotation without an end
            return []

    def command(self, task: str, method: str) -> str:
        """The command of this result set's run for another task and method."""
        given = self.arguments or ["python", "-m", "eval.run"]
        names = (name.removesuffix(REPAIRED) for name in method.split(","))
        method = ",".join(dict.fromkeys(names))
        kept = [part for part in given if not part.startswith(("task=", "method=", "out="))]
        return shlex.join([*kept, f"task={task}", f"method={method}", f"out={self.named}"])


def stored(name: str) -> ResultSet:
    """A result set that is read alone: ``results/SET`` is the one that comes with the program where
    the user has none of that name. Raises ``UserError`` for a folder that is none."""
    folder = Path(name)
    by_name = folder.parent == Path(RESULTS) and not is_set(folder)
    results = ResultSet(shipped_sets().get(folder.name, folder) if by_name else folder)
    results.named = folder
    return results


def registered(methods: str) -> list[str]:
    """Of names of methods as ``method=`` has them those of this version: no files."""
    names = [name.strip() for name in methods.split(",")]
    return [name for name in names if name in METHODS or name == "all"]


def _named(files: Iterable[Path]) -> set[str]:
    """The folders that files lie in, where their names can be those of tasks and methods."""
    return {path.parent.name for path in files if is_name(path.parent.name)}


def _part(path: Path, name: str) -> Record:
    """One entry of a ``config.json``; nothing where there is none."""
    part: Record = read_config(path).get(name, NOTHING)
    return part


def _nearest(folder: Path) -> str:
    """The sets that stand where ``folder`` was looked for."""
    sets = sorted({p.parent.parent for p in folder.parent.glob(f"*/*/{TARGETS}")})
    return f" (there: {', '.join(map(str, sets))})" if sets else ""
