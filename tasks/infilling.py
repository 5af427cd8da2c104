"""Sentence infilling: the sentence between two others of a story (paper section 6.1 and Table 5).

The items of aNLG are the released list; stories of the validation split give others of the same
form. The networks see windows of a story, or its sentences in another order. A sample is the
middle alone. References are words; the metrics join and detokenise samples and references alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from tasks.base import Annotation, Corpus, Target, Task, Text, Words
from tasks.common import draws
from tasks.common.errors import UserError
from tasks.controls import Control, Infill
from tasks.corpora import traits, with_sentences
from tasks.corpora.stories import INSTEAD
from tasks.targets import NoReleasedList, take
from tasks.typed import Known, malformed

#: left context, middle, right context
Triple = tuple[Words, Words, Words]
#: the list of targets that aNLG's items are (``tasks.corpora.Traits.lists``)
ANLG = "anlg"
#: what a typed control has in place of the middle
_BLANK = re.compile(r"(?<=\s)_+(?=\s)")


def _bleu(sums: Sequence[float]) -> float:
    from tasks.metrics.bleu import from_statistics

    return from_statistics([sums]) / 100


class Infilling(Task):
    """``data``: the folder that holds aNLG's development items (``anlg/dev.json``)."""

    name = "infilling"
    control = Infill
    label, rank, table = "Infilling", 5, "infilling"
    fills, composes, quotes, fluency = True, False, True, False
    metrics: Mapping[str, str] = {
        "bleu4": "corpus BLEU-4 (sacrebleu, 13a, lower-cased, no smoothing)",
        "rouge_l": "ROUGE-L as COCO has it (beta 1.2), mean over items",
        "rouge_l_google": "ROUGE-L of rouge-score (F1, best reference), mean over items",
        "cider": "CIDEr-D over the set, times ten as COCO has it, mean over items",
        "bertscore": "BERTScore F1, best reference, mean over items",
    }
    pooled: Mapping[str, Callable[[Sequence[float]], float]] = {"bleu4": _bleu}
    paper_metric = "bleu4"

    @property
    def running(self) -> tuple[str, ...]:
        return ("rouge_l",)

    @property
    def paper_metrics(self) -> frozenset[str]:
        return frozenset({"bleu4", "rouge_l", "cider", "bertscore"})

    def targets(self, corpus: Corpus, n: int, source: str, seed: int) -> list[Target]:
        """``"released"`` (rocstories, anlg): aNLG's development items in one shuffled order, the
        same under every seed, so that the first 200 are a fair draw. ``"validation"``: a window of
        three sentences of each drawn story, with the ways to tell its middle that the corpus
        knows; of corpus ``anlg``, an item. ``"auto"``: see :func:`tasks.targets.take`.

        Targets have references and no source. No context holds a reference: a reference that does
        is left out, and so is a window or item that has no other. Raises ``UserError`` for a
        corpus whose texts have no sentences.
        """
        if not any(text.sentences for text in corpus.valid):
            raise UserError(f"infilling needs stories: corpus={', '.join(with_sentences())}")
        return take(n, source, lambda: self._released(corpus), lambda: _drawn(corpus, seed))

    def refuses_corpus(self, name: str) -> str | None:
        if traits(name).sentences:
            return None
        return f"infilling needs a corpus of stories: {', '.join(with_sentences())}"

    def examples(self, texts: Iterable[Text], seed: int) -> Iterator[tuple[Control, Words]]:
        """The contexts and the middle of every window of three sentences."""
        for left, middle, right in triples(texts):
            yield Infill(left, right), middle

    def typed(self, text: str, known: Known) -> Control:
        """``The sentence before. _ The sentence after.``"""
        parts = [part.strip() for part in _BLANK.split(f" {text} ")]
        if len(parts) != 2 or not all(parts):
            raise malformed(text, 'the sentences around a blank, as control="First. _ Last."')
        left, right = map(known.tokenize, parts)
        return Infill(left, right)

    def prompt(self, control: Control) -> list[str]:
        """There is none, and this raises ``UserError``: a left-to-right model that is to fill in
        sentences reads the contexts as words of the text (see :func:`reordered`)."""
        raise UserError("infilling has no prompt tokens: its contexts are words of the text")

    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        """None, see :meth:`prompt`."""
        return []

    def score(self, target: Target, annotation: Annotation) -> dict[str, float]:
        """``rouge_l`` of one text: the other metrics are of a set (``tasks.metrics.infilling``).
        Raises ``UserError`` for a target without references."""
        from tasks.metrics.rouge import coco

        if not target.references:
            raise UserError(f"target {target.id} has no reference to score against")
        return {"rouge_l": coco(annotation.words, target.references)}

    def _released(self, corpus: Corpus) -> list[Target]:
        from tasks.corpora.anlg import load_items

        if traits(corpus.name).lists != ANLG:
            raise NoReleasedList(f"there is no released target list for corpus {corpus.name}")
        if self.data is None:
            raise NoReleasedList("the released list of aNLG's items needs data=DIR")
        items = load_items(self.data)
        targets = (
            _target(f"released-{item.id}", item.left, item.right, item.references)
            for item in (items[i] for i in draws.rng(0).permutation(len(items)))
        )
        return [target for target in targets if target is not None]


