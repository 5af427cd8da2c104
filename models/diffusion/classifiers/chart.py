"""The chart classifier, which guides syntax spans and syntax trees.

Shapes: B batch, L length, D embedding dimension, C span labels (0: no constituent), N = L(L+1)/2
cells (i, j), i <= j, in the order of ``torch.triu_indices``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.diffusion.classifiers.base import (
    Answers,
    Guide,
    LatentEncoder,
    NoisyObjective,
    Setup,
    Space,
    Tally,
)
from models.diffusion.config import ClassifierConfig
from models.diffusion.guidance import LogProb
from models.nets.precision import pad_rows
from models.nets.sequences import encode
from tasks.base import Text
from tasks.common.errors import UserError
from tasks.controls import Control, ParseTree, Span
from tasks.oracles.trees import spans
from tasks.vocabulary import PAD

Labels = Mapping[str, int]


class SpanClassifier(LatentEncoder):
    """p(label | x_t, t) for every span (i, j), i <= j, of the latents.

    A cell is scored from the encoder's states at its two ends. The first linear layer on
    [h_j; h_i] is kept as its two halves, so that a chart costs L^2 additions, not L^2 products.
    """

    def __init__(self, config: ClassifierConfig, space: Space, labels: int) -> None:
        super().__init__(config, space)
        width, hidden = config.network.width, config.span_hidden
        self.end = nn.Linear(width, hidden)
        self.start = nn.Linear(width, hidden, bias=False)
        self.label = nn.Linear(hidden, labels, bias=False)

    def chart(self, x: Tensor, s: Tensor) -> Tensor:
        """Logits (B, N, C), fp32, of all cells."""
        states = self.states(x, s)
        ends, starts = self.end(states), self.start(states)
        # row by row of the upper triangle: slices, whose gradients are sums, where indexing all
        # cells at once would add up their gradients one by one
        if torch.is_grad_enabled():
            pair = [ends[:, i:] + starts[:, i : i + 1] for i in range(x.shape[1])]
            cells = torch.tanh(torch.cat(pair, 1))
        else:
            cells = _cells(ends, starts)
        logits: Tensor = self.label(cells)
        return logits.float()

    def cells(self, x: Tensor, s: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Logits (B, C), fp32, of one cell a row; ``start`` and ``end`` (B,)."""
        states = self.states(x, s)
        rows = torch.arange(len(x), device=x.device)
        ends, starts = pad_rows(states[rows, end]), pad_rows(states[rows, start])
        logits = self.label(torch.tanh(self.end(ends) + self.start(starts)))
        return logits[: len(x)].float()


