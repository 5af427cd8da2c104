"""Where the sentences of a story end, by rules on its tokens.

A story that is one string does not say where its sentences end. The rules are those of spaCy's
``sentencizer`` (a full stop ends a sentence) and then, only where that leaves a story short of the
number it is known to have, what its writers left out: stops before a small letter, after a single
letter (``an F. The teacher``), and before a capitalised function word (``went home He slept``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from tasks.texts import Words

_STOP = re.compile(r"[.!?…]+")
_CLOSING = frozenset(("'", "''", "\u201d", "\u2019", ")", "]"))
_LETTER = re.compile(r"[A-Za-z]\.")
#: the last word before a stop that is not there
_OPEN = re.compile(r"[a-z0-9].*[a-z0-9]|[a-z0-9,]")
#: words that, with a capital and after a small letter, begin a sentence
_FUNCTION_WORDS = """
A After All Although An And As At Because Before But Every Everyone Everything Finally For
Fortunately He Her His However If In Instead Is It Its Later Luckily My No Not Now On Once One
Our She Since So Some Soon Still Suddenly Thankfully That The Their Then There These They This
Those Though To Unfortunately Was We What When While Who With You Your
"""
_OPENERS = frozenset(_FUNCTION_WORDS.split())


def split(words: Words, wanted: int = 5) -> tuple[int, ...]:
    """The number of words of each sentence of ``words``; they add up to ``len(words)``.

    ``wanted``: how many sentences the text is known to have. The strictest rules that find that
    many decide; where none do, the strictest of all, whatever they find. A sentence without a
    letter or digit (a stray quote) belongs to the one before.
    """
    first: list[int] | None = None
    for starts in _readings(words):
        starts = _worded(words, starts)
        if len(starts) == wanted:
            return _lengths(starts, len(words))
        if first is None:
            first = starts
    return _lengths(first or [0], len(words))


def _readings(words: Words) -> Iterator[list[int]]:
    """Positions of first words, from the strictest rules to the loosest."""
    stops = _stops(words)
    yield [i for i in stops if i == 0 or not words[i][:1].islower()]
    yield stops
    letters = {i for i in range(1, len(words)) if _after_letter(words, i)}
    yield sorted({*stops, *letters})
    openers = {i for i in range(1, len(words)) if _unstopped(words, i)}
    yield sorted({*stops, *openers})
    yield sorted({*stops, *letters, *openers})


def _stops(words: Words) -> list[int]:
    """Where a word follows a stop and the closing quotes and brackets after it."""
    starts, i = [0], 0
    while i < len(words):
        stopped = _STOP.fullmatch(words[i]) is not None
        i += 1
        while stopped and i < len(words) and _belongs(words[i], words[starts[-1] : i]):
            i += 1
        if stopped and i < len(words):
            starts.append(i)
    return starts


def _belongs(word: str, sentence: Words) -> bool:
    """Whether a mark after a stop is of the same sentence; a straight quote may open the next."""
    if word == '"':
        return sentence.count(word) % 2 == 1
    return word in _CLOSING or _STOP.fullmatch(word) is not None


def _after_letter(words: Words, i: int) -> bool:
    return _LETTER.fullmatch(words[i - 1]) is not None and words[i][:1].isupper()


def _unstopped(words: Words, i: int) -> bool:
    return words[i] in _OPENERS and _OPEN.fullmatch(words[i - 1]) is not None


def _worded(words: Words, starts: list[int]) -> list[int]:
    ends = [*starts[1:], len(words)]
    worded = [
        start
        for start, end in zip(starts, ends, strict=True)
        if any(character.isalnum() for word in words[start:end] for character in word)
    ]
    return [0, *worded[1:]]


def _lengths(starts: list[int], total: int) -> tuple[int, ...]:
    return tuple(end - start for start, end in pairwise([*starts, total]))
