"""What the network of edits is trained on: corrupted texts, with the tags and spans that mend them.

Shapes: B batch, L length of texts, M tokens that the decoder reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from models.diffuser.config import EditModelConfig
from models.diffuser.corruption import Corruption
from models.diffuser.edits import (
    Edit,
    Ids,
    Kind,
    Marks,
    Script,
    composed,
    inverse,
    marks,
    places,
    result,
)
from models.diffusion.words.frame import cut
from tasks.vocabulary import END, PAD, START

if TYPE_CHECKING:
    import numpy as np

#: what is no answer of tagger or generator
NONE = -100


@dataclass(frozen=True)
class Story:
    """A training text, and where its middle is (start, stop), of a window of three sentences."""

    words: Ids
    middle: tuple[int, int] | None = None


@dataclass(frozen=True)
class Pair:
    """A corrupted text and what mends it. ``given``: how many words of its ends no tag is asked
    of (first, last)."""

    noised: Ids
    marks: Marks
    given: tuple[int, int] = (0, 0)


def pair(
    story: Story, config: EditModelConfig, words: Sequence[int], rng: np.random.Generator
) -> Pair:
    """``story`` under noise of the ids ``words``, all of it or its middle alone."""
    start, stop = 0, len(story.words)
    if story.middle is not None and rng.random() < config.clean_contexts:
        start, stop = story.middle
    left, text, right = story.words[:start], story.words[start:stop], story.words[stop:]
    noise = Corruption(config.edits, words, config.length - 2 - len(left) - len(right))
    if rng.random() < config.empty:
        script: Script = (Edit(Kind.DELETE, text, ()),)
    else:
        script = noise.edit(text, rng)
        for _ in range(int(rng.integers(config.steps))):
            later = noise.edit(result(script), rng)
            script = composed(script, later) if config.towards == "clean" else later
    whole = (*_as_is(left), *script, *_as_is(right))
    return Pair(result(whole), marks(inverse(whole)), (len(left), len(right)))


def _as_is(words: Ids) -> Script:
    return (Edit(Kind.KEEP, words, words),) if words else ()


class Batch(NamedTuple):
    """``ids`` (B, L) of texts, ``tags`` (B, L) of them, KEEP where none is asked for, ``asked``
    (B, L) the same with ``NONE`` there; what the decoder reads, ``tokens`` (B, M) and ``places``
    (B, M), and ``said`` (B, M), what it is to say next, ``NONE`` outside of spans."""

    ids: Tensor
    tags: Tensor
    asked: Tensor
    tokens: Tensor
    places: Tensor
    said: Tensor


def batch(pairs: Sequence[Pair], length: int, opening: int) -> Batch:
    """Of texts of at most ``length`` tokens; ``opening``: the token that opens a span."""
    longest = cut(2 + max(len(one.noised) for one in pairs), length)
    rows: list[list[list[int]]] = [[], [], [], [], [], []]
    for one in pairs:
        tags, (first, last) = list(map(int, one.marks.tags)), one.given
        asked = [NONE] * first + tags[first : len(tags) - last] + [NONE] * last
        row = ([START, *one.noised, END], tags, asked, *_read(one, opening))
        for column, values in zip(rows, row, strict=True):
            column.append(list(values))
    fills = (PAD, int(Kind.KEEP), NONE, PAD, 0, NONE)
    sizes = [longest] * 3 + [max(1, *map(len, rows[3]))] * 3
    filled = [
        torch.tensor([row + [fill] * (size - len(row)) for row in column])
        for column, fill, size in zip(rows, fills, sizes, strict=True)
    ]
    return Batch(*filled)


def _read(one: Pair, opening: int) -> tuple[list[int], list[int], list[int]]:
    """What the decoder reads of a pair, up to its last span, the places, and what it says."""
    tokens, at, said = list[int](), list[int](), list[int]()
    spans = iter(one.marks.spans)
    for token, place in shown(one.noised, one.marks.tags, opening):
        span = next(spans) if token == opening else ()
        tokens += [token, *span]
        at += [place] * (1 + len(span))
        said += [*span, END] if token == opening else [NONE]
    return tokens, at, said


def shown(words: Ids, tags: Sequence[Kind], opening: int) -> list[tuple[int, int]]:
    """(token, place) of what the decoder reads of a text beside the words of spans, up to the last
    of them: START, the words that are kept, and ``opening`` where a span is put."""
    spans, read = places(tags), list[tuple[int, int]]()
    for i, tag in enumerate(tags[: spans[-1] + 1] if spans else ()):
        if tag in (Kind.KEEP, Kind.INSERT):
            read.append((words[i - 1] if i else START, i))
        if i in spans:
            read.append((opening, i))
    return read
