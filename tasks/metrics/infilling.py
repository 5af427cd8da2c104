"""The automatic metrics of the paper's Table 5, of a whole set of answers at once."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.common.errors import UserError
from tasks.metrics import bleu, cider, rouge
from tasks.metrics.text import PTB_NAME
from tasks.texts import Words

if TYPE_CHECKING:
    from tasks.metrics.bertscore import BertScore

#: one item's values by metric: "bleu4" as the 10 counts of :mod:`tasks.metrics.bleu`, "rouge_l"
#: and "rouge_l_google" in [0, 1], "cider" in [0, 10], "bertscore" as it comes
Row = dict[str, float | tuple[int, ...]]


def evaluate(
    predictions: Sequence[Words],
    references: Sequence[Sequence[Words]],
    bert: BertScore | None = None,
) -> list[Row]:
    """One row an item, without "bertscore" where there is no ``bert``.

    The rows belong together: "cider" weighs n-grams by all ``references``. An empty prediction has
    0 everywhere. Raises ``UserError`` naming an item that has no reference.
    """
    _check(references)
    ciders = cider.cider_d(predictions, references)
    rows: list[Row] = [
        {
            "bleu4": bleu.statistics(prediction, humans),
            "rouge_l": rouge.coco(prediction, humans),
            "rouge_l_google": rouge.google(prediction, humans),
            "cider": score,
        }
        for prediction, humans, score in zip(predictions, references, ciders, strict=True)
    ]
    if bert is not None:
        for row, f1 in zip(rows, bert.score(predictions, references), strict=True):
            row["bertscore"] = f1
    return rows


def _check(references: Sequence[Sequence[Words]]) -> None:
    for index, humans in enumerate(references):
        if not any(humans):
            raise UserError(f"item {index} has no reference to be scored against")


def totals(rows: Sequence[Row]) -> dict[str, float]:
    """Each metric of the set in the paper's units: corpus BLEU-4 from the summed counts, in
    percent, and 100 times the mean of the others. (pycocoevalcap's CIDEr-D, whose factor of 10 is
    in the rows, is so 30.7 where e2e-metrics prints 0.307.)"""
    if not rows:
        raise ValueError("metrics of a set need at least one item")
    scores: dict[str, float] = {}
    for metric in rows[0]:
        values = [row[metric] for row in rows]
        counts = [value for value in values if isinstance(value, tuple)]
        plain = [value for value in values if not isinstance(value, tuple)]
        if counts:
            scores[metric] = bleu.from_statistics(counts)
        else:
            scores[metric] = 100 * sum(plain) / len(plain)
    return scores


def ceiling(references: Sequence[Sequence[Words]], bert: BertScore | None = None) -> list[Row]:
    """The rows of human answers: each reference of an item scored against its other ones.

    One row for each item that has two references or more, in their order; the others are left out
    of the set. "bleu4" holds the counts of the item's first reference alone; the other metrics are
    means over its references. Every figure is against one reference fewer than a method's, which
    most metrics punish. CIDEr's weights are, for the k-th reference of an item, of the set in which
    every item holds out its k-th one (counted again from the first where it has fewer).
    """
    several = [tuple(humans) for humans in references if len(humans) > 1]
    rounds = []
    for k in range(max(map(len, several), default=0)):
        held = [k % len(humans) for humans in several]
        pairs = [_hold_out(humans, out) for humans, out in zip(several, held, strict=True)]
        rounds.append(evaluate([humans for humans, _ in pairs], [others for _, others in pairs]))
    rows = [_mean([rounds[k][i] for k in range(len(humans))]) for i, humans in enumerate(several)]
    if bert is not None:  # all at once, for each text is then read only once
        pairs = [_hold_out(humans, k) for humans in several for k in range(len(humans))]
        f1 = iter(bert.score([humans for humans, _ in pairs], [others for _, others in pairs]))
        for humans, row in zip(several, rows, strict=True):
            row["bertscore"] = sum(next(f1) for _ in humans) / len(humans)
    return rows


def _hold_out(references: tuple[Words, ...], k: int) -> tuple[Words, tuple[Words, ...]]:
    return references[k], references[:k] + references[k + 1 :]


def _mean(rows: Sequence[Row]) -> Row:
    means: Row = {}
    for metric, first in rows[0].items():
        plain = [value for row in rows if not isinstance(value := row[metric], tuple)]
        means[metric] = sum(plain) / len(plain) if plain else first
    return means


def describe(bert: BertScore | None = None) -> dict[str, str]:
    """Metric -> its definition, the library that computes it, and its signature."""
    coco, ptb = f"pycocoevalcap {_version('pycocoevalcap')}", f"nltk {_version('nltk')} {PTB_NAME}"
    definitions = {
        "bleu4": f"corpus BLEU-4, sacrebleu, {bleu.signature()}",
        "rouge_l": f"ROUGE-L as COCO has it (best precision and best recall over the references, "
        f"beta 1.2), {coco}, {ptb}",
        "rouge_l_google": "ROUGE-L F1 of the best reference, no stemming, rouge-score "
        f"{_version('rouge-score')}",
        "cider": f"CIDEr-D of the whole set (sigma 6, times 10), {coco}, {ptb}",
    }
    if bert is not None:
        definitions["bertscore"] = f"BERTScore F1 of the best reference, {bert.hash}"
    return definitions


def _version(package: str) -> str:
    return importlib.metadata.version(package)