def _cells(ends: Tensor, starts: Tensor) -> Tensor:
    """tanh of the sums (B, N, H) of ends and starts (B, L, H) of all cells, bit for bit, in one
    buffer: the chart is the largest thing in memory, and half of its time is spent there."""
    length = ends.shape[1]
    cells = ends.new_empty(len(ends), length * (length + 1) // 2, ends.shape[2])
    at = 0
    for i in range(length):
        row = cells[:, at : at + length - i]
        torch.add(ends[:, i:], starts[:, i : i + 1], out=row)
        at += length - i
    return cells.tanh_()


class SpanObjective(NoisyObjective[SpanClassifier, list[Tensor]]):
    """Cross-entropy over all cells; those of padding count as no constituent.

    Held-out figures: the share of gold constituents whose label is found (``recall``), and of
    found constituents that are gold (``precision``).
    """

    def gold(self, charts: Sequence[Tensor]) -> Tensor:
        return dense_charts(charts, self.train_ids.shape[1])

    def batch_loss(self, rows: Tensor, x: Tensor, s: Tensor) -> Tensor:
        logits = self.classifier.chart(x, s)
        gold = self.gold([self.train_gold[i] for i in rows.tolist()])
        gold = gold.to(logits.device, non_blocking=True)
        return F.cross_entropy(logits.flatten(0, 1), gold.flatten())

    def answers(self, rows: slice, x: Tensor, s: Tensor) -> Answers:
        """The labels of the spans of words, and that many are none, given how wide they are."""
        gold = self.gold(self.valid_gold[rows]).to(x.device)
        words = (self.valid_ids[rows] != PAD).sum(1).to(x.device) - 2  # START and END
        start, end = torch.triu_indices(x.shape[1], x.shape[1], device=x.device)
        inside = (start >= 1) & (end[None] <= words[:, None])
        row, cell = inside.nonzero(as_tuple=True)
        label = gold[row, cell]
        logits = self.classifier.chart(x, s)[row, cell]
        loss = F.cross_entropy(logits, label, reduction="none")
        return row, loss, label, (end - start)[cell]

    def tally(self, rows: slice, x: Tensor, s: Tensor) -> Tally:
        predicted = self.classifier.chart(x, s).argmax(-1).cpu()
        gold = self.gold(self.valid_gold[rows])
        right = float(((predicted == gold) & (gold > 0)).sum())
        return {
            "recall": (right, float((gold > 0).sum())),
            "precision": (right, float((predicted > 0).sum())),
        }


def sparse_chart(tree: str, labels: Labels, length: int) -> Tensor:
    """(n, 3) rows (start, end, label) of a tree's constituents, shifted by 1 for START; those
    that do not fit in ``length`` tokens or whose label is unknown are left out."""
    rows = [
        (i + 1, j + 1, labels[label])
        for i, j, label in sorted(spans(tree))
        if j + 1 < length and label in labels
    ]
    return torch.tensor(rows, dtype=torch.long).reshape(-1, 3)


def dense_charts(charts: Sequence[Tensor], length: int) -> Tensor:
    """Labels (B, N) of all cells from sparse charts, 0 where there is no constituent."""
    start, end = torch.triu_indices(length, length)
    cell = torch.full((length, length), -1)
    cell[start, end] = torch.arange(len(start))
    gold = torch.zeros(len(charts), len(start), dtype=torch.long)
    for row, chart in enumerate(charts):
        gold[row, cell[chart[:, 0], chart[:, 1]]] = chart[:, 2]
    return gold


def objective(setup: Setup) -> tuple[SpanObjective, list[str]]:
    """The objective of a fresh network, and its label names. Every text must carry a tree."""
    trees = [_tree(text) for text in setup.train]
    names = ["", *sorted({label for tree in trees for _, _, label in spans(tree)})]
    labels = {name: i for i, name in enumerate(names)}

    space = setup.space

    def data(texts: Sequence[Text]) -> tuple[Tensor, list[Tensor]]:
        ids = encode([text.words for text in texts], space.vocabulary, space.length, "pad")
        return ids, [sparse_chart(_tree(text), labels, space.length) for text in texts]

    classifier, _ = restore(names, setup.config, space)
    made = SpanObjective(
        classifier,
        space,
        train=data(setup.train),
        valid=data(setup.valid),
        batch=setup.config.train.batch,
        seed=setup.seed,
    )
    return made, names


def restore(
    stored: Sequence[str], config: ClassifierConfig, space: Space
) -> tuple[SpanClassifier, Labels]:
    """A fresh network for the label names ``stored``, and the ids of these."""
    network = SpanClassifier(config, space, len(stored))
    return network, {name: i for i, name in enumerate(stored)}


def _tree(text: Text) -> str:
    if text.tree is None:
        raise UserError(f"a text of {len(text.words)} words has no tree: parse the corpus first")
    return text.tree


class SpanGuide(Guide):
    """log p(label of one cell | x_s, s) of each row, to be differentiated in x."""

    per_row = ("start", "end", "gold")

    def __init__(
        self, classifier: SpanClassifier, labels: Labels, controls: Sequence[Control]
    ) -> None:
        self.classifier = classifier
        cells = []
        for control in controls:
            if not isinstance(control, Span):
                raise UserError(f"the span classifier cannot read {control}")
            # positions count words from 0; START comes first in the sequence
            cells.append((control.start + 1, control.end + 1, nearest(control.label, labels)))
        self.start, self.end, self.gold = torch.tensor(cells, device=classifier.device).T

    def __call__(self, x: Tensor, s: int | Tensor) -> Tensor:
        level = self.at(x, s)
        logits = self.classifier.cells(x, level, self.start, self.end)
        return logits.log_softmax(-1).gather(1, self.gold[:, None])[:, 0]


def nearest(label: str, labels: Labels) -> int:
    """The number of a label, or of a chain of unary constituents that no training tree has
    (``S::NP``, outermost first) that of its innermost constituent that one has. Raises
    ``UserError`` where there is none."""
    for name in (label, *reversed(label.split("::"))):
        if name in labels:
            return labels[name]
    known = ", ".join(filter(None, labels))
    raise UserError(f"the span classifier knows no label '{label}', only {known}")


class TreeGuide(Guide):
    """The mean over all cells of log p(label or no constituent | x_s, s), as in the released code
    (the paper writes the sum; the mean is what its weights of the fluency term were tuned to).

    Cells of padding are to hold no constituent, so that the length is asked for as well. A
    constituent whose label the classifier never saw is left out of the mean.
    """

    per_row = ("scored", "gold")

    def __init__(
        self, classifier: SpanClassifier, labels: Labels, controls: Sequence[Control]
    ) -> None:
        self.classifier = classifier
        length = classifier.position_embedding.num_embeddings - 1
        charts = []
        for control in controls:
            if not isinstance(control, ParseTree):
                raise UserError(f"the chart classifier cannot read {control}")
            # a label that the classifier never saw is -1, and masked below
            names = {label: labels.get(label, -1) for _, _, label in spans(control.tree)}
            charts.append(sparse_chart(control.tree, names, length))
        gold = dense_charts(charts, length).to(classifier.device)
        self.scored, self.gold = gold >= 0, gold.clamp_min(0)

    @property
    def terms(self) -> Tensor:
        return self.scored.sum(1)

    def __call__(self, x: Tensor, s: int | Tensor) -> Tensor:
        level = self.at(x, s)
        scores = self.classifier.chart(x, level).log_softmax(-1)
        scores = scores.gather(2, self.gold[..., None])[..., 0] * self.scored
        return scores.sum(1) / self.scored.sum(1)


#: kind of control -> its guide
GUIDES: Mapping[str, Callable[[SpanClassifier, Labels, Sequence[Control]], LogProb]] = {
    Span.kind: SpanGuide,
    ParseTree.kind: TreeGuide,
}
