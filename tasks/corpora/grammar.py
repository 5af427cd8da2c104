"""The embedded corpus: restaurant descriptions from a grammar written for this project.

Every text has gold meaning fields, UPOS tags and a parse tree, so that the whole pipeline runs
and can be checked exactly with no download. Texts have 5 to 30 words and no newline token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random

from tasks.common.errors import UserError
from tasks.corpora import embedded
from tasks.corpora.pcfg import DeadEnd, Grammar
from tasks.texts import Corpus, Text, Words

SHORTEST, LONGEST = 5, 30

#: bumped when the same sizes and seed give other texts
VERSION = 1

#: field of the text's meaning -> the key of the world that holds it, in the order of the fields
FIELDS = {
    "name": "name",
    "eatType": "kind",
    "food": "food",
    "priceRange": "price",
    "customer rating": "rating",
    "area": "area",
    "familyFriendly": "family",
    "near": "near",
}


def load(
    data: Path | None = None, size_train: int = 20_000, size_valid: int = 1_000, seed: int = 0
) -> Corpus:
    """Generates the corpus; ``data`` is not read.

    The same (sizes, seed) give the same texts on every machine. Texts are drawn independently, so
    the training split repeats some, as real corpora do; the validation split repeats none and
    shares none with the training split. Raises ``UserError`` for sizes below 1.
    """
    if size_train < 1 or size_valid < 1:
        raise UserError(f"size_train and size_valid are at least 1, not {size_train}, {size_valid}")
    rng = Random(seed)
    seen: set[tuple[str, ...]] = set()
    valid: list[Text] = []
    while len(valid) < size_valid:
        text = draw(rng)
        if text.words not in seen:
            seen.add(text.words)
            valid.append(text)
    train: list[Text] = []
    while len(train) < size_train:
        text = draw(rng)
        if text.words not in seen:
            train.append(text)
    return Corpus("grammar", tuple(train), tuple(valid))


def stamp(data: Path | None = None) -> dict[str, str]:
    """What the texts are made from; ``data`` is not read."""
    return embedded.stamp("grammar")


def tokenizer() -> Callable[[str], Words]:
    """See :func:`tasks.corpora.embedded.tokenizer`."""
    return embedded.tokenizer()


def draw(rng: Random) -> Text:
    """One text with its fields, tags and tree."""
    while True:
        world = draw_world(rng)
        try:
            text, told = _grammar().expand("TEXT", world, rng)
        except DeadEnd:
            continue
        if SHORTEST <= len(text.words) <= LONGEST:
            fields = tuple((field, world[key]) for field, key in FIELDS.items() if key in told)
            return Text(text.words, text.tree, text.tags, fields)


def draw_world(rng: Random) -> dict[str, str]:
    """One restaurant: a value for every key that the rules ask about, fit to go together."""

    known = embedded.world("grammar_world")

    def pick(values: Sequence[str]) -> str:
        return values[int(rng.random() * len(values))]

    world = {key: pick(values) for key, values in known["values"].items()}
    world["name"], world["near"] = pick(known["names"]), pick(known["landmarks"])
    meal = rng.random() < 0.8
    world["style"] = "meal" if meal else "sweet"
    world["kind"] = pick(known["meals" if meal else "sweets"])
    world["food"] = pick(known["cuisines" if meal else "baked"])
    if world["price"] == "high" and (not meal or world["kind"] in ("diner", "pub")):
        world["price"] = "moderate"
    if world["mood"] == "elegant" and (world["price"] == "cheap" or world["kind"] == "diner"):
        world["mood"] = "rustic"
    return world


@cache
def _grammar() -> Grammar:
    known = embedded.world("grammar_world")
    names = "".join(
        f"    1 {' '.join(('DT:' if w == 'The' else 'NNP:') + w for w in name.split())}"
        f" ; name={name.replace(' ', '_')}\n"
        for name in known["names"]
    )
    landmarks = "".join(
        f"    1 (NP DT:the {' '.join(_landmark(w) for w in name.split())})"
        f" ; near={name.replace(' ', '_')}\n"
        for name in known["landmarks"]
    )
    rules, lexicon = embedded.rules("grammar_rules"), embedded.rules("grammar_lexicon")
    return Grammar(f"{rules}\n{lexicon}\nNAMEIN:\n{names}\nLANDMARK:\n{landmarks}")


def _landmark(word: str) -> str:
    tag = "JJ" if word in ("botanic", "old", "public") else "NNS" if word == "walls" else "NN"
    return f"{tag}:{word}"
