"""What ``bench.generate`` gives: a text with what was asked of it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from models.base import Sample
from tasks.base import Target
from tasks.controls import Control
from tasks.metrics.text import detokenize


@dataclass(frozen=True, repr=False)
class Generated(Sample):
    """One generated text; ``str()`` is the text itself.

    ``words``: its tokens as they are judged, START, END and PAD stripped; ``tokens``: the raw
    output; ``nfe``: network evaluations spent on it; ``seconds``: its share of the wall time.
    ``target``: what was asked, under the id that its random numbers hang on, as its sample
    ``index``, from 0. ``answer``: whether it is the one that the method answers with, where that
    picks among candidates; elsewhere true.
    """

    _: KW_ONLY
    target: Target
    task: str
    method: str
    answer: bool = True

    @property
    def text(self) -> str:
        """The words as people write them."""
        return detokenize(self.words)

    @property
    def control(self) -> Control:
        """What was asked for."""
        return self.target.control

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<{self.method}, {self.control.brief()}: {self.text!r}>"
