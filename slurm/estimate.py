"""How long a job will take, from what was measured before; unknown where nothing was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from eval.running.cells import CONFIG, TIMING
from eval.running.roles import roles
from eval.running.runner import Job as CellJob
from eval.running.store import SPEC
from tasks.common.jsonl import read
from tasks.common.recipe import Recipe
from tasks.common.shipped import shipped

#: entries of a config that do not change how long a step takes
FREE = ("seed", "task", "task_version")


@dataclass(frozen=True)
class Estimate:
    """Seconds of work and where the figure comes from; None where nothing was measured."""

    seconds: float | None
    source: str


UNKNOWN = Estimate(None, "unknown")


class Estimator:
    """Looks in artefact stores (training curves), result sets (times of samples) and the speed
    figures of ``eval.studies.bench`` for the same preset, in this order."""

    def __init__(self, stores: Sequence[Path], sets: Sequence[Path], preset: str) -> None:
        self.stores, self.sets, self.preset = stores, sets, preset

    @cached_property
    def _trained(self) -> dict[tuple[str, str], tuple[float, Path]]:
        """(kind, settings that decide the pace) -> seconds a step, artefact."""
        paces: dict[tuple[str, str], tuple[float, Path]] = {}
        for folder in (f for store in self.stores for f in sorted(store.glob("*/"))):
            curve = folder / "curve.jsonl"
            if (folder / SPEC).is_file() and curve.is_file():
                spec, last = json.loads((folder / SPEC).read_text("utf-8")), read(curve)[-1]
                pace = last["seconds"] / last["step"]
                paces[spec["kind"], _pace_key(spec["config"])] = (pace, folder)
        return paces

    @cached_property
    def _bench(self) -> list[tuple[dict[str, Any], Path]]:
        files = sorted(shipped().glob("bench-*.json"))
        records = [(json.loads(path.read_text(encoding="utf-8")), path) for path in files]
        return [(figures, path) for figures, path in records if figures["preset"] == self.preset]

    def training(self, recipe: Recipe) -> Estimate:
        kind, config = recipe.spec.kind, recipe.spec.config
        steps = _training(recipe.pace).get("steps")
        if not steps:
            return UNKNOWN
        if (kind, _pace_key(config)) in self._trained:
            pace, folder = self._trained[kind, _pace_key(config)]
            return Estimate(pace * steps, f"the curve of {folder}")
        for figures, path in self._bench:
            measured = next((figures[name] for name in _alike(kind) if name in figures), None)
            if measured:
                return Estimate(measured["seconds a step"] * steps, _bench_source(figures, path))
        return UNKNOWN

    def sampling(self, job: CellJob, targets: int) -> Estimate:
        samples = targets * job.samples
        for pace, folder in self._sampled(job):
            return Estimate(pace * samples, f"the samples of {folder}")
        for figures, path in self._bench:
            measured = figures.get(f"decode {job.method}")
            if measured:
                return Estimate(samples / measured["samples/s"], _bench_source(figures, path))
        return UNKNOWN

    def _sampled(self, job: CellJob) -> Iterable[tuple[float, Path]]:
        """Seconds a sample in stored cells of the same method, settings and networks."""
        where = f"{job.task}/{job.method}" if job.task else job.method
        for folder in (s / where for s in self.sets):
            if not (folder / CONFIG).is_file() or not (folder / TIMING).is_file():
                continue
            stored = json.loads((folder / CONFIG).read_text("utf-8")).get("identity", {})
            same = all(stored.get(k) == job.cell.identity[k] for k in ("settings", "artefacts"))
            times = [s for record in read(folder / TIMING) for s in record["seconds"]]
            if same and times:
                yield sum(times) / len(times), folder


def _alike(kind: str) -> list[str]:
    """What ``eval.bench`` calls the training of a kind of network, and of those of its settings."""
    known = roles()
    same = [
        name
        for name, role in known.items()
        if kind in known and role.Config is not None and role.Config is known[kind].Config
    ]
    return [f"train {name}" for name in (kind, *same)]


def _training(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a network is trained; the ``train`` of a corpus is its number of texts."""
    train = config.get("train")
    return train if isinstance(train, Mapping) else {}


def _pace_key(config: Mapping[str, Any]) -> str:
    kept = {k: v for k, v in config.items() if k not in FREE}
    train = {k: v for k, v in _training(config).items() if k in ("batch", "bf16")}
    return json.dumps({**kept, "train": train}, sort_keys=True)


def _bench_source(figures: Mapping[str, Any], path: Path) -> str:
    return f"{path.name} ({figures['device']}, {figures.get('threads', '?')} threads)"
