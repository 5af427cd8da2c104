"""Scores of sentence infilling: what each method answered, against the human middles (Table 5).

Unlike the control tasks, the metrics are of a set: BLEU pools counts over all items and CIDEr's
weights come from all references, so that a cell is scored at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tasks.base import Target, Words
from tasks.common.errors import UserError
from tasks.common.files import canonical
from tasks.common.ranges import Checked, maybe_empty, ranged
from tasks.vocabulary import to_end

if TYPE_CHECKING:
    from tasks.metrics.bertscore import BertScore

ENDS = (".", "!", "?")
#: the second floor, a cell beside the methods'
COPY = "left_context"


@dataclass(frozen=True)
class BertScoreSection(Checked):
    """BERTScore of sentence infilling (reference notes, section 3.3)."""

    #: model on the hub (name@revision pins it) or a local folder; empty: leave BERTScore out
    model: str = maybe_empty("roberta-large")
    #: layer; null: the one that bert-score chose for the model
    layer: int | None = ranged(None, least=1, most=1000)
    #: rescale with the baseline that bert-score publishes for the model
    rescale: bool = False


class InfillingMetrics:
    """The metrics with their settings; BERTScore's network loads at its first use."""

    def __init__(
        self, section: BertScoreSection, device: Callable[[], str] = lambda: "cpu"
    ) -> None:
        self.section, self.device = section, device

    @cached_property
    def _bert(self) -> BertScore | str:
        """The scorer, or why there is none."""
        from tasks.metrics.bertscore import BertScore

        section = self.section
        if not section.model:
            return "skipped: bertscore.model is empty"
        try:
            return BertScore(section.model, section.layer, section.rescale, device=self.device())
        except UserError as error:
            return str(error)

    @property
    def skipped(self) -> dict[str, str]:
        """Metric -> why it cannot be computed here."""
        return {"bertscore": self._bert} if isinstance(self._bert, str) else {}

    @cached_property
    def described(self) -> dict[str, str]:
        """Metric -> definition, version and signature."""
        from tasks.metrics.infilling import describe

        bert = None if isinstance(self._bert, str) else self._bert
        return describe(bert)

    @cached_property
    def identity(self) -> dict[str, str]:
        """Who judges: equal identities give equal scores."""
        text = canonical({**self.described, **self.skipped})
        return {"metrics": hashlib.sha256(text.encode()).hexdigest()[:16]}

    def rows(
        self, targets: Sequence[Target], answers: Mapping[str, tuple[int, Words]]
    ) -> list[dict[str, Any]]:
        """One record a target. ``answers``: target id -> index of the chosen sample, its words."""
        from tasks.metrics.infilling import evaluate

        references = [_references(target) for target in targets]
        bert = None if isinstance(self._bert, str) else self._bert
        scores = evaluate([answers[t.id][1] for t in targets], references, bert)
        return [
            {"target": target.id, "index": answers[target.id][0], "scores": figures}
            for target, figures in zip(targets, scores, strict=True)
        ]

    def human(self, targets: Sequence[Target]) -> list[dict[str, Any]]:
        """References against each other, of the targets that have two or more."""
        from tasks.metrics.infilling import ceiling

        several = [target for target in targets if len(_references(target)) > 1]
        bert = None if isinstance(self._bert, str) else self._bert
        scores = ceiling([_references(target) for target in several], bert) if several else []
        return [
            {"target": target.id, "index": 0, "of": len(_references(target)), "scores": figures}
            for target, figures in zip(several, scores, strict=True)
        ]

    def copies(self, targets: Sequence[Target]) -> list[dict[str, Any]]:
        """The left context given as the answer: what overlap with a context alone is worth."""
        return self.rows(targets, copies(targets))

    def floor(self, targets: Sequence[Target], texts: Sequence[Words]) -> list[dict[str, Any]]:
        """First sentences of unconditional samples, one a target in turn."""
        return self.rows(targets, by_turns(targets, texts))


def answers(samples: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, tuple[int, Words]]:
    """What a method answered to each target, up to END: the sample that it chose, or its first
    one."""
    chosen = {}
    for target, records in samples.items():
        index = records[0].get("chosen") or 0
        # of a target that was cut short the chosen sample may not be there
        words = next((r["words"] for r in records if r["index"] == index), None)
        if words is not None:
            chosen[target] = index, to_end(words)
    return chosen


def copies(targets: Sequence[Target]) -> dict[str, tuple[int, Words]]:
    """The left context given as the answer."""
    return {target.id: (0, _left(target)) for target in targets}


def by_turns(targets: Sequence[Target], texts: Sequence[Words]) -> dict[str, tuple[int, Words]]:
    """First sentences of unconditional samples given as answers, one a target in turn."""
    sentences = [first_sentence(words) for words in texts]
    return {t.id: (0, sentences[i % len(sentences)]) for i, t in enumerate(targets)}


def first_sentence(words: Words) -> Words:
    """The words up to the first sentence-final mark."""
    ends = [i for i, word in enumerate(words) if word in ENDS]
    return words[: ends[0] + 1] if ends else words


def _left(target: Target) -> Words:
    contexts = target.control.contexts
    assert contexts is not None, f"target {target.id} has no contexts"
    return contexts[0]


def _references(target: Target) -> list[Words]:
    if not target.references:
        raise UserError(f"target {target.id} has no reference to score against")
    return list(target.references)
