"""How often a control holds before anything of a text is known: its rate among training texts.

A discriminator learns from pairs of which half hold, so that what it says is
p(s | c) / (p(s | c) + p(s | not c)) of a prefix s, the posterior under even odds. Bayes' rule gives
the true one by adding log p(c) / (1 - p(c)) to its logit. (FUDGE's own classes are about as
frequent as the texts that are not of them, so that the paper needs no such term.) It matters where
p(c) is small: under even odds the sigmoid is near 1 long before the control is certain, and a word
that makes it more certain gains nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from tasks.base import Task, Text
from tasks.controls import Control


class Rates:
    """The rates of a single task's controls among ``texts``: those that training saw, never texts
    that targets come from."""

    def __init__(self, task: Task, texts: Sequence[Text]) -> None:
        self.texts = len(texts)
        self.counts: Counter[Control] = Counter()
        for text in texts:
            self.counts.update(_held(task, [text]))

    def log_odds(self, control: Control) -> float:
        """log p / (1 - p), half a text added to either side: no number of texts shows that a
        control never holds."""
        held = self.counts[control]
        return math.log((held + 0.5) / (self.texts - held + 0.5))


def _held(task: Task, texts: Iterable[Text]) -> set[Control]:
    return {control for control, _ in task.examples(texts, 0)}
