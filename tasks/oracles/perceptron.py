"""NLTK's averaged perceptron tagger: its weights, its training, and a quicker ``tag``."""

from __future__ import annotations

import gzip
import json
import math
import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.common.errors import UserError
from tasks.common.files import write_bytes

FOLDER = "taggers/averaged_perceptron_tagger_eng"
PARTS = ("weights", "tagdict", "classes")
#: contexts remembered before the memory is emptied
REMEMBERED = 500_000


class Perceptron:
    """The tagger as NLTK's ``PerceptronTagger`` defines it, greedy from left to right.

    It gives NLTK's tags about ten times as fast on a corpus that repeats itself: a tag is
    remembered under everything that its features are made of.
    """

    def __init__(
        self,
        weights: Mapping[str, Mapping[str, float]],
        tagdict: Mapping[str, str],
        classes: Sequence[str],
    ) -> None:
        self.weights, self.tagdict = weights, tagdict
        # NLTK breaks ties in favour of the last label of the alphabet
        self.classes = sorted(classes, reverse=True)
        self._column = {label: i for i, label in enumerate(self.classes)}
        self._rows: dict[str, np.ndarray | None] = {}
        self._known: dict[tuple[str, ...], str] = {}

    def tag(self, words: Sequence[str]) -> list[str]:
        """One tag a word."""
        context = ["-START-", "-START2-", *map(_normalise, words), "-END-", "-END2-"]
        before, last = "-START2-", "-START-"
        tags: list[str] = []
        for i, word in enumerate(words):
            tag = self.tagdict.get(word)
            if not tag:
                key = (word[-3:], word[:1], last, before, *context[i : i + 5])
                tag = self._known.get(key)
                if tag is None:
                    if len(self._known) >= REMEMBERED:
                        self._known.clear()
                    tag = self._known[key] = self._predict(key)
            tags.append(tag)
            before, last = last, tag
        return tags

    def _predict(self, key: tuple[str, ...]) -> str:
        total = np.zeros(len(self.classes))
        for feature in _features(key):
            if feature not in self._rows:
                self._rows[feature] = self._row(feature)
            row = self._rows[feature]
            if row is not None:
                total += row
        return self.classes[int(total.argmax())]

    def _row(self, feature: str) -> np.ndarray | None:
        by_label = self.weights.get(feature)
        if by_label is None:
            return None
        row = np.zeros(len(self.classes))
        for label, weight in by_label.items():
            row[self._column[label]] = weight
        return row


def _features(key: tuple[str, ...]) -> Iterator[str]:
    """NLTK's features of one word, in NLTK's order, which floating-point sums depend on. ``key``:
    its suffix and first letter, the tags before it (the last one first), and the five words around
    it in their order."""
    suffix, prefix, last, before, word2, word1, word, next1, next2 = key
    yield "bias"
    yield f"i suffix {suffix}"
    yield f"i pref1 {prefix}"
    yield f"i-1 tag {last}"
    yield f"i-2 tag {before}"
    yield f"i tag+i-2 tag {last} {before}"
    yield f"i word {word}"
    yield f"i-1 tag+i word {last} {word}"
    yield f"i-1 word {word1}"
    yield f"i-1 suffix {word1[-3:]}"
    yield f"i-2 word {word2}"
    yield f"i+1 word {next1}"
    yield f"i+1 suffix {next1[-3:]}"
    yield f"i+2 word {next2}"


def _normalise(word: str) -> str:
    if "-" in word and word[0] != "-":
        return "!HYPHEN"
    if word.isdigit() and len(word) == 4:
        return "!YEAR"
    return "!DIGITS" if word and word[0].isdigit() else word.lower()


def find_perceptron(data: Path) -> Path:
    """The folder of NLTK's English tagger under the data folder (or under ``nltk_data`` itself).
    Raises ``UserError`` naming it if it is missing."""
    for path in (data / "nltk_data" / FOLDER, data / FOLDER):
        if path.is_dir():
            return path
    raise UserError(f"missing folder {data / 'nltk_data' / FOLDER}: set data=DIR to its parent")


def load_perceptron(folder: Path) -> Perceptron:
    """Reads ``*.weights.json``, ``*.tagdict.json`` and ``*.classes.json`` of ``folder``, or the
    same under ``.json.gz``.

    Raises ``UserError`` naming a missing or damaged file.
    """
    read: dict[str, Any] = {}
    for part in PARTS:
        paths = [*sorted(folder.glob(f"*{part}.json")), *sorted(folder.glob(f"*{part}.json.gz"))]
        if not paths:
            raise UserError(f"missing tagger file {folder}/*{part}.json")
        try:
            raw = paths[0].read_bytes()
            read[part] = json.loads(gzip.decompress(raw) if paths[0].suffix == ".gz" else raw)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise UserError(f"damaged tagger file {paths[0]}: {error}") from None
        except RecursionError:
            raise UserError(f"damaged tagger file {paths[0]}: nested too deep") from None
    for part, wrong in _misfits(read):
        raise UserError(f"damaged tagger file {folder}/*{part}.json: {wrong}")
    return Perceptron(read["weights"], read["tagdict"], read["classes"])


def _misfits(read: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(part, what is wrong with it)."""
    classes, weights, tagdict = read["classes"], read["weights"], read["tagdict"]
    if not (isinstance(classes, list) and classes and all(isinstance(c, str) for c in classes)):
        yield "classes", "not a list of tags"
        return
    known = set(classes)
    if not (isinstance(tagdict, dict) and known.issuperset(map(str, tagdict.values()))):
        yield "tagdict", "not a dict of words and tags"
    if not isinstance(weights, dict):
        yield "weights", "not a dict of features"
        return
    for feature, row in weights.items():
        if not (isinstance(row, dict) and known.issuperset(row)):
            yield "weights", f"feature {feature[:40]!r} has no weights by tag"
            return
        if not all(isinstance(w, (int, float)) and math.isfinite(w) for w in row.values()):
            yield "weights", f"feature {feature[:40]!r} has a weight that is no number"
            return


def save_perceptron(folder: Path, tagger: Perceptron, compress: bool = False) -> None:
    """Writes the three JSON files that :func:`load_perceptron` reads; ``compress``: as ``.gz``, a
    fifth of their size."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = (tagger.weights, tagger.tagdict, sorted(tagger.classes))
    for part, value in zip(PARTS, parts, strict=True):
        text = json.dumps(value, sort_keys=True).encode()
        if compress:
            write_bytes(folder / f"{part}.json.gz", gzip.compress(text, mtime=0))
        else:
            write_bytes(folder / f"{part}.json", text)


def train_perceptron(
    sentences: Sequence[Sequence[tuple[str, str]]], seed: int, epochs: int = 5
) -> Perceptron:
    """Trained by NLTK on (word, tag) sentences; the same seed gives the same weights."""
    from nltk.tag.perceptron import PerceptronTagger

    tagger = PerceptronTagger(load=False)
    # NLTK shuffles with Python's global random state: set it, then put it back
    state = random.getstate()
    random.seed(seed)
    try:
        tagger.train([list(sentence) for sentence in sentences if sentence], nr_iter=epochs)
    finally:
        random.setstate(state)
    return Perceptron(tagger.model.weights, tagger.tagdict, sorted(tagger.classes))
