"""Rows of stored result sets beside those of a run.

They are read and nothing else: a row may stand beside others where it answers the same targets and
the same judges read it, which its ``config.json`` says. What does not do is named, one line a cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from eval.reading.measured import Guest
from eval.reading.names import reference
from eval.reading.results import CellFiles, ResultSet
from eval.reading.shipped import RESULTS, find, shipped_sets
from eval.running.cells import CONFIG, read_config
from eval.running.judge import SUBWORDS
from tasks.base import Target
from tasks.common.errors import UserError

#: entries of a target list's identity that comparable lists share, and what each is of; the number
#: of targets, their seed and their source may differ, as targets are held against each other by id
SAME = {
    "texts": "corpus",
    "task_version": "version of the task",
    "code": "code of the task",
    "tagger": "tagger of the targets",
}
#: how lines about other sets begin
STORED = "stored: "


@dataclass(frozen=True)
class Terms:
    """What the scores of a cell hang on beside its samples. ``targets``: the identity of its target
    list; ``judges``: role -> id. Both are empty where its config does not say."""

    targets: Mapping[str, Any]
    judges: Mapping[str, str]

    def unlike(self, other: Terms) -> str:
        """Why a cell with these terms cannot stand beside one with ``other``; empty if it can.
        A teacher of subwords that read one of them alone has a column of its own, which the other
        leaves empty."""
        for what in ("targets", "judges"):
            if getattr(other, what) and not getattr(self, what):
                return f"its {CONFIG} does not say its {what}"
        pairs = [(what, key, self.targets, other.targets) for key, what in SAME.items()]
        both = SUBWORDS in self.judges and SUBWORDS in other.judges
        roles = [
            role
            for role in dict.fromkeys([*self.judges, *other.judges])
            if both or role != SUBWORDS
        ]
        pairs += [(role, role, self.judges, other.judges) for role in roles]
        for what, key, there, here in pairs:
            if there.get(key) != here.get(key):
                return f"another {what} ({there.get(key, 'none')}, here {here.get(key, 'none')})"
        return ""


def terms(results: ResultSet, cell: CellFiles) -> Terms:
    """Of a stored cell."""
    config = cell.config
    targets = config.get("identity", {}).get("targets")
    if not isinstance(targets, Mapping):  # an older set says it of the task alone
        targets = read_config(results.folder / cell.task / CONFIG).get("identity", {})
    return Terms(targets, config.get("judges", {}))


@dataclass(frozen=True)
class Shared(CellFiles):
    """What a cell holds of some ``targets``."""

    targets: frozenset[str] = frozenset()

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        return [record for record in super().samples if record["target"] in self.targets]

    @cached_property
    def scores(self) -> list[dict[str, Any]]:
        return [record for record in super().scores if record["target"] in self.targets]


@dataclass
class Rows:
    """The rows of a task's table: ``methods`` of the run's own set, ``guests`` of others, and what
    is to be ``said`` of these."""

    methods: list[str]
    guests: list[Guest] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


class Beside:
    """The sets of ``with=`` beside the run's ``own`` folder. Raises ``UserError`` for a name that
    no set has, one that is given twice, and the own folder."""

    def __init__(self, given: str, own: Path) -> None:
        self.own = own
        self.sets: dict[str, ResultSet] = {}
        for part in given.split(",") if given else ():
            try:
                name, folder = find(part.strip())
            except UserError as error:
                raise UserError(f"with={given}: {error}") from None
            if folder.resolve() == own.resolve():
                raise UserError(f"with={given}: {name} is this run's own folder")
            if any(folder.resolve() == one.folder.resolve() for one in self.sets.values()):
                raise UserError(f"with={given}: {name} is named twice")
            self.sets[name] = ResultSet(folder)

    def check(self, tasks: Sequence[str]) -> None:
        """Raises ``UserError`` naming file and line for stored results that cannot be read: before
        the work that they are to stand beside."""
        for results in self.sets.values():
            for task in (name for name in tasks if name in results.tasks):
                results.targets(task)
                for cell in results.cells(task):
                    _ = terms(results, cell), cell.samples, cell.scores

    def unlike(self, task: str, here: Terms) -> list[str]:
        """What of a task cannot stand beside a run with the terms ``here``, whatever its samples
        will be; one line a cell."""
        sets = [(name, other) for name, other in self.sets.items() if task in other.tasks]
        cells = [(name, other, cell) for name, other in sets for cell in other.cells(task)]
        return [
            _left_out(name, cell.method, why)
            for name, other, cell in cells
            if (why := terms(other, cell).unlike(here))
        ]

    def rows(self, results: ResultSet, task: str, here: Terms, methods: Sequence[str]) -> Rows:
        """The rows of a task's table: ``methods`` of the run's set ``results`` under the terms
        ``here``, the comparable cells of the other sets, and the reference method's, from
        wherever it can be had."""
        rows = Rows(list(methods))
        for name, other in self.sets.items():
            self._join(rows, name, other, results, task, here)
        self._join_reference(rows, results, task, here)
        if rows.guests:
            note = "read from there, neither generated nor judged again"
            rows.said.insert(0, f"{STORED}rows of {', '.join(_sets(rows))} are {note}.")
        return rows

    def _join(
        self, rows: Rows, name: str, other: ResultSet, results: ResultSet, task: str, here: Terms
    ) -> None:
        if task not in other.tasks:
            rows.said.append(f"{STORED}{name} has no {task}.")
            return
        counts = set[tuple[int, int]]()
        for method in other.methods(task):
            cell = other.cell(task, method)
            assert cell is not None
            shared = _shared(results, other, cell, here)
            if isinstance(shared, str):
                rows.said.append(_left_out(name, method, shared))
                continue
            rows.guests.append(Guest(method, name, shared))
            counts.add((len(shared.targets), len(other.targets(task))))
        here_too = len(results.targets(task))
        for number, there in sorted(counts):
            if number != here_too or number != there:
                rows.said.append(f"{STORED}{_counted(name, number, there, here_too)}")

    def _join_reference(self, rows: Rows, results: ResultSet, task: str, here: Terms) -> None:
        """Adds the reference method's row where there is none yet: the run's own set may hold it
        from another run, or a set that comes with the program."""
        name = reference().name
        if any(guest.method == name for guest in rows.guests):
            return
        cell = results.cell(task, name)
        if cell is not None and cell.scored and not terms(results, cell).unlike(here):
            rows.methods = [name, *rows.methods] if name not in rows.methods else rows.methods
            return
        for label, shared, there in self._candidates(results, task, here):
            rows.guests.append(Guest(name, label, shared))
            number, here_too = len(shared.targets), len(results.targets(task))
            said = f"{STORED}{name} was not run here: its row is that of {label}."
            if number != here_too or number != there:
                said += f" {_counted(label, number, there, here_too)}"
            rows.said.append(said)
            return

    def _candidates(
        self, results: ResultSet, task: str, here: Terms
    ) -> Iterator[tuple[str, Shared, int]]:
        """Comparable cells of the reference method, those that share most targets first, with how
        many targets their sets have."""
        name, found = reference().name, list[tuple[str, Shared, int]]()
        for short, folder in shipped_sets().items():
            if folder.resolve() == self.own.resolve():
                continue
            try:
                label, other = f"{RESULTS}/{short}", ResultSet(folder)
                cell = other.cell(task, name) if task in other.tasks else None
                shared = _shared(results, other, cell, here) if cell else ""
            except UserError:  # nobody asked for this set
                continue
            if isinstance(shared, Shared):
                found.append((label, shared, len(other.targets(task))))
        yield from sorted(found, key=lambda one: -len(one[1].targets))


def _left_out(name: str, method: str, why: str) -> str:
    return f"{STORED}{name}, {method}: left out, {why}."


def _sets(rows: Rows) -> list[str]:
    return list(dict.fromkeys(guest.stored for guest in rows.guests))


def _counted(name: str, number: int, there: int, here: int) -> str:
    return (
        f"{name}: {number} of its {there} targets are scored and among the {here} here: its "
        "figures and paired tests are of those."
    )


def _shared(results: ResultSet, other: ResultSet, cell: CellFiles, here: Terms) -> Shared | str:
    """What of a stored cell can stand beside the run's, or why nothing can."""
    if not cell.scored:
        return "it has no scores"
    if cell.judged_whole:
        return "its scores count words behind END: judge it again with its set's own command"
    why = terms(other, cell).unlike(here)
    if why:
        return why
    mine = {target.id: target for target in results.targets(cell.task)}
    both = [target for target in other.targets(cell.task) if target.id in mine]
    for target in both:
        if not _same(target, mine[target.id]):
            return f"target {target.id} is another control there"
    scored = {record["target"] for record in cell.scores}
    shared = Shared(
        cell.task, cell.method, cell.folder, frozenset(t.id for t in both if t.id in scored)
    )
    if not shared.targets:
        return "no target in common"
    known = set().union(*(record["scores"] for record in shared.scores))
    for metric in _metrics(results, cell.task):
        if metric not in known:
            return f"its scores have no {metric}"
    return shared


def _same(one: Target, other: Target) -> bool:
    return (one.control, one.released) == (other.control, other.released)


def _metrics(results: ResultSet, task: str) -> list[str]:
    """Those of the run's own scores."""
    cells = [results.cell(task, method) for method in results.methods(task)]
    records = [record for cell in cells if cell is not None for record in cell.scores]
    return list(dict.fromkeys(metric for record in records for metric in record["scores"]))
