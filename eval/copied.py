"""``python -m eval.copied run=results/SET``: which samples of a stored set are training texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eval.run import guarded

if TYPE_CHECKING:
    from eval.reading.results import ResultSet
    from tasks.base import Corpus, Words

USAGE = """\
usage: python -m eval.copied key=value ...

Counts in each cell of a result set the samples that are a training text word for word, as judging
does, and stores the counts for its tables (copied): of sets that were judged before there were any.
Scores stay as they are; eval.run with the set's own command then prints the tables anew.

  python -m eval.copied run=results/demo
  python -m eval.copied run=results/small-e2e data=DIR
"""


@dataclass(frozen=True)
class CopiedOptions:
    """What to read."""

    #: folder of the result set
    run: str = "results/demo"
    #: folder of the corpus's files, where it is not embedded
    data: str | None = None


def main(given: Sequence[str]) -> None:
    from eval.reading.results import ResultSet
    from eval.running.cells import CONFIG, copied
    from eval.running.options import options
    from tasks.common.files import json_text, write_text
    from tasks.corpora import load_corpus

    chosen = options(CopiedOptions, given, USAGE)
    if chosen is None:
        return
    results = ResultSet(Path(chosen.run))
    corpus = load_corpus(results.corpus, Path(chosen.data) if chosen.data else None)
    training = frozenset(text.words for text in corpus.train)
    for folder, texts in judged(results, corpus).items():
        place = folder / CONFIG
        counts = copied(texts, training)
        record = json.loads(place.read_text(encoding="utf-8"))
        write_text(place, json_text(record | {"copied": counts}, indent=1))
        print(f"{folder.relative_to(results.folder)}  {counts['copied']} of {counts['texts']}")


def judged(results: ResultSet, corpus: Corpus) -> dict[Path, list[Words]]:
    """The texts of each cell that has an lm-score, by its folder. Raises ``UserError`` for a set
    without any."""
    from eval.running.cells import SCORES
    from eval.running.scoring import FLOOR, HUMAN, human_texts
    from tasks.common.errors import UserError

    tasks = [task for task in results.tasks if results.task(task).fluency]
    floor = [tuple(record["words"]) for record in results.floor_samples]
    texts = {
        cell.folder: [tuple(record["words"]) for record in cell.samples]
        for cell in results.cells(*tasks)
    }
    texts |= {results.folder / task / FLOOR: floor for task in tasks}
    texts[results.folder / HUMAN] = list(human_texts(corpus).values())
    texts = {folder: each for folder, each in texts.items() if (folder / SCORES).is_file()}
    if not tasks or not texts:
        raise UserError(f"{results.folder} holds no scores of texts one by one")
    return texts


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
