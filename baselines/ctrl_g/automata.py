"""Finite automata over words, weighted where a word does not tell by itself what it is.

A state's edges partition the words that may come: each leads to one next state, with a weight in
[0, 1] for every id, 0 for those that do not take it. What a text is worth is the product of the
weights of its words, if the state behind its last word accepts, and else 0. Shapes: V ids.
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from functools import cached_property
from itertools import product

import torch
from torch import Tensor

Edges = list[tuple[Hashable, Tensor]]
"""(next state, weight of every id (V,), fp64)."""


class Automaton(ABC):
    start: Hashable = 0

    @abstractmethod
    def accepts(self, state: Hashable) -> bool:
        """Whether a text may end here."""

    @abstractmethod
    def edges(self, state: Hashable) -> Edges:
        """Where a word leads from here; words of no edge have no future."""


class Chain(Automaton):
    """As many words as there are ``steps``, of which word i has the weights ``steps[i]`` (V,)."""

    def __init__(self, steps: Sequence[Tensor]) -> None:
        self.steps = steps

    def accepts(self, state: Hashable) -> bool:
        return state == len(self.steps)

    def edges(self, state: Hashable) -> Edges:
        assert isinstance(state, int)
        return [(state + 1, self.steps[state])] if state < len(self.steps) else []


class Stated(Automaton):
    """``value`` is a substring of the text, its words joined by single spaces: Knuth, Morris and
    Pratt's automaton over characters, read a word at a time. A state is how many characters of the
    value stand at the end of the text; -1 before the first word, which no space comes before.

    ``words``: the word of every id; None for an id that is none.
    """

    start: Hashable = -1

    def __init__(self, value: str, words: Sequence[str | None]) -> None:
        self.value = unicodedata.normalize("NFC", value)
        self.words = [None if w is None else unicodedata.normalize("NFC", w) for w in words]
        self._known: dict[int, Edges] = {}

    def accepts(self, state: Hashable) -> bool:
        return state == len(self.value)

    def edges(self, state: Hashable) -> Edges:
        assert isinstance(state, int)
        if state not in self._known:
            self._known[state] = self._read(state)
        return self._known[state]

    def _read(self, state: int) -> Edges:
        lead, found = (" ", state) if state >= 0 else ("", 0)
        ends: dict[int, list[int]] = {}
        for i, word in enumerate(self.words):
            if word is not None:
                ends.setdefault(self._after(found, lead + word), []).append(i)
        weights = torch.zeros(len(ends), len(self.words), dtype=torch.float64)
        for row, ids in zip(weights, ends.values(), strict=True):
            row[ids] = 1.0
        return list(zip(ends, weights, strict=True))

    def _after(self, found: int, text: str) -> int:
        """How many characters of the value stand at the end of its first ``found`` and ``text``."""
        for letter in text:
            if found == len(self.value):
                break
            while found and self.value[found] != letter:
                found = self._borders[found]
            found += self.value[found] == letter
        return found

    @cached_property
    def _borders(self) -> list[int]:
        """For each beginning of the value, the longest shorter one that it ends with."""
        borders = [0, 0]
        for i in range(1, len(self.value)):
            found = borders[i]
            while found and self.value[found] != self.value[i]:
                found = borders[found]
            borders.append(found + (self.value[found] == self.value[i]))
        return borders


class Product(Automaton):
    """All of ``parts`` at once: states are tuples, weights multiply."""

    def __init__(self, parts: Sequence[Automaton]) -> None:
        self.parts = parts
        self.start = tuple(part.start for part in parts)

    def accepts(self, state: Hashable) -> bool:
        assert isinstance(state, tuple)
        return all(part.accepts(one) for part, one in zip(self.parts, state, strict=True))

    def edges(self, state: Hashable) -> Edges:
        assert isinstance(state, tuple)
        every = [part.edges(one) for part, one in zip(self.parts, state, strict=True)]
        edges: Edges = []
        for chosen in product(*every):
            weight = torch.stack([weights for _, weights in chosen]).prod(0)
            if bool(weight.any()):
                edges.append((tuple(state for state, _ in chosen), weight))
        return edges
