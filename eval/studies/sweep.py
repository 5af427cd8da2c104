"""``python -m eval.sweep run=results/SET method=fudge values=1,2,4``: one setting, many values.

Runs the cells of a method again with other values of one setting, elsewhere, and stores what each
came to in ``results/SET/sweep.json``, for the figures of control against fluency and quality
against steps.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines import METHODS
from eval.reading.results import ResultSet, read_json
from eval.running.values import cut, read, shown
from tasks.common.errors import UserError
from tasks.common.files import write_text

if TYPE_CHECKING:
    from eval.running.config import RunConfig

USAGE = """\
usage: python -m eval.sweep key=value ...

Generates and judges with several values of one setting, all else as in the result set, and stores
control, fluency and cost of each for python -m eval.plots.

  python -m eval.sweep run=results/demo method=fudge values=1,2,4,8,16
  python -m eval.sweep run=results/demo method=diffusion_lm task=length \\
      key=diffusion_lm.sampling.steps values=20,50,100
"""
SWEEP = "sweep.json"


@dataclass(frozen=True)
class SweepOptions:
    """What to vary."""

    #: folder of the result set
    run: str = "results/demo"
    #: the method whose setting is varied
    method: str = "fudge"
    #: control tasks, separated by commas; by default all those that the set has of the method
    task: str | None = None
    #: the setting; by default the method's trade-off between control and fluency
    key: str | None = None
    #: its values, separated by commas
    values: str = "1,2,4,8,16"
    #: folder of trained artefacts; the samples of the sweep lie in it too
    store: str = ".store"


def main(given: Sequence[str]) -> None:
    from eval.running.display import Display
    from eval.running.options import options
    from eval.running.runner import Run

    chosen = options(SweepOptions, given, USAGE)
    if chosen is None:
        return
    results = ResultSet(Path(chosen.run))
    having = [t for t in results.tasks if chosen.method in results.methods(t)]
    tasks = [name.strip() for name in chosen.task.split(",")] if chosen.task else having
    for task in tasks:
        if task not in having:
            raise UserError(f"{results.folder} has no samples of {chosen.method} under {task}")
    tradeoff = METHODS.card(chosen.method).tradeoff
    key = chosen.key or (f"{chosen.method}.{tradeoff}" if tradeoff else None)
    if key is None:
        raise UserError(f"{chosen.method} has no known trade-off: name a setting with key=")
    display = Display()
    # every value is parsed before the first one runs
    jobs = [
        (task, value, configured(results, task, chosen, key, value))
        for value in numbers(key, chosen.values)
        for task in tasks
    ]
    for task, value, (config, arguments) in jobs:
        display.say(f"{task}: {key}={value}")
        Run(config, display, ["python", "-m", "eval.run", *arguments]).execute()
        store(results, [_point(config.folder, task, chosen.method, key, value)])
    display.say(str(results.folder / SWEEP))


def numbers(key: str, text: str) -> list[str]:
    """The values to try. Raises ``UserError`` for what is no number: figures have an axis of
    them."""
    if "." not in key:
        raise UserError(f"key={shown(key)}: the setting of a method, as fudge.lam")
    try:
        values = list(cut(text, "numbers"))
        for value in values:
            read(float, value)
    except ValueError as error:
        raise UserError(f"values={shown(text)}: {error}") from None
    return values


def configured(
    results: ResultSet, task: str, chosen: SweepOptions, key: str, value: str
) -> tuple[RunConfig, list[str]]:
    """The run of one value, and its arguments: those of the set, with the method's settings as
    they were resolved for the task and the one replaced."""
    from eval.running.command import parse

    try:
        given = shlex.split(str(results.run.get("command", "")))[3:]
    except ValueError as error:
        raise UserError(f"{results.folder / 'run.json'}: its command: {error}") from None
    skipped = ("task=", "method=", "out=", "store=", "floor=", f"{key}=")
    arguments = [part for part in given if not part.startswith(skipped)]
    place = Path(chosen.store) / "sweep" / results.name / f"{task}-{key}-{value}"
    arguments += [f"task={task}", f"method={chosen.method}", f"store={chosen.store}"]
    # the floor is the set's own: one sample of it is all that a run does without
    arguments += [f"out={place}", "floor=1", f"{key}={value}"]
    cell = results.cell(task, chosen.method)
    card = METHODS.card(chosen.method)
    group = card.tradeoff.rpartition(".")[0]
    if cell is not None and group and key.startswith(f"{card.name}.{group}."):
        # constants that depend on the task, as they were resolved for it
        resolved = cell.config["settings"][group]
        names = {f"{card.name}.{group}.{name}": v for name, v in resolved.items()}
        arguments += [f"{card.name}.{name}={v}" for name, v in card.free.items()]
        arguments += [f"{name}={v}" for name, v in names.items() if name != key]
    return parse(arguments), arguments


def _point(folder: Path, task: str, method: str, key: str, value: str) -> dict[str, Any]:
    from eval.reading.figures.tradeoff import points

    point = next(p for p in points(ResultSet(folder)) if (p["task"], p["method"]) == (task, method))
    rounded = {name: _rounded(figure) for name, figure in point.items()}
    return {**rounded, "key": key, "value": float(value)}


def _rounded(figure: Any) -> Any:
    if isinstance(figure, list):
        return [_rounded(part) for part in figure]
    return float(f"{figure:.6g}") if isinstance(figure, float) else figure


def store(results: ResultSet, points: Sequence[dict[str, Any]]) -> None:
    """Adds points to the stored ones, in place of those of the same task, method, key and value."""
    path = results.folder / SWEEP
    old = read_json(path)["points"] if path.exists() else []

    def name(point: dict[str, Any]) -> tuple[Any, ...]:
        return point["task"], point["method"], point["key"], point["value"]

    every = {name(point): point for point in [*old, *points]}
    ordered = [every[at] for at in sorted(every)]
    write_text(path, json.dumps({"points": ordered}, indent=1) + "\n")
