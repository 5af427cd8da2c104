"""Sentence infilling: the sentence between two others of a story (paper section 6.1 and Table 5).

The items of aNLG are the released list; stories of the validation split give others of the same
form. The networks see windows of a story, or its sentences in another order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tasks.base import Annotation, Corpus, Target, Task, Text, Words
from tasks.controls import Control, Infill
from tasks.errors import UserError
from tasks.targets import NoReleasedList, take

#: left context, middle, right context
Triple = tuple[Words, Words, Words]
INSTEAD = "instead of {n}"


class Infilling(Task):
    """``data``: the folder that holds ``anlg/dev.json``."""

    name = "infilling"
    quotes = True
    fluency = False
    metrics: Mapping[str, str] = {
        "bleu4": "corpus BLEU-4 (sacrebleu, 13a, lower-cased, no smoothing)",
        "rouge_l": "ROUGE-L as COCO has it (beta 1.2), mean over items",
        "rouge_l_google": "ROUGE-L of rouge-score (F1, best reference), mean over items",
        "cider": "CIDEr-D over the set, times ten as COCO has it, mean over items",
        "bertscore": "BERTScore F1, best reference, mean over items",
    }
    paper_metric = "bleu4"

    def __init__(self, data: Path | None = None) -> None:
        self.data = data

    @property
    def running(self) -> tuple[str, ...]:
        return ("rouge_l",)

    @property
    def paper_metrics(self) -> frozenset[str]:
        return frozenset({"bleu4", "rouge_l", "cider", "bertscore"})

    def targets(self, corpus: Corpus, n: int, source: str, seed: int) -> list[Target]:
        """``"released"`` (rocstories): aNLG's development items in one shuffled order, so that the
        first 200 are a fair draw. ``"validation"``: one window of three sentences of each drawn
        story. Raises ``UserError`` for a corpus without sentences."""
        if not any(text.sentences for text in corpus.valid):
            raise UserError("infilling needs stories: corpus=stories, rocstories or anlg")
        return take(n, source, lambda: self._released(corpus), lambda: _drawn(corpus, seed))

    def _released(self, corpus: Corpus) -> list[Target]:
        from tasks.corpora.anlg import load_items

        if corpus.name != "rocstories":
            raise NoReleasedList(f"there is no released list for corpus {corpus.name}")
        if self.data is None:
            raise NoReleasedList("the items of aNLG need data=DIR")
        items = load_items(self.data)
        order = np.random.default_rng(0).permutation(len(items))
        return [
            Target(
                f"released-{items[i].id}",
                Infill(items[i].left, items[i].right),
                references=items[i].references,
            )
            for i in order
        ]

    def examples(self, texts: Iterable[Text], seed: int) -> Iterator[tuple[Control, Words]]:
        for left, middle, right in triples(list(texts)):
            yield Infill(left, right), middle

    def prompt(self, control: Control) -> list[str]:
        """There is none: contexts are read as words."""
        raise UserError("infilling has no prompt tokens: its contexts are words of the text")

    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        return []

    def score(self, target: Target, annotation: Annotation) -> dict[str, float]:
        """ROUGE-L of one text; the other metrics are of a set (``tasks.metrics.infilling``)."""
        from tasks.metrics.rouge import coco

        return {"rouge_l": coco(annotation.words, list(target.references))}


def _bleu(sums: Sequence[float]) -> float:
    from tasks.metrics.bleu import from_statistics

    return from_statistics([sums]) / 100


Infilling.pooled = {"bleu4": _bleu}


def _drawn(corpus: Corpus, seed: int) -> Iterator[Target]:
    rng = np.random.default_rng((seed, 5))
    for row in rng.permutation(len(corpus.valid)):
        text = corpus.valid[row]
        parts = text.split()
        if len(parts) < 3:
            continue
        at = int(rng.integers(1, len(parts) - 1))
        named = INSTEAD.format(n=at + 1)
        others = [tuple(value.split()) for name, value in text.fields if name == named]
        yield Target(
            f"valid-{row:05d}-{at + 1}",
            Infill(parts[at - 1], parts[at + 1]),
            references=tuple(dict.fromkeys([parts[at], *others])),
        )


def windows(texts: Sequence[Text], k: int) -> list[Words]:
    """Every run of ``k`` consecutive sentences, as one text each; the whole text for ``k`` = 0 and
    for one with fewer sentences."""
    found: list[Words] = []
    for text in texts:
        parts = text.split()
        if not k or len(parts) <= k:
            found.append(text.words)
            continue
        runs = (parts[i : i + k] for i in range(len(parts) - k + 1))
        found += [tuple(word for part in run for word in part) for run in runs]
    return found


def triples(texts: Sequence[Text]) -> list[Triple]:
    """Every three consecutive sentences: (left, middle, right) (reference notes, section 2.10)."""
    found = []
    for text in texts:
        parts = text.split()
        found += [(parts[i - 1], parts[i], parts[i + 1]) for i in range(1, len(parts) - 1)]
    return found


def reordered(triple: Triple) -> Words:
    """Left context, right context, middle: what AR-infilling reads."""
    left, middle, right = triple
    return left + right + middle


def middle_lengths(texts: Sequence[Text]) -> dict[int, int]:
    """Words of a middle sentence -> how many middle sentences have that many."""
    return dict(Counter(len(middle) for _, middle, _ in triples(texts)))
