"""The span classifier on noisy latents (paper, appendix D; reference notes, section 2.7).

Shapes: B batch, L length, D embedding dimension, C span labels (0: no constituent).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base import stream_seed
from models.config import ClassifierConfig
from models.denoiser import Denoiser, bert_config
from models.diffusion_training import encode, load_diffusion, read_config
from models.precision import pad_rows
from models.process import q_sample
from models.schedule import Schedule, decoding_schedule
from models.train import fit
from models.weights import load_module, save_module
from tasks.base import Text
from tasks.batching import BatchPlan
from tasks.controls import Control, Span
from tasks.errors import UserError
from tasks.oracles.trees import spans
from tasks.progress import Progress, silent

VALIDATION_TEXTS = 128


class SpanClassifier(nn.Module):
    """p(label | x_t, t) for every span (i, j), i <= j, of the latents.

    A BERT encoder with its own embeddings layer reads [time; projected latents]; a cell is scored
    from the two end states. The first linear layer on [h_j; h_i] is kept as its two halves, so
    that a chart costs L^2 additions, not L^2 products.
    """

    def __init__(self, config: ClassifierConfig, dim: int, length: int, labels: int) -> None:
        super().__init__()
        from transformers.models.bert.modeling_bert import BertEncoder

        width, hidden = config.network.width, config.span_hidden
        self.up = nn.Sequential(nn.Linear(dim, 4 * dim), nn.Tanh(), nn.Linear(4 * dim, width))
        #: one row for each decoding step, the last one for clean latents
        self.time_embedding = nn.Embedding(config.steps + 1, width)
        self.position_embedding = nn.Embedding(length + 1, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(config.network.dropout)
        self.encoder = BertEncoder(bert_config(config.network, length + 1))
        self.end = nn.Linear(width, hidden)
        self.start = nn.Linear(width, hidden, bias=False)
        self.label = nn.Linear(hidden, labels, bias=False)

    def states(self, x: Tensor, s: Tensor) -> Tensor:
        """Encoder states (B, L, width) of latents x (B, L, D) at levels s (B,), -1 for clean."""
        dtype = self.norm.weight.dtype
        index = torch.where(s < 0, self.time_embedding.num_embeddings - 1, s)
        time = self.time_embedding(index)[:, None, :]
        hidden = torch.cat([time.to(dtype), self.up(x.to(dtype)).to(dtype)], dim=1)
        hidden = hidden + self.position_embedding.weight[: hidden.shape[1]].to(dtype)
        hidden = self.encoder(self.dropout(self.norm(hidden))).last_hidden_state
        return hidden[:, 1:].to(dtype)

    def chart(self, x: Tensor, s: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Logits (B, N, C), fp32, of the cells (start[n], end[n]), the same for all rows."""
        states = self.states(x, s)
        pair = self.end(states)[:, end] + self.start(states)[:, start]
        return self.label(torch.tanh(pair)).float()

    def cells(self, x: Tensor, s: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Logits (B, C), fp32, of one cell a row; ``start`` and ``end`` (B,)."""
        states = self.states(x, s)
        rows = torch.arange(len(x), device=x.device)
        ends, starts = pad_rows(states[rows, end]), pad_rows(states[rows, start])
        logits = self.label(torch.tanh(self.end(ends) + self.start(starts)))
        return logits[: len(x)].float()


class SpanObjective:
    """Cross-entropy over all cells (i, j), i <= j, of sequences whose latents are noised at a
    level drawn uniformly from -1 (clean) to steps-1; padding cells count as no constituent."""

    def __init__(
        self,
        classifier: SpanClassifier,
        embedding: Tensor,
        schedule: Schedule,
        train: tuple[Tensor, list[Tensor]],
        valid: tuple[Tensor, list[Tensor]],
        batch: int,
        seed: int,
    ) -> None:
        self.module = classifier
        self.embedding, self.steps = embedding, schedule.steps
        # level -1 (clean) is looked up as the last entry
        self.alpha_bar = torch.tensor([*schedule.alpha_bar, 1.0], dtype=torch.float32)
        self.train, self.valid = train, valid
        self.plan = BatchPlan(len(train[0]), batch, seed)
        length = train[0].shape[1]
        self.start, self.end = torch.triu_indices(length, length)
        self.cell = torch.full((length, length), -1)
        self.cell[self.start, self.end] = torch.arange(len(self.start))

    def gold(self, charts: Sequence[Tensor]) -> Tensor:
        """Labels (B, N) of the cells from sparse charts: (n, 3) rows of start, end, label."""
        gold = torch.zeros(len(charts), len(self.start), dtype=torch.long)
        for row, chart in enumerate(charts):
            gold[row, self.cell[chart[:, 0], chart[:, 1]]] = chart[:, 2]
        return gold

    def logits(self, ids: Tensor, s: Tensor, noise: Tensor) -> Tensor:
        device = self.embedding.device
        alpha_bar = self.alpha_bar[s].to(device)[:, None, None]
        x = q_sample(self.embedding[ids.to(device)], alpha_bar, noise.to(device))
        return self.module.chart(x, s.to(device), self.start.to(device), self.end.to(device))

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        rows = torch.from_numpy(self.plan(step))
        ids = self.train[0][rows]
        s = torch.randint(-1, self.steps, (len(ids),))
        noise = torch.randn(*ids.shape, self.embedding.shape[1])
        logits = self.logits(ids, s, noise)
        gold = self.gold([self.train[1][i] for i in rows.tolist()]).to(logits.device)
        return F.cross_entropy(logits.flatten(0, 1), gold.flatten()), {}

    def validate(self) -> Mapping[str, float]:
        """Recall of gold labels among gold constituents at five noise levels, on fixed noise."""
        ids, charts = self.valid[0][:VALIDATION_TEXTS], self.valid[1][:VALIDATION_TEXTS]
        gold = self.gold(charts)
        rng = torch.Generator().manual_seed(0)
        noise = torch.randn(*ids.shape, self.embedding.shape[1], generator=rng)
        figures: dict[str, float] = {}
        for quarter in range(5):
            level = quarter * self.steps // 4 - 1
            s = torch.full((len(ids),), level)
            logits = self.logits(ids, s, noise).cpu()
            found = (logits.argmax(-1) == gold)[gold > 0].float().mean()
            figures[f"recall_t{level}"] = float(found)
        return figures


def sparse_chart(tree: str, labels: Mapping[str, int], length: int) -> Tensor:
    """(n, 3) rows (start, end, label) of a tree's constituents, shifted by 1 for START; those
    that do not fit in ``length`` tokens or whose label is unknown are left out."""
    rows = [
        (i + 1, j + 1, labels[label])
        for i, j, label in sorted(spans(tree))
        if j + 1 < length and label in labels
    ]
    return torch.tensor(rows, dtype=torch.long).reshape(-1, 3)


def train_classifier(
    folder: Path,
    diffusion_folder: Path,
    task: str,
    train: Sequence[Text],
    valid: Sequence[Text],
    config: ClassifierConfig,
    seed: int,
    device: torch.device,
    progress: Progress = silent,
) -> None:
    """Trains the classifier that guides ``task`` on the frozen embeddings of a Diffusion-LM.

    Every text must carry a tree. Raises ``UserError`` for a task without a classifier here, a
    Diffusion-LM in ``block`` mode, or step counts that do not fit.
    """
    if task != "syntax_spans":
        raise UserError(f"no classifier is known for task '{task}' (valid: syntax_spans)")
    denoiser, vocabulary = load_diffusion(diffusion_folder, device)
    refuse_block(denoiser)
    length = denoiser.config.length
    names = ["", *sorted({label for text in train for _, _, label in spans(_tree(text))})]
    labels = {name: i for i, name in enumerate(names)}

    def data(texts: Sequence[Text]) -> tuple[Tensor, list[Tensor]]:
        ids = encode([text.words for text in texts], vocabulary, length, "pad")
        return ids, [sparse_chart(_tree(text), labels, length) for text in texts]

    torch.manual_seed(stream_seed(seed, "classifier", "init"))
    embedding = denoiser.embedding.weight.float()
    classifier = SpanClassifier(config, embedding.shape[1], length, len(names)).to(device)
    schedule = decoding_schedule(denoiser.schedule, config.steps, "recompute")
    objective = SpanObjective(
        classifier, embedding, schedule, data(train), data(valid), config.train.batch, seed
    )
    fit(objective, config.train, folder, seed, device, progress)
    (folder / "config.json").write_text(json.dumps(dataclasses.asdict(config), indent=1))
    (folder / "labels.json").write_text(json.dumps(names))
    meta = _meta(config, denoiser, vocabulary.digest)
    save_module(folder / "weights.safetensors", classifier, meta)


def _tree(text: Text) -> str:
    if text.tree is None:
        raise UserError(f"a text of {len(text.words)} words has no tree: parse the corpus first")
    return text.tree


def _meta(config: ClassifierConfig, denoiser: Denoiser, vocabulary: str) -> dict[str, Any]:
    return {
        "kind": "classifier",
        "vocabulary": vocabulary,
        "length": denoiser.config.length,
        "schedule": denoiser.config.schedule,
        "steps": config.steps,
    }


def refuse_block(denoiser: Denoiser) -> None:
    """A network trained on cut windows has never seen the START ... END PAD that controls name."""
    if denoiser.config.padding != "pad":
        raise UserError(
            "this Diffusion-LM was trained with padding=block and cannot be controlled: "
            "train one with diffusion.padding=pad"
        )


class SpanGuide:
    """log p(label of one cell | x_s, s) of each row, to be differentiated in x."""

    def __init__(
        self, classifier: SpanClassifier, labels: Mapping[str, int], controls: Sequence[Control]
    ) -> None:
        self.classifier = classifier
        device = classifier.norm.weight.device
        cells = []
        for control in controls:
            if not isinstance(control, Span):
                raise UserError(f"the span classifier cannot read {control}")
            if control.label not in labels:
                raise UserError(f"the span classifier knows no label '{control.label}'")
            # positions count words from 0; START comes first in the sequence
            cells.append((control.start + 1, control.end + 1, labels[control.label]))
        self.start, self.end, self.gold = torch.tensor(cells, device=device).T

    def __call__(self, x: Tensor, s: int) -> Tensor:
        level = torch.full((len(x),), s, device=x.device)
        logits = self.classifier.cells(x, level, self.start, self.end)
        return logits.log_softmax(-1).gather(1, self.gold[:, None])[:, 0]


def load_classifier(
    folder: Path, denoiser: Denoiser, vocabulary: str, steps: int, device: torch.device
) -> tuple[SpanClassifier, dict[str, int]]:
    """The classifier in eval mode, frozen, and its label ids.

    Raises ``UserError`` if it was trained for another vocabulary, length, schedule or number of
    decoding ``steps`` than it is to guide, or is damaged.
    """
    config = read_config(folder / "config.json", ClassifierConfig)
    try:
        names = json.loads((folder / "labels.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"cannot read {folder / 'labels.json'}: {error}") from None
    length, dim = denoiser.config.length, denoiser.config.embedding
    classifier = SpanClassifier(config, dim, length, len(names))
    expect = _meta(config, denoiser, vocabulary) | {"steps": steps}
    load_module(folder / "weights.safetensors", classifier, expect)
    classifier = classifier.to(device).eval().requires_grad_(False)
    return classifier, {name: i for i, name in enumerate(names)}
