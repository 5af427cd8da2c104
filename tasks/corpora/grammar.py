"""The embedded corpus: restaurant descriptions from a grammar written for this project.

Every text has gold meaning fields, UPOS tags and a parse tree, so that the whole pipeline runs
and can be checked exactly with no download. Texts have 5 to 30 words and no newline token.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

from tasks.base import Corpus, Text, Words
from tasks.common.errors import UserError
from tasks.corpora.grammar_lexicon import LEXICON
from tasks.corpora.grammar_rules import RULES
from tasks.corpora.pcfg import DeadEnd, Grammar

SHORTEST, LONGEST = 5, 30

NAMES = """The Copper Kettle/Juniper House/The Blue Heron/Saffron Lane/The Lantern/Old Orchard
The Quiet Fox/Harbour Table/Bellweather/The Tin Whistle/The Silver Birch/Pepperwood
The Crooked Spoon/Moonraker/The Paper Crane/The Brass Anchor/The Walnut Room/Foxglove
The Ivory Door/Rosewater/Larkspur/The Wandering Goose/Amber Court/The Painted Gate/Hazelwick
The Iron Stove/Tamarind Tree/The Red Kite/North Quay/The Marble Fig"""
LANDMARKS = """cathedral/botanic garden/train station/old theatre/town hall/public library
football ground/art gallery/castle gate/clock tower/flower market/city walls
cinema/museum/post office/bus station/concert hall"""

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
MEALS = ("pub", "restaurant", "bistro", "diner", "wine bar", "brasserie")
SWEETS = ("coffee shop", "tea room", "bakery", "café")
VALUES = {
    "price": ("cheap", "moderate", "high"),
    "rating": ("high", "average", "low"),
    "area": (
        "riverside", "city centre", "harbour", "old town", "suburbs", "market square",
        "student quarter", "seafront", "hill", "canal",
    ),
    "family": ("yes", "no"),
    "mood": ("quiet", "lively", "elegant", "rustic"),
}  # fmt: skip
CUISINES = (
    "Italian", "French", "Indian", "Thai", "Greek", "Mexican", "Spanish", "Turkish", "Japanese",
    "Lebanese", "Portuguese", "British",
)  # fmt: skip
BAKED = ("cakes", "pastries", "sandwiches")


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


def tokenizer() -> Callable[[str], Words]:
    """Words and punctuation marks are what white space separates."""
    return lambda text: tuple(text.split())


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

    def pick(values: tuple[str, ...]) -> str:
        return values[int(rng.random() * len(values))]

    world = {key: pick(values) for key, values in VALUES.items()}
    world["name"], world["near"] = pick(_lines(NAMES)), pick(_lines(LANDMARKS))
    meal = rng.random() < 0.8
    world["style"] = "meal" if meal else "sweet"
    world["kind"] = pick(MEALS if meal else SWEETS)
    world["food"] = pick(CUISINES if meal else BAKED)
    if world["price"] == "high" and (not meal or world["kind"] in ("diner", "pub")):
        world["price"] = "moderate"
    if world["mood"] == "elegant" and (world["price"] == "cheap" or world["kind"] == "diner"):
        world["mood"] = "rustic"
    return world


def _lines(names: str) -> tuple[str, ...]:
    return tuple(name for line in names.splitlines() for name in line.split("/"))


@cache
def _grammar() -> Grammar:
    names = "".join(
        f"    1 {' '.join(('DT:' if w == 'The' else 'NNP:') + w for w in name.split())}"
        f" ; name={name.replace(' ', '_')}\n"
        for name in _lines(NAMES)
    )
    landmarks = "".join(
        f"    1 (NP DT:the {' '.join(_landmark(w) for w in name.split())})"
        f" ; near={name.replace(' ', '_')}\n"
        for name in _lines(LANDMARKS)
    )
    return Grammar(f"{RULES}\n{LEXICON}\nNAMEIN:\n{names}\nLANDMARK:\n{landmarks}")


def _landmark(word: str) -> str:
    tag = "JJ" if word in ("botanic", "old", "public") else "NNS" if word == "walls" else "NN"
    return f"{tag}:{word}"
