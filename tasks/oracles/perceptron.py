"""NLTK's averaged perceptron tagger (Penn Treebank tags): loading, training, JSON weights."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import UserError

if TYPE_CHECKING:
    from nltk.tag.perceptron import PerceptronTagger

FOLDER = "taggers/averaged_perceptron_tagger_eng"
PARTS = ("weights", "tagdict", "classes")


def find_perceptron(data: Path) -> Path:
    """The folder of NLTK's English tagger under the data folder (or under ``nltk_data`` itself).
    Raises ``UserError`` naming it if it is missing."""
    for path in (data / "nltk_data" / FOLDER, data / FOLDER):
        if path.is_dir():
            return path
    raise UserError(f"missing folder {data / 'nltk_data' / FOLDER}: set data=DIR to its parent")


def load_perceptron(folder: Path) -> PerceptronTagger:
    """Reads ``*.weights.json``, ``*.tagdict.json`` and ``*.classes.json`` of ``folder``.

    The files are read here because NLTK refuses any folder outside its own search path. Raises
    ``UserError`` naming a missing or damaged file.
    """
    from nltk.tag.perceptron import PerceptronTagger

    read: dict[str, Any] = {}
    for part in PARTS:
        paths = sorted(folder.glob(f"*{part}.json"))
        if not paths:
            raise UserError(f"missing tagger file {folder}/*{part}.json")
        try:
            read[part] = json.loads(paths[0].read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"damaged tagger file {paths[0]}: {error}") from None
    if not (isinstance(read["weights"], dict) and isinstance(read["tagdict"], dict)):
        raise UserError(f"damaged tagger files in {folder}: not a perceptron's weights")
    tagger = PerceptronTagger(load=False)
    tagger.model.weights = read["weights"]
    tagger.tagdict = read["tagdict"]
    tagger.classes = tagger.model.classes = set(read["classes"])
    return tagger


def save_perceptron(folder: Path, tagger: PerceptronTagger) -> None:
    """Writes the three JSON files that :func:`load_perceptron` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = (tagger.model.weights, tagger.tagdict, sorted(tagger.classes))
    for part, value in zip(PARTS, parts, strict=True):
        (folder / f"{part}.json").write_text(json.dumps(value, sort_keys=True), encoding="utf-8")


def train_perceptron(
    sentences: Sequence[Sequence[tuple[str, str]]], seed: int, epochs: int = 5
) -> PerceptronTagger:
    """NLTK's tagger trained on (word, tag) sentences; the same seed gives the same weights."""
    from nltk.tag.perceptron import PerceptronTagger

    tagger = PerceptronTagger(load=False)
    # NLTK shuffles with Python's global random state: set it, then put it back
    state = random.getstate()
    random.seed(seed)
    try:
        tagger.train([list(sentence) for sentence in sentences if sentence], nr_iter=epochs)
    finally:
        random.setstate(state)
    return tagger


def tag_words(tagger: PerceptronTagger, words: Sequence[str]) -> list[str]:
    """One tag a word."""
    return [tag for _, tag in tagger.tag(list(words))]
