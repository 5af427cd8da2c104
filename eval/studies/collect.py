"""``python -m eval.collect run=results/SET``: gathers from trained artefacts what figures draw.

A result set names its artefacts; what figures need of them is small (training curves, accuracy by
noise level, the embeddings projected to a plane) and is copied beside the results, so that figures
can be drawn where no artefact is. Loads no network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.reading.results import ResultSet
from eval.reading.schema import Noise
from eval.running.roles import roles
from eval.running.store import Store
from tasks.common.errors import UserError
from tasks.common.files import json_text, write_text
from tasks.common.ranges import maybe_empty
from tasks.common.schema import Real, read_json, read_lines
from tasks.common.shipped import SHIPPED, ready
from tasks.vocabulary import SPECIALS

USAGE = """\
usage: python -m eval.collect key=value ...

Copies training curves, classifiers' accuracy by noise level and the projected word embeddings of a
result set's artefacts beside its results, for python -m eval.plots.

  python -m eval.collect run=results/demo
"""
CURVES, EMBEDDING = "curves.json", "embedding.json"
#: a point of a curve
Figures = dict[str, Real]
#: kinds of artefact that are no trained network
UNTRAINED = ("corpus", "vocabulary", "parses", "tags")


@dataclass(frozen=True)
class CollectOptions:
    """What to read and where artefacts lie."""

    #: folder of the result set
    run: str = "results/demo"
    #: folder of trained artefacts
    store: str = ".store"
    #: read-only folders of ready artefacts, separated by commas; shipped: those that come with the
    #: program
    prebuilt: str = maybe_empty(SHIPPED)


def main(given: Sequence[str]) -> None:
    from eval.running.options import options

    chosen = options(CollectOptions, given, USAGE)
    if chosen is None:
        return
    results = ResultSet(Path(chosen.run))
    store = Store(Path(chosen.store), ready(chosen.prebuilt))
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
            "curve": [_rounded(point) for point in read_lines(folder / "curve.jsonl", Figures)],
            "noise": [_rounded(point) for point in _noise(folder)],
        }
        for key, folder in sorted(folders.items())
    }
    missing = sorted(set(named) - set(folders))
    written = {results.folder / CURVES: _json({"artefacts": entries, "missing": missing})}
    tables = {name: role.embedding for name, role in roles().items() if role.embedding}
    for key in folders:
        if key.rpartition("-")[0] in tables:
            table = tables[key.rpartition("-")[0]]
            made = embedding(results, key, folders[key], table)
            written[results.folder / EMBEDDING] = _json(made)
            break
    for path, text in written.items():
        write_text(path, text)
    return list(written)


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
    from safetensors import SafetensorError, safe_open

    from eval.reading.projection import PERPLEXITY, tsne

    vocabulary = read_json(folder / "vocabulary.json", list[str], "vocabulary")
    words = [word for word in vocabulary if word not in SPECIALS]
    weights = folder / "weights.safetensors"
    try:
        with safe_open(weights, framework="numpy") as file:
            table = file.get_tensor(table_name).astype(np.float64)
    except (SafetensorError, OSError) as error:
        raise UserError(f"cannot read {table_name} of {weights}: {error}") from None
    # words stand first; tokens that a network has beside them have embeddings too
    if table.ndim != 2 or len(table) < len(vocabulary) or not np.isfinite(table).all():
        raise UserError(f"{table_name} of {weights} is no table of {len(vocabulary)} embeddings")
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
    stored: list[dict[str, float]] = read_json(path, Noise, "curve") if path.exists() else []
    return stored


def _rounded(point: Mapping[str, float]) -> dict[str, float]:
    """Wall times are left out: they differ from run to run."""
    return {k: float(f"{v:.6g}") for k, v in point.items() if k != "seconds"}


def _json(value: Any) -> str:
    return json_text(value, tight=True) + "\n"
