"""What tuning chooses among the combinations that it tried."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

Point = dict[str, str]


@dataclass(frozen=True)
class Tried:
    """One combination. ``figures``: "ctrl", control success in [0, 1], the mean over a
    composition's parts, "ppl", the perplexity of its samples, and where they were noted "nfe", the
    network evaluations of one, and "distinct2", of all of them; under infilling the metrics of the
    set in the paper's units."""

    point: Point
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Fluent:
    """The highest success among the combinations that are fluent enough; at equal success the more
    fluent one."""

    within: float = 1.25
    needs: ClassVar[Collection[str]] = ("ctrl", "ppl")

    def choose(self, tried: Sequence[Tried]) -> Tried:
        limit = self.within * min(one.figures["ppl"] for one in tried)
        fluent = (one for one in tried if one.figures["ppl"] <= limit)
        return max(fluent, key=lambda one: (one.figures["ctrl"], -one.figures["ppl"]))


@dataclass(frozen=True)
class Fewest:
    """The fewest network evaluations among the combinations that are as good as the first: control
    at most ``margin`` percentage points lower, perplexity at most ``lm_margin`` percent higher. At
    equal evaluations the one with more control."""

    margin: float = 2.0
    lm_margin: float = 5.0
    needs: ClassVar[Collection[str]] = ("ctrl", "ppl", "nfe")

    def choose(self, tried: Sequence[Tried]) -> Tried:
        first = tried[0].figures
        least, most = first["ctrl"] - self.margin / 100, first["ppl"] * (1 + self.lm_margin / 100)
        kept = [one for one in tried if one.figures["ctrl"] >= least and one.figures["ppl"] <= most]
        return min(kept, key=lambda one: (one.figures["nfe"], -one.figures["ctrl"]))


@dataclass(frozen=True)
class Best:
    """The highest ``metric``; among equals the one tried first."""

    metric: str = "cider"
    needs: ClassVar[Collection[str]] = ()

    def choose(self, tried: Sequence[Tried]) -> Tried:
        return max(tried, key=lambda one: one.figures[self.metric])


#: what is chosen by; ``needs``: the figures of a combination that it reads
Rule = Fluent | Fewest | Best


def pooled(tasks: Sequence[Sequence[Tried]]) -> list[Tried]:
    """The combinations, which every task tried in the same order, by what they do on all tasks:
    mean success, evaluations and distinct-2, and the geometric mean of perplexities."""
    return [
        Tried(same[0].point, _mean([one.figures for one in same]))
        for same in zip(*tasks, strict=True)
    ]


def _mean(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of those figures that all have."""
    made = {}
    for name in figures[0]:
        values = [one[name] for one in figures if name in one]
        if len(values) == len(figures):
            logs = [math.log(value) for value in values] if name == "ppl" else values
            mean = math.fsum(logs) / len(logs)
            made[name] = math.exp(mean) if name == "ppl" else mean
    return made
