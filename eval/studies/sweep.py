"""``python -m eval.sweep run=results/SET method=fudge values=1,2,4``: one setting, many values.

Runs the cells of methods again with other values of one setting each, elsewhere, and stores what
each came to in ``results/SET/sweep.json``, for the figures of control against fluency, of diversity
and length beside them, and of quality against steps.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines import METHODS
from eval.reading.results import ResultSet
from eval.reading.sweeps import SWEEP, swept
from eval.studies.varied import Varied, varied
from tasks.common.errors import UserError
from tasks.common.files import json_text, write_text

if TYPE_CHECKING:
    from eval.running.config import RunConfig

USAGE = """\
usage: python -m eval.sweep key=value ...

Generates and judges with several values of one setting, all else as in the result set, and stores
control, fluency, distinct-2, length and cost of each for python -m eval.plots. Of several methods
each is run with its own setting.

  python -m eval.sweep run=results/demo method=fudge values=1,2,4,8,16
  python -m eval.sweep run=results/demo method=fudge,ft_sample task=semantic_content
  python -m eval.sweep run=results/demo method=diffusion_lm task=length \\
      key=diffusion_lm.sampling.steps values=20,50,100
"""
_PLAIN, _OTHER = re.compile(r"\w[\w.+-]*"), re.compile(r"[^\w.+-]")


@dataclass(frozen=True)
class SweepOptions:
    """What to vary."""

    #: folder of the result set
    run: str = "results/demo"
    #: the methods whose settings are varied, separated by commas
    method: str = "fudge"
    #: control tasks, separated by commas; by default all those that the set has of a method
    task: str | None = None
    #: the setting, of one method; by default the method's trade-off between control and fluency, or
    #: the first setting that its card proposes values of
    key: str | None = None
    #: its values, separated by commas; by default those that the method's card proposes
    values: str | None = None
    #: folder of trained artefacts; the samples of the sweep lie in it too
    store: str = ".store"


def main(given: Sequence[str]) -> None:
    from eval.reading.measured import equal_count
    from eval.running.display import Display
    from eval.running.options import options
    from eval.running.runner import Run

    chosen = options(SweepOptions, given, USAGE)
    if chosen is None:
        return
    results = ResultSet(Path(chosen.run))
    # every value is parsed before the first one runs
    jobs = [
        (one, task, value, configured(results, task, one, value, chosen.store))
        for one in varied(results, chosen.method, chosen.task, chosen.key, chosen.values)
        for value in one.values
        for task in one.tasks
    ]
    counts = {task: equal_count(results, task) for _, task, _, _ in jobs}
    display = Display()
    for one, task, value, (config, arguments) in jobs:
        display.say(f"{task}: {one.key}={value}")
        Run(config, display, ["python", "-m", "eval.run", *arguments]).execute()
        found = measured_point(ResultSet(config.folder), task, one.method, counts[task])
        store(results, [{**found, "key": one.key, "value": float(value)}])
    display.say(str(results.folder / SWEEP))


def configured(
    results: ResultSet, task: str, one: Varied, value: str, artefacts: str
) -> tuple[RunConfig, list[str]]:
    """The run of one value, and its arguments: those of the set, with the method's settings as
    they were resolved for the task and the one replaced. ``artefacts``: their folder."""
    from eval.running.command import parse

    key, method = one.key, one.method
    given = results.arguments[3:]
    skipped = ("task=", "method=", "out=", "store=", "floor=", f"{key}=")
    arguments = [part for part in given if not part.startswith(skipped)]
    place = Path(artefacts) / "sweep" / results.name / _folder(f"{task}-{key}-{value}")
    arguments += [f"task={task}", f"method={method}", f"store={artefacts}"]
    # the floor is the set's own: one sample of it is all that a run does without
    arguments += [f"out={place}", "floor=1", f"{key}={value}"]
    cell = results.cell(task, method)
    card = METHODS.card(method)
    group = card.tradeoff.rpartition(".")[0]
    if cell is not None and group and key.startswith(f"{card.name}.{group}."):
        # constants that depend on the task, as they were resolved for it
        resolved = cell.config["settings"][group]
        names = {f"{card.name}.{group}.{name}": v for name, v in resolved.items()}
        arguments += [f"{card.name}.{name}={v}" for name, v in card.free.items()]
        arguments += [f"{name}={v}" for name, v in names.items() if name != key]
    return parse(arguments), arguments


def _folder(name: str) -> str:
    """One folder's name; a value that could be a path, or could not be a name, goes by a digest."""
    if _PLAIN.fullmatch(name):
        return name
    return f"{_OTHER.sub('_', name)[:80]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def measured_point(run: ResultSet, task: str, method: str, count: int) -> dict[str, Any]:
    """What the samples of ``run`` came to, as a point of ``sweep.json`` without its setting;
    ``count``: of so many samples distinct-2 is, those of the swept set's table. Raises
    ``UserError`` where they have no control or lm."""
    from eval.reading.figures.points import point
    from eval.reading.measured import measure

    measured = measure(
        run, run.task(task), [method], refused=run.refused, corpus=run.corpus, count=count
    )
    found, row = point(task, measured, method), measured.first(method)
    if found is None or row is None:
        raise UserError(f"{run.folder} has no control or no lm of {method} under {task}")
    rounded = {name: _rounded(figure) for name, figure in found.items()}
    return {**rounded, "samples": min(count, row.samples)}


def _rounded(figure: Any) -> Any:
    if isinstance(figure, list):
        return [_rounded(part) for part in figure]
    return float(f"{figure:.6g}") if isinstance(figure, float) else figure


def store(results: ResultSet, points: Sequence[dict[str, Any]]) -> None:
    """Adds points to the stored ones, in place of those of the same task, method, key and value."""
    path = results.folder / SWEEP

    def name(point: Mapping[str, Any]) -> tuple[Any, ...]:
        return point["task"], point["method"], point["key"], point["value"]

    every = {name(point): point for point in [*swept(results), *points]}
    ordered = [every[at] for at in sorted(every)]
    write_text(path, json_text({"points": ordered}, indent=1, escape=True) + "\n")
