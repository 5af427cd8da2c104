"""How long a job will take and how much memory it needs: measured, or scaled from the nearest thing
that was, or what its arithmetic takes on a stated device. Each estimate says which, and how far off
it may be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from eval.running.roles import roles
from eval.running.runner import Job as CellJob
from models.nets.shapes import GIB, Shape, shape
from slurm import neighbours
from slurm.devices import CPU, Device
from slurm.neighbours import Sampling, Training, pace_key
from tasks.common.recipe import Recipe
from tasks.corpora import traits

#: how an estimate is come by
MEASURED, SCALED, ANALYTIC, TAKEN = "measured", "scaled", "analytic", "taken"
#: an estimate is off by less than this factor, either way, in most cases. Each shipped network
#: predicted from the nearest other one of its kind, 34 of 36 were within 2.5 (the median was 1.3);
#: by arithmetic on two CPU threads four in five were within 8
SPREAD = {MEASURED: 1.5, SCALED: 2.5, ANALYTIC: 8.0, TAKEN: 8.0}
#: seconds of what is looked up, derived or gathered, beside what is read by a judge
LOOKUP = 20.0
#: seconds of one CPU thread for which a judge reads a text: measured on 100 of E2E's validation
#: texts (26 words) with the networks of preset small; that of subwords is what the 135 M parameters
#: of SmolLM2 take of half of :data:`slurm.devices.TWO_THREADS`
READING = {"parser": 0.0046, "tagger": 0.00013, "teacher": 0.0035, "subwords": 0.08}
#: judges whose networks run on a GPU where there is one
ON_DEVICE = ("teacher", "subwords")
#: network evaluations of a sample of which nothing is known
EVALUATIONS = 200
#: GiB of a process before it loads a network: Python, torch, a corpus; with a GPU's libraries; and
#: what those take on the GPU
PROCESS, WITH_CUDA, CONTEXT = 0.8, 3.0, 0.6


@dataclass(frozen=True)
class Estimate:
    """``seconds`` of work and where the figure comes from; None for what is not estimated.
    ``method``: measured, scaled, analytic or taken; it is off by less than the factor ``spread``,
    either way, in most cases. ``memory``: GiB of the machine's, ``on_device`` of the GPU's, and
    ``peak`` whether the former was measured. ``device``: cpu or cuda."""

    seconds: float | None
    source: str
    method: str = ""
    spread: float = 1.0
    memory: float | None = None
    on_device: float | None = None
    peak: bool = False
    device: str = ""


UNKNOWN = Estimate(None, "unknown")


class Estimator:
    """Looks in artefact stores (training curves), result sets (times of samples) and the speed
    figures of ``eval.studies.bench``. ``device``: what trains and generates; ``corpus``: whose
    texts are read; ``batch``: samples decoded at once."""

    def __init__(
        self,
        stores: Sequence[Path],
        sets: Sequence[Path],
        device: Device = CPU,
        *,
        corpus: str = "grammar",
        batch: int = 64,
        processes: int = 1,
    ) -> None:
        self.stores, self.sets, self.device = stores, sets, device
        self.batch, self.processes = batch, processes
        self._sampled: dict[str, list[Sampling]] = {}
        self.vocabulary, self.words = traits(corpus).vocabulary, neighbours.words_of(corpus)
        self.texts = traits(corpus).texts

    # what was measured

    @cached_property
    def _known(self) -> Mapping[str, Mapping[str, Any]]:
        return neighbours.specs(self.stores)

    @cached_property
    def _trained(self) -> list[Training]:
        """Curves first: they are of the very machine."""
        curves = neighbours.trainings(self._known, "cpu", self.vocabulary, self.words)
        return [*curves, *neighbours.bench_trainings()]

    def _timed(self, method: str) -> list[Sampling]:
        if method not in self._sampled:
            known = self._known
            cells = neighbours.samplings(method, self.sets, known, self.vocabulary, self.words)
            self._sampled[method] = [*cells, *neighbours.bench_samplings(method)]
        return self._sampled[method]

    # trainings and other artefacts

    def shape(self, recipe: Recipe) -> Shape:
        """That of the network that a recipe trains."""
        length = next((d.pace["length"] for d in recipe.deps.values() if "length" in d.pace), 0)
        return shape(recipe.pace, self.vocabulary, self.words, length)

    def training(self, recipe: Recipe) -> Estimate:
        """Of any artefact. What is not trained is read by the judge that it depends on, or looked
        up."""
        steps = (recipe.pace.get("train") or {}).get("steps") if recipe.pace else None
        if not steps or recipe.pace.get("zero_shot"):
            kinds = [kind for kind in READING if kind in recipe.deps]
            seconds = LOOKUP + sum(self.texts * READING[kind] for kind in kinds)
            source = f"{self.texts} texts at the measured pace" if kinds else "looked up"
            how = SCALED if kinds else TAKEN
            return self._estimate(seconds, source, how, PROCESS, on="cpu")
        made, kind, key = self.shape(recipe), recipe.spec.kind, pace_key(recipe.spec.config)
        device = CPU if kind in READING and kind not in ON_DEVICE else self.device
        task = str(recipe.spec.config.get("task", ""))
        pace, source, how = self._step(made, kind, key, task, device)
        processes = self.processes if recipe.parallel and device.kind == "cuda" else 1
        if processes > 1:
            source += f", on {processes} devices at 0.8 of the sum"
        share = 1 / (0.8 * processes) if processes > 1 else 1.0
        return self._estimate(
            pace * steps * share, source, how, made.training / GIB, on=device.kind
        )

    def _step(
        self, made: Shape, kind: str, key: str, task: str, device: Device
    ) -> tuple[float, str, str]:
        """Seconds of a training step, where they come from, and by which way."""
        known = [one for one in self._trained if one.device == device.kind]
        exact = next((one for one in known if (one.kind, one.key) == (kind, key)), None)
        if exact is not None:
            return exact.pace, exact.where, MEASURED
        alike = [one for one in known if one.kind == kind] or [
            one for one in known if _related(one.kind, kind)
        ]
        if alike:
            # those of one task have like prompts and targets, whose lengths no settings tell
            about = [one for one in alike if one.task == task] or alike
            near = min(about, key=lambda one: abs(math.log(made.flops / one.shape.flops)))
            ratio = made.flops / near.shape.flops
            if 0.99 < ratio < 1.01 and not near.key:
                return near.pace, near.where, MEASURED
            source = f"{near.where} x {ratio:.2g} (parameters x tokens)"
            return near.pace * ratio, source, SCALED
        computing, launching = made.flops / device.flops, device.launch * made.layers
        source = f"{made.flops:.2g} FLOP a step on {device.source}"
        if launching > computing:
            source = f"launching {made.layers} layers a step takes longer than {source}"
        return max(computing, launching), source, ANALYTIC

    # samples and what is said of them

    def sampling(self, job: CellJob, targets: int, judges: Iterable[str] = ()) -> Estimate:
        """Of a cell's samples of so many targets, and of their reading by ``judges``."""
        count = targets * job.samples
        shapes = [self.shape(one) for one in job.recipes.values() if one.pace.get("train")]
        pace, source, how = self._sample(job, shapes)
        seconds = count * pace + self._reading(count, judges)
        need = max((one.decoding(self.batch) for one in shapes), default=0.0)
        need += sum(4 * one.parameters for one in shapes)
        return self._estimate(seconds, source, how, need / GIB, on=self.device.kind)

    def judging(self, texts: int, judges: Iterable[str]) -> Estimate:
        """Of so many texts that these judges read."""
        seconds = LOOKUP + self._reading(texts, judges)
        return self._estimate(
            seconds, f"{texts} texts at the measured pace", SCALED, 0.5, on=self.device.kind
        )

    def _reading(self, texts: int, judges: Iterable[str]) -> float:
        faster = self.device.flops / CPU.flops if self.device.kind == "cuda" else 1.0
        return sum(
            texts * READING.get(role, 0.0) / (faster if role in ON_DEVICE else 1.0)
            for role in judges
        )

    def _sample(self, job: CellJob, shapes: Sequence[Shape]) -> tuple[float, str, str]:
        """Seconds of one sample, where they come from, and by which way."""
        own = job.cell.identity
        parameters = sum(one.parameters for one in shapes) or 1.0
        alike = self._timed(own["method"])
        for one in alike:
            if (one.settings, one.artefacts) == (own["settings"], own["artefacts"]):
                return one.pace, one.where, MEASURED
        sized = [one for one in alike if one.parameters]
        if sized:
            near = min(
                sized,
                key=lambda one: (
                    abs(math.log(parameters / (one.parameters or 1.0)))
                    + abs(math.log(_steps(job, own["settings"]) / _steps(job, one.settings)))
                ),
            )
            ratio = parameters / (near.parameters or 1.0)
            ratio *= _steps(job, own["settings"]) / _steps(job, near.settings)
            source, how = f"{near.where} x {ratio:.2g} (parameters x steps)", SCALED
            if self.device.kind == "cuda" and near.device == "cpu":
                ratio *= CPU.flops / self.device.flops
                source += f", on {self.device.source}"
                how = ANALYTIC
            return near.pace * ratio, source, how
        length = max((one.length for one in shapes), default=self.words)
        pace = EVALUATIONS * 2 * parameters * length / self.device.flops
        return pace, f"{EVALUATIONS} evaluations a sample on {self.device.source}", TAKEN

    def _estimate(self, seconds: float, source: str, how: str, need: float, on: str) -> Estimate:
        """``need``: GiB of networks and what they compute."""
        gpu = on == "cuda"
        return Estimate(
            seconds,
            source,
            how,
            SPREAD[how],
            memory=WITH_CUDA + need / 4 if gpu else PROCESS + need,
            on_device=CONTEXT + need if gpu else None,
            device=on,
        )


def _steps(job: CellJob, settings: Mapping[str, Any]) -> float:
    """The number of steps that decoding options ask for; 1 where a method has none. ``settings``
    hold what differs from the defaults."""
    value: Any = settings
    default: Any = job.card.Settings()
    for part in job.card.steps.split(".") if job.card.steps else ():
        value = value.get(part) if isinstance(value, Mapping) else None
        default = getattr(default, part, None)
    found = default if value is None else value
    known = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if known and found > 0 else 1.0


def _related(kind: str, other: str) -> bool:
    """Whether two kinds of network are built from the same settings."""
    known = roles()
    both = [known[name].Config for name in (kind, other) if name in known]
    if len(both) < 2 or both[0] is None or both[1] is None:
        return False
    return issubclass(both[0], both[1]) or issubclass(both[1], both[0])
