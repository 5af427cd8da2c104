"""Presets fitted to a corpus of the user's own, and what is said of the fit.

Presets are made for corpora of a known size. Of another one, the vocabulary's cut-off, the length
of sequences, the steps of training and the number of targets follow from how many texts it has and
how long they are; whatever a command line says comes first.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from eval.running.config import RunConfig
from models.nets.config import DiscriminatorConfig, LMConfig, TrainConfig
from tasks import load_task
from tasks.corpora import is_own, load_corpus, traits
from tasks.targets import MAX_WORDS
from tasks.texts import Corpus, Text

#: training texts from which on a vocabulary leaves out words counted no more than so often
ABOVE = ((20_000, 10), (2_000, 2), (0, 0))
#: share of the texts that sequences are to hold whole
HELD = 0.98
#: sequences grow in steps of so many positions, to what 62 words need at most
STEP, LONGEST = 16, MAX_WORDS + 2
#: how often a text is seen in training at most: as it is, and under another noise each time; the
#: fewest steps for that
AS_IT_IS, NOISED, FEWEST = 50, 1_000, 300
#: steps that a moving average of weights looks back on at most, as a share of all
AVERAGED = 0.1
#: share of its texts that must state the value of a label for it to be no label of a class
STATED = 0.05
#: trees below which a parser of one's own is a weak judge
FEW_TREES = 1_000


def fitted(config: RunConfig) -> RunConfig:
    """A preset's settings, fitted to ``config.corpus`` where that is the user's own."""
    if not is_own(config.corpus):
        return config
    corpus = load_corpus(config.corpus)
    above = next(above for least, above in ABOVE if len(corpus.train) >= least)
    changes: dict[str, Any] = {"vocabulary": dataclasses.replace(config.vocabulary, above=above)}
    stories = traits(config.corpus).sentences
    needed = 0 if stories else _needed(corpus)
    for section in dataclasses.fields(config):
        value = getattr(config, section.name)
        if dataclasses.is_dataclass(value) and section.name not in ("parser", "vocabulary"):
            changes[section.name] = _section(value, needed, len(corpus.train))
    longest = config.longest if stories else max(config.longest, needed - 2)
    fitting = sum(len(text.words) <= longest for text in corpus.valid)
    if traits(config.corpus).gold >= {"tree"}:
        train = _fewer(config.parser.train, AS_IT_IS * len(corpus.train))
        changes["parser"] = dataclasses.replace(config.parser, train=train)
    return config.having(longest=longest, targets=max(1, min(config.targets, fitting)), **changes)


def _section(value: Any, needed: int, texts: int) -> Any:
    """A section of settings; of a network, with sequences of ``needed`` positions at least and no
    more steps than so many texts are worth."""
    if not isinstance(getattr(value, "train", None), TrainConfig):
        return value
    changes: dict[str, Any] = {}
    length = getattr(value, "length", None)
    if isinstance(length, int) and length < needed:
        changes["length"] = needed
        if isinstance(getattr(value, "positions", None), int):
            changes["positions"] = max(needed, value.positions)
    passes = AS_IT_IS if isinstance(value, (LMConfig, DiscriminatorConfig)) else NOISED
    return dataclasses.replace(value, train=_fewer(value.train, passes * texts), **changes)


def _fewer(train: TrainConfig, seen: int) -> TrainConfig:
    """Steps for ``seen`` texts, repeated ones included, where that is less than there are."""
    steps = max(FEWEST, seen // train.batch)
    if steps >= train.steps:
        return train
    ema = min(train.ema, round(1 - 1 / (AVERAGED * steps), 4))
    return dataclasses.replace(train, steps=steps, warmup=min(train.warmup, steps // 10), ema=ema)


def _needed(corpus: Corpus) -> int:
    """Positions that hold most texts whole, START and END among them."""
    lengths = sorted(len(text.words) for text in corpus.train)
    words = lengths[math.ceil(HELD * len(lengths)) - 1]
    return min(LONGEST, STEP * math.ceil((words + 2) / STEP))


def notes(config: RunConfig) -> Iterator[str]:
    """What a run on a corpus of the user's own says of it, one line each; nothing of others."""
    if not is_own(config.corpus):
        return
    corpus = load_corpus(config.corpus)
    counts = Counter(word for text in corpus.train for word in text.words)
    above = config.vocabulary.above
    kept = sum(count > above for count in counts.values())
    yield (
        f"corpus {config.corpus}: {len(corpus.train)} texts to train on, {len(corpus.valid)} held "
        f"out; {kept} of {len(counts)} words known (vocabulary.above={above}); sequences of "
        f"{config.diffusion.length} (diffusion.length), {config.diffusion.train.steps} steps "
        f"(diffusion.train.steps), targets={config.targets}"
    )
    texts = corpus.train + corpus.valid
    if not traits(config.corpus).sentences:
        yield from _long(config, texts)
    reads = frozenset[str]().union(*(load_task(task).reads for task in config.tasks))
    if "fields" in reads:
        yield from _unstated(texts)
    for what, name, oracle in (("tree", "trees", "parser"), ("tags", "tags", "tagger")):
        given = sum(getattr(text, what) is not None for text in texts)
        if what in reads and 0 < given < len(texts):
            yield f"note: {given} of {len(texts)} texts have {name}: the {oracle} gives the others"
    trees = len(corpus.train) if "tree" in traits(config.corpus).gold else 0
    if "tree" in reads and 0 < trees < FEW_TREES:
        yield f"note: the judging parser learns from the {trees} trees of the corpus, which are few"


def _long(config: RunConfig, texts: tuple[Text, ...]) -> Iterator[str]:
    room = config.diffusion.length - 2
    longest = max(len(text.words) for text in texts)
    cut = sum(len(text.words) > room for text in texts)
    if cut and room < MAX_WORDS:
        more = min(LONGEST, STEP * math.ceil((longest + 2) / STEP))
        yield (
            f"note: {cut} of {len(texts)} texts have more than {room} words (up to {longest}) and "
            f"are cut: diffusion.length={more} diffusion.positions={more} longest={more - 2} "
            "takes in more"
        )
    elif cut:
        yield (
            f"note: {cut} of {len(texts)} texts have more than {MAX_WORDS} words (up to {longest}):"
            " networks see how they begin, and controls of whole texts are of the others"
        )


def _unstated(texts: tuple[Text, ...]) -> Iterator[str]:
    held, stated = Counter[str](), Counter[str]()
    for text in texts:
        whole = f" {' '.join(text.words)} "
        for label, value in text.fields:
            held[label] += 1
            stated[label] += f" {value} " in whole
    never = [label for label in held if stated[label] < STATED * held[label]]
    if never:
        named = ", ".join(never[:6])
        yield (
            f"note: texts hardly state the values of {named}: success under such a label counts a "
            "text that states the value, and is no classifier's"
        )
