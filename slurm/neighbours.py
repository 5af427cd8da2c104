"""What was measured of trainings and samples like those of a plan."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eval.running.cells import CONFIG, TIMING
from eval.running.presets import PRESETS, preset_config
from eval.running.roles import roles
from eval.running.store import SPEC
from models.nets.shapes import Shape, shape
from tasks.common.errors import UserError
from tasks.common.jsonl import read
from tasks.corpora import traits, with_sentences

RESULTS = Path(__file__).resolve().parent.parent / "results"
#: words of a usual text, as the presets have them: of E2E's and the grammar's descriptions, and of
#: three sentences of a story
WORDS, STORY_WORDS = 26.0, 30.0
#: entries of a config that do not change how long a step takes
FREE = ("seed", "task", "task_version")


@dataclass(frozen=True)
class Training:
    """A training that was timed. ``task``: whose controls it is about, where it is about one.
    ``pace``: seconds a step. ``key``: the settings that decide it,
    equal for equal networks; empty for a bench, whose sizes may have been others."""

    kind: str
    key: str
    shape: Shape
    pace: float
    where: str
    device: str
    task: str = ""


@dataclass(frozen=True)
class Sampling:
    """A cell whose samples were timed, or a bench, whose settings are not known. ``pace``: seconds
    a sample; ``parameters``: of the networks that it loads, where they are known."""

    settings: Mapping[str, Any]
    artefacts: Mapping[str, str]
    parameters: float | None
    pace: float
    where: str
    device: str = "cpu"


def shown(path: Path) -> str:
    """As one types it, where it is the project's own."""
    root = RESULTS.parent
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def words_of(corpus: str) -> float:
    return STORY_WORDS if traits(corpus).sentences else WORDS


def pace_key(config: Mapping[str, Any]) -> str:
    """The settings that decide how long a step takes."""
    kept = {k: v for k, v in config.items() if k not in FREE}
    train = config.get("train")
    train = train if isinstance(train, Mapping) else {}
    kept["train"] = {k: v for k, v in train.items() if k in ("batch", "bf16")}
    return json.dumps(kept, sort_keys=True)


def whole(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a network of which a spec holds those that differ from the defaults."""
    role = roles().get(kind)
    base = dataclasses.asdict(role.Config()) if role and role.Config else {}
    return _merged(base, config)


def _merged(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for name, value in other.items():
        inner = out.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        out[name] = _merged(inner, value) if both else value  # type: ignore[arg-type]
    return out


def specs(stores: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Key -> spec of every complete artefact; what cannot be read is left out."""
    found: dict[str, dict[str, Any]] = {}
    for folder in (f for store in stores for f in sorted(store.glob("*-*/"))):
        try:
            spec = json.loads((folder / SPEC).read_text("utf-8"))
            if isinstance(spec["config"], dict) and isinstance(spec["kind"], str):
                found.setdefault(folder.name, {**spec, "folder": folder})
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue
    return found


def shape_of(
    spec: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], vocabulary: int, words: float
) -> Shape:
    """The shape of a stored network; sequences are as long as those of a network that it depends
    on, where its own settings do not say."""
    length = 0.0
    for key in (spec.get("deps") or {}).values():
        if key in known:
            length = whole(known[key]["kind"], known[key]["config"]).get("length", length)
    return shape(whole(spec["kind"], spec["config"]), vocabulary, words, length)


def trainings(
    known: Mapping[str, Mapping[str, Any]], device: str, vocabulary: int, words: float
) -> Iterator[Training]:
    """Those whose curves are stored."""
    for spec in known.values():
        points = read(spec["folder"] / "curve.jsonl")
        last = points[-1] if points else None
        if isinstance(last, dict) and last.get("step") and last.get("seconds"):
            own = shape_of(spec, known, vocabulary, words)
            pace = float(last["seconds"]) / float(last["step"])
            where = f"the curve of {shown(spec['folder'])}"
            key = pace_key(spec["config"])
            task = str(spec["config"].get("task", ""))
            yield Training(spec["kind"], key, own, pace, where, device, task)


@cache
def benches() -> tuple[dict[str, Any], ...]:
    """The speed figures of ``eval.studies.bench`` under ``results/``, with the file of each."""
    found = []
    for path in sorted(RESULTS.glob("bench-*.json")):
        figures = json.loads(path.read_text(encoding="utf-8"))
        if figures.get("preset") in PRESETS:
            found.append({**figures, "path": path})
    return tuple(found)


def bench_source(figures: Mapping[str, Any]) -> str:
    name = figures["path"].name
    return f"{name} ({figures['device']}, {figures.get('threads', '?')} threads)"


def _bench_config(figures: Mapping[str, Any]) -> Any:
    """The settings that a bench was run with, as far as it says."""
    corpus = with_sentences()[0] if "items" in figures else None
    return preset_config(figures["preset"], corpus)


def bench_trainings() -> Iterator[Training]:
    for figures in benches():
        config = _bench_config(figures)
        vocabulary, words = traits(config.corpus).vocabulary, words_of(config.corpus)
        for name, measured in figures.items():
            kind = name.removeprefix("train ")
            role = roles().get(kind)
            if kind == name or role is None or not hasattr(config, role.section):
                continue
            pace = float(measured["seconds a step"])
            own = shape(dataclasses.asdict(getattr(config, role.section)), vocabulary, words)
            if "tokens/s" in measured:
                own = dataclasses.replace(own, length=measured["tokens/s"] * pace / own.batch)
            if "parameters" in measured:
                own = dataclasses.replace(own, parameters=float(measured["parameters"]))
            where = f"{name} in {bench_source(figures)}"
            yield Training(kind, "", own, pace, where, figures["device"].split(":")[0])


def samplings(
    method: str,
    sets: Sequence[Path],
    known: Mapping[str, Mapping[str, Any]],
    vocabulary: int,
    words: float,
) -> Iterator[Sampling]:
    """Cells of a method in result sets whose samples were timed; what cannot be read is left
    out."""
    places = [p for one in sets for p in sorted(one.glob(f"*/{method}/{TIMING}"))]
    for place in [*places, *(p for one in sets for p in one.glob(f"{method}/{TIMING}"))]:
        try:
            stored = json.loads((place.parent / CONFIG).read_text("utf-8"))["identity"]
            settings, artefacts = dict(stored["settings"]), dict(stored["artefacts"])
            times = [float(s) for record in read(place) for s in record["seconds"]]
        except (OSError, ValueError, TypeError, KeyError, RecursionError, UserError):
            continue
        specs = [known[key] for key in artefacts.values() if key in known]
        sizes = [shape_of(spec, known, vocabulary, words).parameters for spec in specs]
        if times:
            yield Sampling(
                settings,
                artefacts,
                sum(sizes) if len(sizes) == len(artefacts) else None,
                sum(times) / len(times),
                f"the samples of {shown(place.parent)}",
            )


def bench_samplings(method: str) -> Iterator[Sampling]:
    for figures in benches():
        measured = figures.get(f"decode {method}")
        if measured is None:
            continue
        rate = measured.get("samples/s")
        pace = 1 / rate if rate else measured["seconds an item"] / measured["candidates an item"]
        where = f"decode {method} in {bench_source(figures)}"
        name = figures["path"].name
        sizes = {one.kind: one.shape.parameters for one in bench_trainings() if name in one.where}
        device = figures["device"].split(":")[0]
        yield Sampling({}, {}, sum(sizes.values()) or None, pace, where, device)
