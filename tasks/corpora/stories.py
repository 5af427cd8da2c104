"""The embedded corpus of stories: five sentences of everyday mishaps, from rules written here.

Made for the infilling task, so that it runs with no download. A world (who, with what, where, by
which way, what went wrong and what helped) is drawn first and each sentence tells its share of it.
Neither neighbour alone says all that a middle sentence tells. As one world can be told in several
ways, every middle sentence comes with others that could stand in its place: the ceiling of a
method is what such a sentence scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from random import Random

from tasks.common.errors import UserError
from tasks.corpora import embedded
from tasks.corpora.pcfg import Grammar
from tasks.targets import MAX_WORDS
from tasks.texts import Corpus, Text, Words

#: bumped when the same sizes and seed give other stories
VERSION = 1
#: sentences of a story; the words of one, its full stop included
SENTENCES, SHORTEST, LONGEST = 5, 5, 14
#: other ways to tell a middle sentence: the fewest and the most that a story comes with
FEWEST, MOST = 2, 4
#: draws for them; the rules have at least four ways to tell every world, so that two are found
TRIES = 200
#: the field of a text that holds another sentence for its sentence number ``n``, from 1
INSTEAD = "instead of {n}"


def load(
    data: Path | None = None, size_train: int = 6_000, size_valid: int = 400, seed: int = 0
) -> Corpus:
    """Generates the corpus; ``data`` is not read.

    The same (sizes, seed) give the same stories on every machine. No story comes twice. The other
    ways to tell sentence 2, 3 or 4 are ``("instead of 3", "words joined with spaces")`` among a
    validation text's ``fields``, two to four of each; training texts do without, since nothing
    is scored against them. Raises ``UserError`` for sizes below 1.
    """
    if size_train < 1 or size_valid < 1:
        raise UserError(f"size_train and size_valid are at least 1, not {size_train}, {size_valid}")
    rng = Random(seed)
    seen: set[Words] = set()

    def distinct(size: int, others: bool) -> Iterator[Text]:
        wanted = len(seen) + size
        while len(seen) < wanted:
            text = draw(rng, others)
            if text.words not in seen:
                seen.add(text.words)
                yield text

    valid = tuple(distinct(size_valid, True))
    return Corpus("stories", tuple(distinct(size_train, False)), valid)


def stamp(data: Path | None = None) -> dict[str, str]:
    """What the stories are made from; ``data`` is not read."""
    return embedded.stamp("stories")


def tokenizer() -> Callable[[str], Words]:
    """See :func:`tasks.corpora.embedded.tokenizer`."""
    return embedded.tokenizer()


def draw(rng: Random, others: bool = True) -> Text:
    """One story of at most 62 words; ``others``: with the others for its middle sentences."""
    world = draw_world(rng)
    while True:
        sentences = [_tell(number, world, rng) for number in range(1, SENTENCES + 1)]
        if sum(map(len, sentences)) <= MAX_WORDS:
            break
    words = tuple(word for sentence in sentences for word in sentence)
    fields: list[tuple[str, str]] = []
    for number in range(2, SENTENCES) if others else ():
        alternatives = _others(number, sentences[number - 1], world, rng)
        fields += [(INSTEAD.format(n=number), " ".join(other)) for other in alternatives]
    return Text(words, fields=tuple(fields), sentences=tuple(map(len, sentences)))


def draw_world(rng: Random) -> dict[str, str]:
    """One course of events: a value for every key that the rules ask about."""

    def pick(values: Sequence[str]) -> str:
        return values[int(rng.random() * len(values))]

    known = embedded.world("stories_world")
    world = {"sex": pick(tuple(known["names"]))}
    world["name"] = pick(known["names"][world["sex"]])
    world["object"] = pick(tuple(known["things"]))
    world["place"] = pick(known["things"][world["object"]]["places"])
    world["source"], world["by"] = pick(known["sources"]), pick(known["ways"])
    world["kin"] = pick(known["kin"])
    world["helper"] = pick([kin for kin in known["kin"] if kin != world["kin"]])
    world["animal"] = pick(known["animals"])
    world["mishap"] = pick(tuple(known["fixes"]))
    world["fix"], world["end"] = pick(known["fixes"][world["mishap"]]), pick(known["ends"])
    return world


def _tell(number: int, world: dict[str, str], rng: Random) -> Words:
    """Sentence ``number`` of the story, from 1, in one of its ways."""
    symbol = {3: f"S3-{world['mishap']}", 4: f"S4-{world['fix']}"}.get(number, f"S{number}")
    while True:
        text, _ = _grammar().expand(symbol, world, rng)
        if SHORTEST <= len(text.words) <= LONGEST:
            return text.words


def _others(number: int, sentence: Words, world: dict[str, str], rng: Random) -> list[Words]:
    alternatives: dict[Words, None] = {}
    wanted = FEWEST + int(rng.random() * (MOST - FEWEST + 1))
    for _ in range(TRIES):
        other = _tell(number, world, rng)
        if other != sentence:
            alternatives[other] = None
        if len(alternatives) == wanted:
            break
    return list(alternatives)


@cache
def _grammar() -> Grammar:
    known = embedded.world("stories_world")
    lines = embedded.rules("stories_rules").strip().splitlines()
    things = {thing: {"thing": thing, **facts} for thing, facts in known["things"].items()}
    for symbol, fact in (("OBJECT", "thing"), ("PART", "part"), ("GOAL", "goal"), ("DO", "do")):
        lines.append(f"{symbol}:")
        lines += [f"    1 {facts[fact]} ; object={_key(thing)}" for thing, facts in things.items()]
    names = tuple(name for group in known["names"].values() for name in group)
    for symbol, values in (
        ("NAME", names),
        ("KIN", known["kin"]),
        ("HELPER", known["kin"]),
        ("ANIMAL", known["animals"]),
    ):
        lines.append(f"{symbol}:")
        lines += [f"    1 {value} ; {symbol.lower()}={value}" for value in values]
    lines.append("AT:")
    lines += [f"    1 {at} ; place={place}" for place, at in known["places"].items()]
    return Grammar("\n".join(_tagged(line) for line in lines))


def _key(value: str) -> str:
    return value.replace(" ", "_")


def _tagged(line: str) -> str:
    """A line of rules in the notation of ``pcfg``, which wants a tag for every word: a noun's,
    but the article's for ``a``, which becomes ``an`` where it has to."""
    if not line or not line[0].isspace():
        return line
    body, semicolon, conditions = line.strip().partition(" ; ")
    weight, *items = body.split()
    leaves = [
        item if item[0] == "$" or item in (",", ".") else f"{'DT' if item == 'a' else 'NN'}:{item}"
        for item in items
    ]
    return f"    {weight} {' '.join(leaves)}{semicolon}{conditions}"
