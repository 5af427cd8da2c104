"""Minimum Bayes risk choice among candidates (paper section 5.2): the one that the others are most
like, by the sentence BLEU of candidates against each other. References have no part in it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import chain

import numpy as np
import numpy.typing as npt

from tasks.texts import Words

ORDERS = 4
Array = npt.NDArray[np.float64]


def sentence_bleu(prediction: Words, reference: Words) -> float:
    """BLEU-4 of one text against one other, in [0, 1], case ignored.

    Each order's precision is (matches + 1) / (n-grams of the prediction + 1), as in the released
    choice (reference notes 2.10); their geometric mean is multiplied by the brevity penalty
    exp(1 - reference length / prediction length) of a shorter prediction. 0 where either text is
    empty.
    """
    return float(_bleu([prediction, reference])[0, 1])


def _bleu(texts: Sequence[Words]) -> Array:
    """:func:`sentence_bleu` of every text (rows, as prediction) against every text.

    An entry is the same to the last bit whatever the other texts are: nothing in it is rounded
    but products, quotients and roots, and the penalty, which is not left to numpy's exp.
    """
    low = [tuple(word.lower() for word in words) for words in texts]
    lengths = [len(words) for words in low]
    product = np.ones((len(low), len(low)))
    for n in range(ORDERS):
        total = np.maximum(np.array(lengths) - n, 0.0)
        product *= (_matches(low, n + 1) + 1) / (total[:, None] + 1)
    penalty = np.array([[_penalty(length, other) for other in lengths] for length in lengths])
    return penalty * np.sqrt(np.sqrt(product))


def _matches(texts: Sequence[Words], n: int) -> Array:
    """Clipped matches of n-grams between every two texts."""
    counts = [Counter(words[i : i + n] for i in range(len(words) - n + 1)) for words in texts]
    column = {gram: i for i, gram in enumerate(dict.fromkeys(chain.from_iterable(counts)))}
    table = np.zeros((len(texts), len(column)))
    for row, counted in enumerate(counts):
        for gram, count in counted.items():
            table[row, column[gram]] = count
    matches = np.zeros((len(texts), len(texts)))
    for least in range(1, int(table.max(initial=0)) + 1):
        # min(a, b) is the number of levels that both reach: whole numbers, so the sums are exact
        reached = (table >= least).astype(np.float64)
        matches += reached @ reached.T
    return matches


@cache
def _penalty(prediction: int, reference: int) -> float:
    if not prediction or not reference:
        return 0.0
    return min(1.0, math.exp(1 - reference / prediction))


def utilities(candidates: Sequence[Words]) -> list[float]:
    """Of each candidate, the mean sentence BLEU of the others as predictions with it as reference.

    A candidate is no evidence for itself (which would add the same to all: a text's BLEU against
    itself is 1); a repetition of it among the others is. 0 for a lone candidate and an empty one.
    """
    times = Counter(candidates)
    distinct = list(times)
    weights = np.array([list(times.values())]).T - np.eye(len(distinct))
    terms = weights * _bleu(distinct)
    # fsum rounds once, so that no order of the candidates makes or breaks a tie
    others = max(len(candidates) - 1, 1)
    means = {words: math.fsum(terms[:, i]) / others for i, words in enumerate(distinct)}
    return [means[words] for words in candidates]


def choose(candidates: Sequence[Words]) -> int:
    """Index of the candidate of the highest utility, the first one where a text stands repeatedly.

    Among texts of equal utility the first in alphabetical order wins, and an empty text never wins
    over another, so that the chosen text does not depend on the order of the candidates. (The
    released code takes the last of equal ones.) All empty: 0.
    """
    if not candidates:
        raise ValueError("there is no candidate to choose from")
    utility = utilities(candidates)
    return min(
        range(len(candidates)),
        key=lambda i: (not candidates[i], -utility[i], tuple(candidates[i])),
    )
