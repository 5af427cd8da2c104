"""Middles in their stories, as a language model reads them: what ``eval.in_context`` stored.

An item's story is left context, middle, right context. The model gives nats(M | L), of the middle
behind the left context, and nats(R | L, M), of the right context behind both; the end of the story
is not predicted. Words are those of the corpus's tokenizer, white space aside, whatever pieces the
model reads.

in context   exp of the mean over items of (nats(M | L) + nats(R | L, M)) / words of M and R
middle       exp of the mean over items of nats(M | L) / words of M; items whose middle is empty
             have none
likelier     the share of items whose story is likelier with one middle than with another, a tie
             counting one half: by all nats, which favours short middles, and by nats a word

Intervals are over items (Student's; of shares Korn and Graubard's).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eval.reading.intervals import interval, perplexity
from eval.reading.results import ResultSet
from eval.reading.rows import Number
from eval.reading.schema import InContext
from eval.running.scoring import HUMAN
from tasks.common.schema import read_json

FILE = "in_context.json"
Item = Mapping[str, Any]


def story(item: Item) -> tuple[float, int]:
    """Nats and words of middle and right context."""
    return sum(item["nats"][1:]), sum(item["words"][1:])


def middle(item: Item) -> tuple[float, int]:
    """Nats and words of the middle."""
    return item["nats"][1], item["words"][1]


Part = Callable[[Item], tuple[float, int]]


@dataclass(frozen=True)
class Reader:
    """One language model, and what it said. ``rows``: row -> target -> item; ``digests``: of the
    stories of each row; ``distinct2``: of its middles; ``skipped``: row -> why it was not asked."""

    model: str
    id: str
    rows: Mapping[str, Mapping[str, Item]]
    digests: Mapping[str, str]
    distinct2: Mapping[str, float | None]
    skipped: Mapping[str, str]

    def perplexity(self, row: str, part: Part) -> Number | None:
        """Of :func:`story` or :func:`middle`; None where no item has words there."""
        found = [one for one in map(part, self.rows.get(row, {}).values()) if one[1]]
        if not found:
            return None
        figures = perplexity([[nats] for nats, _ in found], [[words] for _, words in found])
        return Number(None, figures["ppl"], figures["low"], figures["high"])

    def ratio(self, row: str, part: Part, to: str = HUMAN) -> Number | None:
        """The perplexity of a row over that of another, on the items that both have."""
        gaps = []
        for ours, theirs in self._both(row, to):
            (a, n), (b, m) = part(ours), part(theirs)
            if n and m:
                gaps.append(a / n - b / m)
        if not gaps or row == to:
            return None
        low, high = interval([[gap] for gap in gaps], share=False)
        return Number(None, math.exp(sum(gaps) / len(gaps)), math.exp(low), math.exp(high))

    def likelier(self, row: str, than: str, a_word: bool = False) -> Number | None:
        """In percent, over the items that both have."""
        won = []
        for ours, theirs in self._both(row, than):
            (a, n), (b, m) = story(ours), story(theirs)
            if a_word:
                a, b = a / max(1, n), b / max(1, m)
            won.append(0.5 if a == b else float(a < b))
        if not won or row == than:
            return None
        low, high = interval([[one] for one in won])
        return Number(None, 100 * sum(won) / len(won), 100 * low, 100 * high)

    def copied(self, row: str) -> float | None:
        """Percent of the middles that are a sentence of a training text, or a context of theirs,
        word for word."""
        items = self.rows.get(row, {})
        return 100 * sum(item["copied"] for item in items.values()) / len(items) if items else None

    def _both(self, a: str, b: str) -> list[tuple[Item, Item]]:
        ours, theirs = self.rows.get(a, {}), self.rows.get(b, {})
        return [(ours[target], theirs[target]) for target in ours if target in theirs]


def readers(results: ResultSet, task: str) -> list[Reader]:
    """The language models that read the stories of a task; none where none did."""
    path = results.folder / task / FILE
    return [Reader(**one) for one in read_json(path, InContext)["readers"]] if path.exists() else []
