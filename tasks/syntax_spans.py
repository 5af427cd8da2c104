"""Syntax spans: words a to b of the text form a constituent of a given label.

Paper section 6.1; success as in the reference notes 2.8: the exact (start, end, label) is among
the constituents of the oracle's parse of the text, unary chains joined with ``::``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from tasks.base import ANY, Annotation, Corpus, Target, Task, Text, Words
from tasks.common import draws
from tasks.common.errors import UserError
from tasks.controls import Control, Span
from tasks.marks import Marks, stretch, unmarked
from tasks.oracles.trees import PHRASES, spans
from tasks.targets import MAX_WORDS, known_label, released_rows, take, within
from tasks.typed import Known, known_phrase, malformed

RELEASED = "target_spans.jsonl"
#: labels of the released list: in the prompt vocabulary even where no training text has them
RELEASED_LABELS = (
    "ADJP", "ADVP", "NML", "NP", "PP", "QP", "S", "S::ADJP", "S::NP", "SBAR", "VP", "WHNP",
)  # fmt: skip
#: a span as it is typed
_TYPED = re.compile(r"\(?\s*(\d{1,4})\s*[-,]\s*(\d{1,4})\s*[:,]\s*([^\s,()]+)\s*\)?")


class SyntaxSpans(Task):
    """``data``: the folder that holds the released list (``control_targets/target_spans.jsonl``),
    without which targets can only be drawn from validation texts."""

    name = "syntax_spans"
    control = Span
    label, rank, example_table = "Syntax Spans", 3, "table9"
    needs = frozenset({"tree"})
    numbered = True
    metrics: Mapping[str, str] = {
        "span_success": "the oracle's parse has exactly the constituent (start, end, label)"
    }
    paper_metric = "span_success"

    def targets(self, corpus: Corpus, n: int, source: str, seed: int) -> list[Target]:
        """``"released"``: the authors' 200 spans in file order. ``"validation"``: a constituent
        drawn evenly from those of a random validation text, the whole text left out; no two
        targets ask for the same span. ``"auto"``: see :func:`tasks.targets.take`."""
        return take(n, source, lambda: self._released(corpus), lambda: _drawn(corpus, seed))

    def examples(self, texts: Iterable[Text], seed: int) -> Iterator[tuple[Control, Words]]:
        """One example for every constituent of every text (reference notes 2.11), without those
        that end beyond the 62 words that 64 positions hold."""
        for text in texts:
            for start, end, label in sorted(spans(_tree(text))):
                if end < MAX_WORDS:
                    yield Span(start, end, label), text.words

    def typed(self, text: str, known: Known) -> Control:
        """``(0, 3, NP)`` or ``0-3:NP``; a unary chain is ``S::VP``."""
        read = _TYPED.fullmatch(text.strip())
        if read is None:
            raise malformed(text, 'first word, last word and label, as 0-3:NP or "(0, 3, NP)"')
        start, end, label = int(read[1]), int(read[2]), read[3]
        for part in label.split("::"):
            known_phrase(part, known.texts)
        within(end + 1, text)
        return Span(start, end, label)

    def prompt(self, control: Control) -> list[str]:
        """``["3", "5", "PP"]``; by positions ``["_", "_", "_", "B-PP", "I-PP", "E-PP"]``, and
        ``S-PP`` for a word alone."""
        span = _asked(control)
        if self.layout == "positions":
            width = span.end - span.start + 1
            inside = ["S"] if width == 1 else ["B", *"I" * (width - 2), "E"]
            return [ANY] * span.start + [f"{place}-{span.label}" for place in inside]
        return [str(span.start), str(span.end), span.label]

    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        """The positions 0 to 61, then the labels of the texts and of the released list; by
        positions ``_`` and each label as ``S-``, ``B-``, ``I-`` and ``E-``."""
        found = {label for text in texts for _, _, label in spans(_tree(text))}
        labels = sorted(found | set(RELEASED_LABELS))
        if self.layout == "positions":
            return [ANY, *(f"{place}-{label}" for label in labels for place in "SBIE")]
        return [*map(str, range(MAX_WORDS)), *labels]

    def score(self, target: Target, annotation: Annotation) -> dict[str, float]:
        """Raises ``UserError`` if the annotation has no parse."""
        if annotation.tree is None:
            raise UserError(f"target {target.id} cannot be scored: the sample has no parse")
        return {"span_success": float(_stands(_asked(target.control), annotation.tree))}

    def marks(self, control: Control, words: Words, reading: Mapping[str, Any]) -> Marks:
        """The words of the span, good where it is a constituent; none without a parse, unless the
        text ends before the span does."""
        span, tree = _asked(control), reading.get("tree")
        first, end = span.start, span.end + 1
        if end > len(words):
            return Marks(stretch(len(words), first, end, "bad"), ("span",))
        if tree is None:
            return unmarked(words)
        return Marks(stretch(len(words), first, end, "good" if _stands(span, tree) else "bad"))

    def _released(self, corpus: Corpus) -> list[Target]:
        @cache
        def labels() -> set[str]:
            texts = (*corpus.train, *corpus.valid)
            return {label for t in texts if t.tree for _, _, label in spans(t.tree)}

        targets: list[Target] = []
        for place, row in released_rows(corpus, self.data, RELEASED):
            words: Words = tuple(row["words_"][1:-1])
            for control in from_row(row, place):
                targets.append(Target(f"released-{len(targets):03d}", control, words))
        return targets


def from_row(row: Any, place: str) -> list[Span]:
    """The spans of a released row. Raises ``UserError``."""
    listed = row.get("spans")
    if not isinstance(listed, list) or not listed:
        raise UserError(f"{place}: no list of spans under 'spans'")
    return [_span(span, len(row["words_"]) - 2, place) for span in listed]


def _asked(control: Control) -> Span:
    if not isinstance(control, Span):
        raise TypeError(f"not a span: {control!r}")
    return control


def _stands(span: Span, tree: str) -> bool:
    return (span.start, span.end, span.label) in spans(tree)


def _span(value: Any, words: int, place: str) -> Span:
    least = min(words, MAX_WORDS)
    match value:
        case [int(start), int(end), str(label)] if 0 <= start <= end < least and label:
            for one in label.split("::"):
                known_label(one, PHRASES, place, "label")
            # true and false are numbers to Python
            if not (isinstance(start, bool) or isinstance(end, bool)):
                return Span(start, end, label)
    shown = repr(value) if len(repr(value)) < 80 else f"{repr(value)[:60]}..."
    raise UserError(f"{place}: {shown} is no span [start, end, label] within {least} words")


def _drawn(corpus: Corpus, seed: int) -> Iterator[Target]:
    """Passes over the shuffled validation texts, one new span a text, until none is new."""
    rng = draws.rng(seed, 1)
    seen: set[tuple[int, int, str]] = set()
    while True:
        before = len(seen)
        for row in rng.permutation(len(corpus.valid)):
            text = corpus.valid[row]
            whole = (0, len(text.words) - 1)
            fresh = [
                span
                for span in sorted(spans(_tree(text)) - seen)
                if span[:2] != whole and span[1] < MAX_WORDS
            ]
            if fresh:
                start, end, label = span = fresh[rng.integers(len(fresh))]
                seen.add(span)
                name = f"valid-{row:05d}-{start}-{end}-{label.replace('::', '.')}"
                yield Target(name, Span(start, end, label), text.words)
        if len(seen) == before:
            return


def _tree(text: Text) -> str:
    if text.tree is None:
        raise UserError(
            f"syntax_spans needs a parse of every text: {' '.join(text.words)[:60]!r} has none"
        )
    return text.tree
