"""The corruption that revisions learn to undo: edits of random kinds and lengths, the words that
they put drawn from all (Reid et al. 2022)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

from models.diffuser.edits import Edit, Ids, Kind, Script
from tasks.common.errors import UserError
from tasks.common.ranges import Checked, ranged, share

if TYPE_CHECKING:
    import numpy as np

#: spans of a script are shorter than this many times the mean length, and 20
LONGEST = 8


@dataclass(frozen=True)
class EditsConfig(Checked):
    """How a text is corrupted in one step: the distributions of edits' kinds, E_t, and lengths,
    E_l."""

    #: shares of the spans that are kept, replaced, deleted and inserted; together 1
    keep: float = share(0.6)
    replace: float = share(0.2)
    delete: float = share(0.1)
    insert: float = share(0.1)
    #: rate of the Poisson distribution of a span's words; a span has one at least
    length: float = ranged(3.0, above=0, most=1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isclose(total := sum(self.shares), 1, abs_tol=1e-6):
            raise UserError(f"keep, replace, delete and insert are {total:g} together, not 1")
        if self.insert == 1:
            raise UserError("insert=1: a text that is inserted into alone never ends")

    @property
    def shares(self) -> tuple[float, ...]:
        """By :class:`models.diffuser.edits.Kind`."""
        return self.keep, self.replace, self.delete, self.insert


@cache
def _tables(config: EditsConfig) -> tuple[list[float], list[float]]:
    """Where the next kind begins, and the next length, on the way from 0 to 1."""
    longest = int(LONGEST * config.length) + 20
    mass = [n * math.log(config.length) - math.lgamma(n + 1) for n in range(1, longest + 1)]
    weights = [math.exp(one - max(mass)) for one in mass]
    total = sum(weights)
    return list(accumulate(config.shares))[:-1], [x / total for x in accumulate(weights)][:-1]


class Corruption:
    """One step of the noise on texts of the ids ``words``, of which none gets longer than ``room``
    words.

    From its first word on a text is cut into spans; each one's kind is drawn from E_t, its length
    from E_l given that it is at least 1. What is replaced gets as many words. A span is inserted
    where the next one begins, or behind the last word.
    """

    def __init__(self, config: EditsConfig, words: Sequence[int], room: int) -> None:
        self.words, self.room = tuple(words), room
        self._kinds, self._lengths = _tables(config)

    def edit(self, text: Ids, rng: np.random.Generator) -> Script:
        """A script that corrupts ``text``."""
        edits: list[Edit] = []
        at, size = 0, len(text)
        while True:
            kind = Kind(bisect_right(self._kinds, rng.random()))
            length = 1 + bisect_right(self._lengths, rng.random())
            if kind is Kind.INSERT:
                put = self._drawn(min(length, self.room - size), rng)
                size += len(put)
                if put:
                    edits.append(Edit(kind, (), put))
                continue
            if at == len(text):
                return tuple(edits)
            old = text[at : at + length]
            at += len(old)
            new = old
            if kind is Kind.REPLACE:
                new = self._drawn(len(old), rng)
            elif kind is Kind.DELETE:
                new, size = (), size - len(old)
            edits.append(Edit(kind, old, new))

    def resized(self, script: Script, more: int, rng: np.random.Generator) -> Script:
        """``script`` whose result has ``more`` words more (or fewer): one of the spans that it
        replaces, drawn from those that have a word then; as it is where none does."""
        places = [
            i
            for i, edit in enumerate(script)
            if edit.kind is Kind.REPLACE and len(edit.new) + more > 0
        ]
        if not (more and places):
            return script
        at = places[int(rng.integers(len(places)))]
        old = script[at].old
        put = Edit(Kind.REPLACE, old, self._drawn(len(script[at].new) + more, rng))
        return (*script[:at], put, *script[at + 1 :])

    def _drawn(self, count: int, rng: np.random.Generator) -> Ids:
        return tuple(self.words[i] for i in rng.integers(len(self.words), size=max(0, count)))
