"""The best tree of a chart: the CKY recursion of benepar's ``tree_from_scores`` over a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from tasks.oracles.chart import FeatureChartParser


def best_trees(
    network: FeatureChartParser,
    scores: Tensor,
    pairs: Tensor,
    lengths: Sequence[int],
    tagged: Sequence[Sequence[str]],
) -> list[str]:
    """Bracketed trees of highest score, without a TOP node.

    ``scores``, ``pairs``: from ``FeatureChartParser.triangle``. ``tagged``: the ``(TAG word)``
    leaves. A root without a label (possible where the treebank has such) becomes ``S``.
    """
    value, label = scores.float().max(-1)
    batch, n = scores.shape[0], int(pairs[1].max()) + 1
    rows, columns = pairs.numpy()
    best = np.zeros((batch, n, n), dtype=np.float32)
    labels = np.zeros((batch, n, n), dtype=np.int64)
    best[:, rows, columns] = value.numpy()
    labels[:, rows, columns] = label.numpy() + 1
    # the empty label scores 0, but the root needs a label
    empty = best <= 0
    if network.decoder.force_root_constituent:
        for i, length in enumerate(lengths):
            empty[i, 0, length - 1] = False
    best[empty] = 0.0
    labels[empty] = 0
    splits = _cky(best)
    names = network.decoder.label_from_index
    return [_tree(labels[i], splits[i], lengths[i], tagged[i], names) for i in range(batch)]


def _cky(best: np.ndarray) -> np.ndarray:
    """Best last word of the left part for every (start, end), shape (batch, n, n). ``best``: the
    score of the best label of every span."""
    batch, n, _ = best.shape
    # inside[0][:, i, w] is the span of w + 1 words that starts at i; inside[1] is the same
    # right-aligned by its end, so that both parts of all splits are contiguous
    left = np.zeros((batch, n, n), dtype=np.float32)
    right = np.zeros((batch, n, n), dtype=np.float32)
    splits = np.zeros((batch, n, n), dtype=np.int64)
    diagonal = np.arange(n)
    left[:, :, 0] = right[:, :, n - 1] = best[:, diagonal, diagonal]
    for width in range(1, n):
        starts = np.arange(n - width)
        ends = starts + width
        parts = left[:, : n - width, :width] + right[:, width:, n - width :]
        choice = parts.argmax(-1)
        value = np.take_along_axis(parts, choice[..., None], -1)[..., 0]
        total = value + best[:, starts, ends]
        splits[:, starts, ends] = starts + choice
        left[:, : n - width, width] = total
        right[:, width:, n - width - 1] = total
    return splits


def _tree(
    labels: np.ndarray,
    splits: np.ndarray,
    length: int,
    leaves: Sequence[str],
    names: dict[int, str],
) -> str:
    chosen, cut = labels.tolist(), splits.tolist()

    def build(start: int, end: int) -> str:
        if start == end:
            inner = leaves[start]
        else:
            middle = cut[start][end]
            inner = f"{build(start, middle)} {build(middle + 1, end)}"
        for label in reversed(names[chosen[start][end]].split("::")):
            if label:
                inner = f"({label} {inner})"
        return inner

    tree = build(0, length - 1)
    if chosen[0][length - 1] == 0:
        tree = f"(S {tree})"
    return tree
