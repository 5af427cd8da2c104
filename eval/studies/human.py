"""``python -m eval.human export|import key=value ...``: human evaluation of sentence infilling.

``export`` writes the answers of several methods as blinded pairs, and ``import`` reads what raters
said of them (``eval.studies.ratings``).
"""

from __future__ import annotations

import csv
import hashlib
import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from eval.reading.results import ResultSet
from eval.running.cells import withheld
from eval.running.infilling import answers
from eval.running.values import paths
from eval.studies.ratings import COLUMNS, SCALE, Key, Pair, digest, import_ratings, show
from tasks import known
from tasks.base import Words
from tasks.common.commands import typed
from tasks.common.errors import UserError, unknown
from tasks.common.files import json_text, write_text
from tasks.common.ranges import Checked, maybe_empty, ranged
from tasks.common.shipped import SHIPPED
from tasks.common.shown import visible
from tasks.common.spreadsheet import guarded
from tasks.controls import Control, Withheld
from tasks.metrics.text import detokenize

USAGE = f"""\
usage: python -m eval.human export key=value ...
       python -m eval.human import key=value ...

export writes pairs of answers to one left and right context as CSV, without the methods' names,
and beside it the key to them, which raters must not see. A rater fills in, line by line, either
or both of:
  answer              A, B or tie: which text connects the contexts better
  rating A, rating B  1 to 5: "this text connects the two contexts into one coherent story",
                      from 1 ({SCALE[0]}) to 5 ({SCALE[-1]})
import reads the files back, one a rater. The pairs quote the corpus, and are under its licence.

  python -m eval.human export run=results/X methods=diffusion_lm,ar_infilling items=100
  python -m eval.human import run=results/X ratings=pairs.csv,pairs-of-ada.csv
"""
#: the contexts of a result set's targets, by id
Contexts = Callable[[ResultSet], Mapping[str, Control]]


@dataclass(frozen=True)
class ExportOptions(Checked):
    """What to have rated."""

    #: folder of the result set
    run: str = "results/demo"
    #: two methods or more, separated by commas; every two of them make a pair
    methods: str = "diffusion_lm,ar_infilling"
    #: how many items; all, where there are fewer
    items: int = ranged(100, least=1, most=10**6)
    #: seed of the items drawn, of their order and of what is A and B
    seed: int = 0
    #: the CSV file; its key is written beside it, as NAME.key.json
    out: str = "pairs.csv"
    #: folder of the corpus files, where contexts are not stored with the results
    data: str | None = None
    #: folder of trained artefacts
    store: str = ".store"
    #: read-only folders of ready artefacts, separated by commas; shipped: those that come with the
    #: program
    prebuilt: str = maybe_empty(SHIPPED)


@dataclass(frozen=True)
class ImportOptions:
    """What was rated."""

    #: folder of the result set
    run: str = "results/demo"
    #: the CSV files, separated by commas, one a rater
    ratings: str = "pairs.csv"
    #: the key; by default the one beside the first file
    key: str | None = None


def main(given: Sequence[str], contexts: Contexts | None = None) -> None:
    """``contexts``: in place of those that the corpus gives."""
    from eval.running.keys import key_list
    from eval.running.options import options

    command, rest = (given[0], list(given[1:])) if given else ("", [])
    if command in ("--help", "-h"):
        print(f"{typed(USAGE)}\nKeys of export:\n{key_list(ExportOptions())}")
        print(f"\nKeys of import:\n{key_list(ImportOptions())}")
    elif command == "export":
        exporting = options(ExportOptions, rest, USAGE)
        if exporting is not None:
            _export(exporting, contexts)
    elif command == "import":
        importing = options(ImportOptions, rest, USAGE)
        if importing is not None:
            _import(importing)
    else:
        raise unknown("command", command, ["export", "import"])


def _import(chosen: ImportOptions) -> None:
    results = ResultSet(Path(chosen.run))
    files = paths(chosen.ratings)
    if not files:
        raise UserError("ratings= names no file")
    key = Key.read(Path(chosen.key) if chosen.key else key_path(files[0]))
    if key.run != results.name:
        raise UserError(f"these pairs were exported from {key.run}, not from {results.name}")
    scores = import_ratings(files, key)
    path = results.folder / filling(results) / "human_ratings.json"
    write_text(path, json_text(scores, indent=1, escape=True) + "\n")
    print(visible(show(scores), keep="\n"))
    print(f"ratings: {path}")


def key_path(out: Path) -> Path:
    """Where the key of a file of pairs lies."""
    return out.with_suffix(".key.json")


