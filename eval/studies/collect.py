"""``python -m eval.collect run=results/SET``: gathers from trained artefacts what figures draw.

A result set names its artefacts; what figures need of them is small (training curves, accuracy by
noise level, the embeddings projected to a plane) and is copied beside the results, so that figures
can be drawn where no artefact is. Loads no network.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.reading.results import ResultSet
from eval.running.roles import roles
from eval.running.store import Store
from tasks.common.errors import UserError
from tasks.common.files import write_text
from tasks.common.jsonl import read
from tasks.common.ranges import maybe_empty
from tasks.vocabulary import SPECIALS

USAGE = """\
usage: python -m eval.collect key=value ...

Copies training curves, classifiers' accuracy by noise level and the projected word embeddings of a
result set's artefacts beside its results, for python -m eval.plots.

  python -m eval.collect run=results/demo
"""
CURVES, EMBEDDING = "curves.json", "embedding.json"
#: kinds of artefact that are no trained network
UNTRAINED = ("corpus", "vocabulary", "parses", "tags")


@dataclass(frozen=True)
class CollectOptions:
    """What to read and where artefacts lie."""

    #: folder of the result set
    run: str = "results/demo"
    #: folder of trained artefacts
    store: str = ".store"
    #: read-only folders of ready artefacts, separated by commas
    prebuilt: str = maybe_empty("results/prebuilt")


def main(given: Sequence[str]) -> None:
    from eval.running.options import options

    chosen = options(CollectOptions, given, USAGE)
    if chosen is None:
        return
    results = ResultSet(Path(chosen.run))
    store = Store(Path(chosen.store), [Path(p) for p in chosen.prebuilt.split(",") if p])
    for path in collect(results, store):
        print(path)


def collect(results: ResultSet, store: Store) -> list[Path]:
    """Writes ``curves.json`` and, where the diffusion model is at hand, ``embedding.json``.

    Raises ``UserError`` if no artefact of the set is in the store.
    """
    named = artefacts(results)
    folders = {key: folder for key in named if (folder := store.find(key)) is not None}
    if not folders:
        raise UserError(
            f"no artefact of {results.folder} is in {store.root} or "
            f"{', '.join(map(str, store.prebuilt))}: set store= or prebuilt="
        )
    entries = {
        key: {
            "kind": key.rpartition("-")[0],
            "tasks": sorted(named[key]),
            "curve": [_rounded(point) for point in read(folder / "curve.jsonl")],
            "noise": [_rounded(point) for point in _noise(folder)],
        }
        for key, folder in sorted(folders.items())
    }
    missing = sorted(set(named) - set(folders))
    written = [results.folder / CURVES]
    write_text(written[0], _json({"artefacts": entries, "missing": missing}))
    tables = {name: role.embedding for name, role in roles().items() if role.embedding}
    for key in folders:
        if key.rpartition("-")[0] in tables:
            written.append(results.folder / EMBEDDING)
            table = tables[key.rpartition("-")[0]]
            write_text(written[1], _json(embedding(results, key, folders[key], table)))
            break
    return written


def artefacts(results: ResultSet) -> dict[str, set[str]]:
    """Key of every trained artefact that the set's cells name -> the tasks it is trained for."""
    known, tasks_by_key = roles(), dict[str, set[str]]()
    for cell in results.cells():
        named_by_role = cell.config.get("identity", {}).get("artefacts", {})
        for role, key in named_by_role.items():
            kind, colon, named = role.partition(":")
            tasks = tasks_by_key.setdefault(key, set())
            if kind in known and known[kind].per_task:
                tasks.add(named if colon else cell.task)
        for key in cell.config.get("judges", {}).values():
            tasks_by_key.setdefault(key, set())
    return {k: tasks for k, tasks in tasks_by_key.items() if k.rpartition("-")[0] not in UNTRAINED}


def embedding(results: ResultSet, key: str, folder: Path, table_name: str) -> dict[str, Any]:
    """The learned embeddings of all words in a plane (t-SNE), each with its part of speech."""
    from safetensors import safe_open

    from eval.reading.projection import PERPLEXITY, tsne

    vocabulary = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    words = [word for word in vocabulary if word not in SPECIALS]
    with safe_open(folder / "weights.safetensors", framework="numpy") as file:
        table = file.get_tensor(table_name).astype(np.float64)
    rows = [i for i, word in enumerate(vocabulary) if word not in SPECIALS]
    places = tsne(table[rows])
    tags = word_tags(results)
    points = [
        {"word": word, "tag": tags.get(word, ""), "x": round(float(x), 3), "y": round(float(y), 3)}
        for word, (x, y) in zip(words, places, strict=True)
    ]
    return {
        "artefact": key,
        "dimension": table.shape[1],
        "perplexity": PERPLEXITY,
        "points": points,
    }


def word_tags(results: ResultSet) -> dict[str, str]:
    """The commonest UPOS tag of each word that occurs in the set's judged samples: the oracle
    tagger's, or where only trees are stored, that of their pre-terminals."""
    counts: dict[str, Counter[str]] = {}
    for words, tags in _tagged(results):
        for word, tag in zip(words, tags, strict=False):
            counts.setdefault(word, Counter())[tag] += 1
    return {word: max(sorted(c), key=c.__getitem__) for word, c in counts.items()}


def _tagged(results: ResultSet) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    from tasks.oracles.trees import nodes
    from tasks.oracles.upos import universal

    for cell in results.cells():
        for words, record in cell.annotations.items():
            if record.get("tags"):
                yield words, record["tags"]
            elif record.get("tree"):
                labels = [label for _, label in nodes(record["tree"]).leaves]
                if len(labels) == len(words):
                    yield words, universal(words, labels)


def _noise(folder: Path) -> list[dict[str, float]]:
    path = folder / "curve_noise.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def _rounded(point: Mapping[str, float]) -> dict[str, float]:
    """Wall times are left out: they differ from run to run."""
    return {k: float(f"{v:.6g}") for k, v in point.items() if k != "seconds"}


def _json(value: Any) -> str:
    return json.dumps(value, indent=None, ensure_ascii=False, separators=(",", ":")) + "\n"