def windows(texts: Iterable[Text], k: int, gaps: bool = False) -> list[Words]:
    """Every run of ``k`` consecutive sentences, as one text each, or with ``gaps`` every ``k``
    sentences in order, whether or not others lie between them; the whole text for ``k`` = 0 and
    for one with fewer sentences. Raises ``UserError`` for a negative ``k``."""
    if k < 0:
        raise UserError(f"a window of {k} sentences: at least 1, or 0 for whole stories")
    sequences: list[Words] = []
    for text in texts:
        parts = text.split()
        if not k or len(parts) <= k:
            sequences.append(text.words)
            continue
        runs = (parts[i : i + k] for i in range(len(parts) - k + 1))
        chosen = combinations(parts, k) if gaps else runs
        sequences += [tuple(word for part in run for word in part) for run in chosen]
    return sequences


def triples(texts: Iterable[Text], gaps: bool = False) -> list[Triple]:
    """(left, middle, right) of every three consecutive sentences: three of a story of five
    (reference notes 2.10), none of a text with fewer than three. With ``gaps``, of every three
    sentences in order: ten of a story of five, whose first and last three are aNLG's contexts."""
    examples: list[Triple] = []
    for text in texts:
        parts = text.split()
        if gaps:
            examples += combinations(parts, 3)
        else:
            examples += [(parts[i - 1], parts[i], parts[i + 1]) for i in range(1, len(parts) - 1)]
    return examples


def joined(triple: Triple) -> Words:
    """The three sentences in their order."""
    left, middle, right = triple
    return left + middle + right


def middle_of(triple: Triple) -> tuple[int, int]:
    """(start, stop) of the middle's words in :func:`joined`."""
    left, middle, _ = triple
    return len(left), len(left) + len(middle)


def reordered(triple: Triple) -> Words:
    """Left context, right context, middle: what AR-infilling reads (reference notes 2.10)."""
    left, middle, right = triple
    return left + right + middle


def middle_lengths(texts: Iterable[Text]) -> dict[int, int]:
    """Words of a middle sentence -> how many middle sentences have that many, shortest first."""
    return dict(sorted(Counter(len(middle) for _, middle, _ in triples(texts)).items()))


def _drawn(corpus: Corpus, seed: int) -> Iterator[Target]:
    rng = draws.rng(seed, 5)
    for row in rng.permutation(len(corpus.valid)):
        text = corpus.valid[row]
        parts = text.split()
        if len(parts) < 3:
            continue
        at = int(rng.integers(1, len(parts) - 1))
        key = INSTEAD.format(n=at + 1)
        others = [tuple(value.split()) for name, value in text.fields if name == key]
        target = _target(
            f"valid-{row:05d}-{at + 1}", parts[at - 1], parts[at + 1], [parts[at], *others]
        )
        if target is not None:
            yield target


def _target(name: str, left: Words, right: Words, references: Iterable[Words]) -> Target | None:
    unseen = [
        reference
        for reference in dict.fromkeys(references)
        if not (_holds(left, reference) or _holds(right, reference))
    ]
    return Target(name, Infill(left, right), references=tuple(unseen)) if unseen else None


def _holds(context: Words, words: Words) -> bool:
    return any(context[i : i + len(words)] == words for i in range(len(context) - len(words) + 1))
