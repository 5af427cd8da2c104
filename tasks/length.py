"""Length: the text has a given number of words.

Paper section 6.1. The reference code counts a success only for the exact number; the paper, and a
line left commented out in the code, allow two words more or less (reference notes 2.8). Both are
scored. A newline token counts as a word; START and END do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tasks.base import ANY, Annotation, Corpus, Target, Task, Text, Words
from tasks.common import draws
from tasks.controls import Control, Length
from tasks.corpora import traits
from tasks.marks import Marks, lacking, stretch
from tasks.targets import CONTROL_TARGETS, MAX_WORDS, NoReleasedList, take, within
from tasks.typed import Known, malformed

#: the released code's loop over lengths, which count START and END
RELEASED = range(10, 41)
TOLERANCE = 2


class LengthTask(Task):
    """The released list is a range."""

    name = "length"
    control = Length
    label, rank, example_table = "Length", 4, "table11"
    recurs, numbered = True, True
    metrics: Mapping[str, str] = {
        "len_exact": "the number of words equals the target",
        "len_pm2": "the number of words is within 2 of the target",
    }
    paper_metric = "len_pm2"

    def targets(self, corpus: Corpus, n: int, source: str, seed: int) -> list[Target]:
        """``"released"`` (E2E): the 31 lengths 8 to 38 in a shuffled order, so that fewer than 31
        are not the shortest ones. ``"validation"``: the lengths of random validation texts, each
        text drawn once, so that targets have the corpus's own distribution and common lengths
        come several times; texts beyond 62 words are left out. ``"auto"``: see
        :func:`tasks.targets.take`."""
        return take(n, source, lambda: _released(corpus, seed), lambda: _drawn(corpus, seed))

    def examples(self, texts: Iterable[Text], seed: int) -> Iterator[tuple[Control, Words]]:
        """Every text of at most 62 words with its length."""
        for text in texts:
            if 0 < len(text.words) <= MAX_WORDS:
                yield Length(len(text.words)), text.words

    def typed(self, text: str, known: Known) -> Control:
        """``9``."""
        if not (text.strip().isdecimal() and len(text.strip()) < 10):
            raise malformed(text, "the number of words, as control=9")
        within(int(text), text.strip())
        return Length(int(text))

    def prompt(self, control: Control) -> list[str]:
        """``["23"]``; by positions 23 times ``_``."""
        words = _words(control)
        return [ANY] * words if self.layout == "positions" else [str(words)]

    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        """The lengths 1 to 62, whatever the texts; by positions ``_``."""
        if self.layout == "positions":
            return [ANY]
        return [str(length) for length in range(1, MAX_WORDS + 1)]

    def marks(self, control: Control, words: Words, reading: Mapping[str, Any]) -> Marks:
        """Words beyond the length violate it."""
        wanted, n = _words(control), len(words)
        return Marks(stretch(n, wanted, n, "bad"), lacking(wanted - n, "word"))

    def score(self, target: Target, annotation: Annotation) -> dict[str, float]:
        off = abs(len(annotation.words) - _words(target.control))
        return {"len_exact": float(off == 0), "len_pm2": float(off <= TOLERANCE)}


def _words(control: Control) -> int:
    if not isinstance(control, Length):
        raise TypeError(f"not a length: {control!r}")
    return control.words


def _released(corpus: Corpus, seed: int) -> list[Target]:
    if traits(corpus.name).lists != CONTROL_TARGETS:
        raise NoReleasedList(f"there is no released target list for corpus {corpus.name}")
    order = draws.rng(seed, 2).permutation(len(RELEASED))
    lengths = [RELEASED[i] - 2 for i in order]
    return [Target(f"released-{words:02d}", Length(words)) for words in lengths]


def _drawn(corpus: Corpus, seed: int) -> Iterator[Target]:
    for row in draws.rng(seed, 3).permutation(len(corpus.valid)):
        words = corpus.valid[row].words
        if 0 < len(words) <= MAX_WORDS:
            yield Target(f"valid-{row:05d}-{len(words)}", Length(len(words)), words)
