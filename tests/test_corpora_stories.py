"""The embedded stories: well-formed, varied, the same everywhere, and with middles to guess."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from itertools import chain, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.base import Corpus, Text, Words
from tasks.common.errors import UserError
from tasks.corpora import load_corpus, tokenizer
from tasks.corpora import stories as embedded
from tasks.corpora.embedded import world as known
from tasks.targets import MAX_WORDS

KNOWN = known("stories_world")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus("stories", size_train=1_000, size_valid=100)


def check(text: Text) -> None:
    assert (text.tree, text.tags) == (None, None)
    assert len(text.sentences) == 5
    assert len(text.words) <= MAX_WORDS
    said = text.split()
    others = {
        n: [tuple(v.split()) for k, v in text.fields if k == f"instead of {n}"] for n in (2, 3, 4)
    }
    assert sum(map(len, others.values())) == len(text.fields)
    for number, sentence in enumerate(said, start=1):
        ways = others.get(number, [])
        assert (2 <= len(ways) <= 4) == (number in others)
        assert len({sentence, *ways}) == 1 + len(ways)
        for words in (sentence, *ways):
            assert 5 <= len(words) <= 14, words
            assert words[-1] == "."
            assert "." not in words[:-1]
            assert words[0][0].isupper()
            line = " ".join(words)
            assert not re.search(r"\$|_|/|\b(\w+) \1\b|[,:] [,.]", line), line
            for word, following in pairwise(words):
                if word.lower() in ("a", "an"):
                    assert (word.lower() == "an") == (
                        following[0] in "aeiou" or following == "hour"
                    )
            assert not set(said) & set(ways)
    names = {name for group in KNOWN["names"].values() for name in group}
    assert len(names & set(text.words)) == 1
    sex = next(s for s, group in KNOWN["names"].items() if set(group) & set(text.words))
    wrong = {"f": {"he", "He", "his", "His", "him"}, "m": {"she", "She", "her", "Her"}}[sex]
    told = {word for sentence in chain(said, *others.values()) for word in sentence}
    assert not wrong & told - {"his"}  # an old man has a stove of his own
    assert (
        ("his" not in told)
        or sex == "m"
        or "his stove" in " ".join([" ".join(text.words), *(value for _, value in text.fields)])
    )


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_every_story_is_well_formed(seed: int) -> None:
    check(embedded.draw(Random(seed)))


def test_stories_are_varied_and_none_comes_twice(corpus: Corpus) -> None:
    assert (len(corpus.train), len(corpus.valid)) == (1_000, 100)
    everything = [text.words for text in (*corpus.train, *corpus.valid)]
    assert len(set(everything)) == 1_100
    lengths = Counter(n for text in corpus.train for n in text.sentences)
    assert set(lengths) == set(range(5, 15))
    assert max(lengths.values()) < 0.3 * lengths.total()
    assert 300 < len({word for words in everything for word in words}) < 600
    middles = {text.split()[2] for text in corpus.train}
    assert len(middles) > 700


def test_all_worlds_can_be_told_in_several_ways() -> None:
    """Each course of events that the rules tell apart, with the longest names of everything."""
    longest = dict(
        max(((k, {"kin": k, "helper": k}) for k in KNOWN["kin"]), key=lambda p: len(p[0]))[1]
    )
    for thing, row in KNOWN["things"].items():
        for number, key, values in (
            (2, "source", KNOWN["sources"]),
            (3, "mishap", tuple(KNOWN["fixes"])),
            (4, "fix", tuple(fix for fixes in KNOWN["fixes"].values() for fix in fixes)),
        ):
            for i, value in enumerate(values):
                rng = Random(i)
                world = embedded.draw_world(rng) | longest
                world |= {"object": thing, "place": row["places"][0], key: value}
                world["by"] = KNOWN["ways"][i % len(KNOWN["ways"])]
                own = embedded._tell(number, world, rng)
                assert 2 <= len(embedded._others(number, own, world, rng)) <= 4


def ways(number: int, world: dict[str, str]) -> set[Words]:
    rng = Random(0)
    return {embedded._tell(number, world, rng) for _ in range(60)}


@pytest.mark.parametrize(
    ("middle", "key"), [(2, "by"), (2, "source"), (3, "by"), (3, "mishap"), (4, "fix")]
)
def test_a_middle_hangs_on_both_of_its_neighbours(middle: int, key: str) -> None:
    """What it tells is open after the sentence on its left, and the one on its right narrows it
    down; the thing, or what happened to it, is known from the left."""
    world = embedded.draw_world(Random(5)) | {"mishap": "break", "fix": "glue"}
    values = {
        "by": [{"by": way} for way in KNOWN["ways"]],
        "source": [{"source": source} for source in KNOWN["sources"]],
        "mishap": [{"mishap": name, "fix": fixes[0]} for name, fixes in KNOWN["fixes"].items()],
        "fix": [{"fix": fix} for fix in KNOWN["fixes"]["break"]],
    }[key]
    lefts, middles, rights = (
        [ways(number, world | value) for value in values]
        for number in (middle - 1, middle, middle + 1)
    )
    if (middle, key) != (3, "by"):  # sentence 2 tells the way of travelling; 3 takes it up
        assert all(left == lefts[0] for left in lefts)
    for i, one in enumerate(middles):
        for j, other in enumerate(middles[:i]):
            assert not one & other
            if (middle, key) != (3, "by"):
                assert rights[i] != rights[j]


def test_a_seed_gives_the_same_stories_everywhere(corpus: Corpus) -> None:
    one, same, other = (
        load_corpus("stories", size_train=20, size_valid=3, seed=seed) for seed in (0, 0, 1)
    )
    assert one.digest == same.digest != other.digest
    longer = load_corpus("stories", size_train=30, size_valid=3)
    assert longer.train[:20] == one.train
    sha = hashlib.sha256("\n".join(" ".join(t.words) for t in one.train).encode()).hexdigest()
    assert sha[:16] == "eeeee9fa7da829a6"
    with pytest.raises(UserError, match="at least 1"):
        load_corpus("stories", size_valid=0)
    assert tokenizer("stories")("He ran .") == ("He", "ran", ".")
