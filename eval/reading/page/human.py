"""The human texts behind a set's targets, and training texts that do what they ask, for the page's
sample browser.

Result sets do not store them: texts of real corpora may not be copied. Those of an embedded corpus
are made again, those of another one read from the folder that the reader names.
"""

from __future__ import annotations

import dataclasses
import re
from functools import lru_cache
from pathlib import Path

from eval.reading.results import ResultSet
from eval.running.scoring import HUMAN
from tasks import known, load_task
from tasks.base import Corpus, Target, Words
from tasks.controls import Control, Stored
from tasks.corpora import CORPORA, load_corpus, traits
from tasks.targets import MAX_WORDS

#: what looking up a training text is called beside methods
RETRIEVED = "retrieval"
#: targets drawn from validation texts name the row (``tasks.targets``)
_ROW = re.compile(r"valid-(\d{5})(?:-|$)")


def human_texts(results: ResultSet, task: str, data: Path | None) -> dict[str, list[Words]]:
    """Target id -> its human texts; empty where they are not at hand. ``data``: the folder of the
    corpus, which an embedded one does not need.

    Raises ``UserError`` where ``data`` is given and does not hold the corpus and its lists.
    """
    if not _at_hand(results, data) or not known(task) or not results.scores(task, HUMAN):
        return {}
    corpus, asked = _corpus(results.corpus, data), load_task(task, data)
    targets = [_with_source(t, corpus) for t in results.targets(task)]
    targets = [t for t in targets if not isinstance(t.control, Stored)]
    found = {t.id: texts for t in targets if (texts := asked.references(t, corpus))}
    if not found:  # released lists and items bring the texts themselves
        drawn = {t.id: asked.references(t, corpus) for t in _drawn(results, task, corpus, data)}
        found = {t.id: texts for t in targets if (texts := drawn.get(t.id, []))}
    return found


def training_texts(
    results: ResultSet, task: str, data: Path | None, most: int
) -> dict[str, list[Words]]:
    """Target id -> the first ``most`` training texts that have its very control: what looking one
    up would answer. As of :func:`human_texts`, empty where they are not at hand."""
    if not _at_hand(results, data) or not known(task):
        return {}
    asked: dict[Control, list[str]] = {}
    for target in results.targets(task):
        if not isinstance(target.control, Stored):
            asked.setdefault(target.control, []).append(target.id)
    found: dict[str, list[Words]] = {}
    corpus = _corpus(results.corpus, data)
    for control, words in load_task(task, data).examples(corpus.train, 0):
        for name in asked.get(control, ()):
            texts = found.setdefault(name, [])
            if len(texts) < most:
                texts.append(words)
    return found


def _at_hand(results: ResultSet, data: Path | None) -> bool:
    """Whether the texts of the set's corpus can be read."""
    return results.corpus in CORPORA and (data is not None or traits(results.corpus).embedded)


def _with_source(target: Target, corpus: Corpus) -> Target:
    row = _ROW.match(target.id)
    if row is None or int(row[1]) >= len(corpus.valid):
        return target
    return dataclasses.replace(target, source=corpus.valid[int(row[1])].words)


def _drawn(results: ResultSet, task: str, corpus: Corpus, data: Path | None) -> list[Target]:
    """The set's targets once more, with the texts that they were drawn from."""
    settings, count = results.settings, len(results.targets(task))
    source, seed = str(settings.get("source", "auto")), int(settings.get("seed", 0))
    return load_task(task, data).draw(corpus, count, source, seed, MAX_WORDS)


@lru_cache(maxsize=2)
def _corpus(name: str, data: Path | None) -> Corpus:
    return load_corpus(name, data)