def _export(chosen: ExportOptions, contexts: Contexts | None) -> None:
    results, out = ResultSet(Path(chosen.run)), Path(chosen.out)
    for path in (out, key_path(out)):
        if path.exists():
            raise UserError(f"{path} exists, and may hold ratings: choose another out=")
    methods = _methods(results, chosen.methods)
    text, key = export(
        results,
        methods,
        chosen.items,
        chosen.seed,
        contexts or (lambda result_set: corpus_contexts(result_set, chosen)),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(key_path(out), key.text())
    write_text(out, text)
    items = len({pair.target for pair in key.pairs.values()})
    print(f"{len(key.pairs)} pairs of {items} items: {out}")
    print(f"key, not for raters: {key_path(out)}")


def filling(results: ResultSet) -> str:
    """The set's task whose samples stand between two contexts. Raises ``UserError`` where it has
    none."""
    task = next((name for name in results.tasks if known(name) and results.task(name).fills), None)
    if task is None:
        raise UserError(f"{results.folder} has no task that fills in a text between two contexts")
    return task


def _methods(results: ResultSet, names: str) -> list[str]:
    having = results.methods(filling(results))
    methods = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    for name in methods:
        if name not in having:
            raise unknown("method", name, having)
    if len(methods) < 2:
        raise UserError(f"methods={names}: pairs need two methods or more")
    return methods


def export(
    results: ResultSet, methods: Sequence[str], items: int, seed: int, contexts: Contexts
) -> tuple[str, Key]:
    """The CSV text of the pairs, and their key; the same for equal arguments.

    Each method's text is the candidate that it chose. The items are drawn from the targets that
    all ``methods`` answered. Raises ``UserError`` where there is none, and where ``contexts``
    gives other contexts than the ones answered to.
    """
    texts = [answered(results, method) for method in methods]
    asked = _contexts(results, contexts)
    shared = [target for target in asked if all(target in answered for answered in texts)]
    if not shared:
        raise UserError(f"{results.folder} has no target that {' and '.join(methods)} answered")
    rng = random.Random(f"human evaluation {seed}")
    drawn = rng.sample(shared, min(items, len(shared)))
    pairs = [(target, *two) for target in drawn for two in combinations(range(len(methods)), 2)]
    rng.shuffle(pairs)
    name = hashlib.sha256(repr((results.name, methods, seed, drawn)).encode()).hexdigest()[:6]
    file, key = io.StringIO(), Key(results.name, list(methods), seed, {})
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for number, (target, first, second) in enumerate(pairs, 1):
        a, b = rng.sample((first, second), 2)
        shown = [detokenize(texts[side][target]) for side in (a, b)]
        pair_id = f"p{name}-{number:04}"
        key.pairs[pair_id] = Pair(target, methods[a], methods[b], digest(*shown))
        around = [detokenize(words) for words in asked[target].contexts or ((), ())]
        writer.writerow([pair_id, *map(guarded, (*around, *shown)), "", "", ""])
    return file.getvalue(), key


def answered(results: ResultSet, method: str) -> dict[str, Words]:
    """What a method answered to each target, up to END."""
    cell = results.cell(filling(results), method)
    assert cell is not None, method
    records: dict[str, list[Mapping[str, object]]] = {}
    for record in cell.samples:
        records.setdefault(record["target"], []).append(record)
    return {target: words for target, (_, words) in answers(records).items()}


def _contexts(results: ResultSet, contexts: Contexts) -> dict[str, Control]:
    """The contexts of the set's targets, from the corpus where they are not stored."""
    stored = {target.id: target.control for target in results.targets(filling(results))}
    hidden = any(isinstance(control, Withheld) for control in stored.values())
    given = contexts(results) if hidden else {}
    controls = {}
    for target, control in stored.items():
        if isinstance(control, Withheld):
            restored = given.get(target)
            if restored is None or withheld(restored) != control:
                raise UserError(
                    f"the corpus at hand has no such target {target} as {results.folder} has: "
                    "set data= to the corpus that it was made from"
                )
            controls[target] = restored
        else:
            controls[target] = control
    return controls


def corpus_contexts(results: ResultSet, chosen: ExportOptions) -> dict[str, Control]:
    """The contexts of the targets, drawn from the corpus again."""
    from rich.console import Console

    from eval.running.display import Display
    from eval.running.runner import Run

    config = results.config(chosen.store, chosen.prebuilt)
    if chosen.data is not None:
        config = replace(config, data=chosen.data)
    run = Run(config, Display(Console(stderr=True, soft_wrap=True, highlight=False)))
    task = filling(results)
    run.build([run.plan.texts_for(task)])
    return {target.id: target.control for target in run.lists.sources(task)}
