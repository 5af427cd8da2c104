"""``python -m eval.trajectory run=results/SET``: stores one denoising trajectory.

It is the way of the first stored sample of a target from noise to text, decoded once more with the
same random numbers, so that its end is that sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.reading.results import CellFiles, ResultSet
from eval.running.cells import TARGETS
from eval.running.store import Store
from tasks import known
from tasks.common.errors import UserError, unknown
from tasks.common.files import json_text, write_text
from tasks.common.ranges import Checked, maybe_empty, ranged
from tasks.common.schema import built
from tasks.common.shipped import SHIPPED, ready

if TYPE_CHECKING:
    import torch

    from models.base import Generator
    from tasks.base import Target

USAGE = """\
usage: python -m eval.trajectory key=value ...

Decodes one stored sample of Diffusion-LM, or of another diffusion, again and stores its way from
noise to text, for python -m eval.plots (Figure 1) and the report. Needs the trained networks.

  python -m eval.trajectory run=results/demo task=syntax_spans
  python -m eval.trajectory run=results/demo task=length method=maskgit
"""
METHOD, TRAJECTORY = "diffusion_lm", "trajectory.json"


@dataclass(frozen=True)
class TrajectoryOptions(Checked):
    """Which sample, and where the networks lie."""

    #: folder of the result set
    run: str = "results/demo"
    #: method that goes from noise to text: Diffusion-LM, or one that method=discrete stands for
    method: str = METHOD
    #: control task; by default the first that the method has samples of
    task: str | None = None
    #: id of the target; by default the first
    target: str | None = None
    #: frames that are stored, first and last included
    frames: int = ranged(48, least=2, most=10**6)
    #: folder of trained artefacts
    store: str = ".store"
    #: read-only folders of ready artefacts, separated by commas; shipped: those that come with the
    #: program
    prebuilt: str = maybe_empty(SHIPPED)
    #: auto (a GPU where there is one), cpu, cuda, ...
    device: str = "auto"


def main(given: Sequence[str]) -> None:
    from eval.running.options import options

    chosen = options(TrajectoryOptions, given, USAGE)
    if chosen is None:
        return
    from eval.running.plan import pick_device

    results = ResultSet(Path(chosen.run))
    cell = _cell(results, chosen.method, chosen.task)
    target = _target(results, cell, chosen.target)
    store = Store(Path(chosen.store), ready(chosen.prebuilt))
    generator = load_generator(cell, store, pick_device(chosen.device))
    stored = trajectory(generator, target, _seed(cell), chosen.frames)
    record = {"task": cell.task, "method": cell.method, **stored}
    record["equals the stored sample"] = _same(cell, target, stored)
    write_text(results.folder / TRAJECTORY, json_text(record) + "\n")
    print(f"{len(stored['frames'])} frames: {results.folder / TRAJECTORY}")


def _cell(results: ResultSet, method: str, task: str | None) -> CellFiles:
    guided = [task for task in results.tasks if known(task) and not results.task(task).fills]
    having = [task for task in guided if method in results.methods(task)]
    if not having:
        there = {name for task in guided for name in results.methods(task)}
        if method != METHOD and there and method not in there:
            raise unknown("method", method, sorted(there))
        raise UserError(f"{results.folder} has no samples of {method} under guidance")
    if task is not None and task not in having:
        raise unknown("task", task, having)
    cell = results.cell(task or having[0], method)
    assert cell is not None
    return cell


def _target(results: ResultSet, cell: CellFiles, name: str | None) -> Target:
    targets = {target.id: target for target in results.targets(cell.task)}
    if name is not None and name not in targets:
        raise unknown("target", name, targets)
    if not targets:
        raise UserError(f"{results.folder / cell.task / TARGETS} is empty")
    return targets[name or next(iter(targets))]


def _seed(cell: CellFiles) -> int:
    seed = cell.config.get("identity", {}).get("seed")
    if not isinstance(seed, int):
        raise UserError(f"{cell.folder} does not say which seed its samples have")
    return seed


def load_generator(cell: CellFiles, store: Store, device: torch.device) -> Generator:
    """The generator that made the samples of ``cell``. Raises ``UserError`` naming an artefact that
    is not in the store."""
    from baselines import METHODS
    from tasks import load_task

    made = METHODS.load(cell.method)
    identity = cell.config.get("identity", {})
    folders = {}
    for role, key in identity.get("artefacts", {}).items():
        folder = store.find(key)
        if folder is None:
            raise UserError(f"{key} ({role} of {cell.folder}) is not in {store.root}: set store=")
        folders[role] = folder
    place = f"the settings of {cell.folder}"
    settings = built(made.card.Settings, identity.get("settings", {}), place)
    try:
        return made.load(folders, load_task(cell.task), settings, device)
    except KeyError as role:
        raise UserError(f"{cell.folder} does not say which artefact was its {role}") from None


def trajectory(generator: Generator, target: Target, seed: int, frames: int) -> dict[str, Any]:
    """The words of every position at about ``frames`` steps, first and last included. ``t``: the
    decoding step whose noise the text has, -1 for the end; ``std``: how much that is."""
    from tasks.controls import to_json

    made = [
        {"t": one.t, "std": round(one.noise, 4), "words": list(one.words)}
        for one in generator.trajectory(target, seed, frames)
    ]
    return {"target": target.id, "control": to_json(target.control), "frames": made}


def _same(cell: CellFiles, target: Target, stored: Mapping[str, Any]) -> bool:
    records = [r for r in cell.samples if (r["target"], r["index"]) == (target.id, 0)]
    return bool(records) and records[0].get("tokens") == stored["frames"][-1]["words"]
