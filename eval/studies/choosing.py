"""What tuning chooses among the combinations that it tried."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Point = dict[str, str]


@dataclass(frozen=True)
class Tried:
    """One combination. ``figures``: "ctrl", control success in [0, 1], the mean over a
    composition's parts, and "ppl", the perplexity of its samples; under infilling the metrics of
    the set in the paper's units."""

    point: Point
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Fluent:
    """The highest success among the combinations that are fluent enough; at equal success the more
    fluent one."""

    within: float = 1.25

    def choose(self, tried: Sequence[Tried]) -> Tried:
        limit = self.within * min(one.figures["ppl"] for one in tried)
        fluent = (one for one in tried if one.figures["ppl"] <= limit)
        return max(fluent, key=lambda one: (one.figures["ctrl"], -one.figures["ppl"]))


@dataclass(frozen=True)
class Best:
    """The highest ``metric``; among equals the one tried first."""

    metric: str = "cider"

    def choose(self, tried: Sequence[Tried]) -> Tried:
        return max(tried, key=lambda one: one.figures[self.metric])


def pooled(tasks: Sequence[Sequence[Tried]]) -> list[Tried]:
    """The combinations, which every task tried in the same order, by what they do on all tasks:
    mean success, and the geometric mean of perplexities."""
    return [
        Tried(
            same[0].point,
            {
                "ctrl": math.fsum(one.figures["ctrl"] for one in same) / len(same),
                "ppl": math.exp(
                    math.fsum(math.log(one.figures["ppl"]) for one in same) / len(same)
                ),
            },
        )
        for same in zip(*tasks, strict=True)
    ]
