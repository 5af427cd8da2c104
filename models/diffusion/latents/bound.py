"""Training Diffusion-LM under its variational bound itself (paper, section 7 and appendices B, F).

Two networks. ``bound``: the ordinary one, embeddings learned, under equation 2. ``simplex``: the
likelihood model of appendix F, whose latents are one-hot vectors: the input is
softmax(alpha(t) x + beta(t)), the output a softmax, squared errors become cross-entropies in
training (the bound is evaluated with squared errors), and words are read off the least noisy latent
without a rounding step. The noise schedule is the ordinary one and not learned.

The noise level of a text is drawn by importance, as the estimate of the bound draws it
(:func:`models.diffusion.latents.likelihood.choose_steps`): from fixed chances rather than from a
record of past losses, so that a step depends on its number alone and training resumes exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base import stream_seed
from models.diffusion.gaussian import q_sample
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.denoiser import Denoiser
from models.diffusion.latents.likelihood import (
    TERMS,
    bound_terms,
    choose_steps,
    prior_term,
    step_weights,
)
from models.diffusion.schedule import Schedule, make_schedule
from models.nets.artefact import load_network, save_network
from models.nets.encoder import bert_config, time_embedding
from models.nets.sequences import encode
from models.nets.train import fit
from tasks.base import Words
from tasks.common.batching import BatchPlan
from tasks.common.errors import UserError, unknown
from tasks.common.progress import Progress, silent
from tasks.vocabulary import Vocabulary

VALIDATION_TEXTS, VALIDATION_LEVELS = 64, 8

Terms = Callable[..., dict[str, Tensor]]


class SimplexDenoiser(nn.Module):
    """The network of appendix F: logits (B, L, V) of the words from latents (B, L, V)."""

    def __init__(self, config: DiffusionConfig, vocabulary: int) -> None:
        super().__init__()
        from transformers.models.bert.modeling_bert import BertEncoder

        width = config.network.width
        self.config, self.vocabulary = config, vocabulary
        self.schedule: Schedule = make_schedule(config.schedule, config.steps)
        self.time = nn.Sequential(
            nn.Linear(config.time, 4 * config.time), nn.SiLU(), nn.Linear(4 * config.time, width)
        )
        #: alpha(t) and beta(t), in one network
        self.sharpen = nn.Linear(width, 1 + vocabulary)
        self.position_embedding = nn.Embedding(config.positions, width)
        self.up = nn.Linear(vocabulary, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(config.network.dropout)
        self.encoder = BertEncoder(bert_config(config.network, config.positions))
        self.down = nn.Linear(width, vocabulary)

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        """``index`` (B,): the steps whose noise the latents have."""
        model_time = torch.as_tensor(self.schedule.model_time, dtype=torch.float32)
        time = self.time(time_embedding(model_time.to(x.device)[index], self.config.time))
        shape = self.sharpen(time)
        scale, shift = F.softplus(shape[:, :1]), shape[:, 1:]
        # times the signal's part of a Gaussian's log-odds, so that alpha(t) = 1 is Bayes' rule
        # for one word alone and the network starts from it
        a = torch.as_tensor(self.schedule.alpha_bar, dtype=torch.float32).to(x.device)[index]
        odds = (a.sqrt() / (1 - a))[:, None, None]
        sharp = torch.softmax(scale[..., None] * odds * x + shift[:, None], -1)
        hidden = self.up(sharp) * self.up.in_features**0.5
        hidden = hidden + self.position_embedding.weight[: x.shape[1]] + time[:, None]
        hidden = self.encoder(self.dropout(self.norm(hidden))).last_hidden_state
        logits: Tensor = self.down(hidden).float()
        return logits


def simplex_terms(
    model: SimplexDenoiser,
    ids: Tensor,
    count: int,
    rng: np.random.Generator,
    noise: torch.Generator | None,
    surrogate: bool = False,
) -> dict[str, Tensor]:
    """As :func:`models.diffusion.latents.likelihood.bound_terms`, where x_0 is the one-hot vector
    itself: ``start`` is nothing, and ``rounding`` is -log p(w | x_{t=0}). With ``surrogate``,
    cross-entropies stand for the squared errors, and every eighth text alone is rounded, for all
    of them: words that little noise hides need no more teaching, and a step costs almost half as
    much."""
    schedule = model.schedule
    x0 = F.one_hot(ids, model.vocabulary).float()
    zero = torch.zeros(len(ids), dtype=torch.float64, device=ids.device)

    def logits_at(levels: np.ndarray, rows: slice = slice(None)) -> Tensor:
        a = torch.from_numpy(schedule.alpha_bar[levels]).to(x0)[:, None, None]
        clean = x0[rows]
        x_t = q_sample(clean, a, torch.randn(clean.shape, generator=noise).to(x0.device))
        return model(x_t, torch.from_numpy(levels).to(x0.device))

    def entropy(logits: Tensor, rows: slice = slice(None)) -> Tensor:
        flat = F.cross_entropy(logits.flatten(0, 1), ids[rows].flatten(), reduction="none")
        return flat.view_as(ids[rows]).double().sum(1)

    def squared(logits: Tensor) -> Tensor:
        return (x0 - logits.softmax(-1)).double().square().sum((1, 2))

    denoising, weights = zero, step_weights(schedule)
    chosen = choose_steps(weights, count, len(ids), rng)
    for levels, shares in zip(chosen.levels, chosen.shares, strict=True):
        logits = logits_at(levels)
        error = entropy(logits) if surrogate else squared(logits)
        denoising = denoising + torch.from_numpy(shares * weights[levels]).to(error) * error
    rounded = slice(None, None, 8) if surrogate else slice(None)
    rounding = entropy(logits_at(np.zeros(len(x0[rounded]), dtype=np.int64), rounded), rounded)
    return {
        "prior": prior_term(x0, float(schedule.alpha_bar[-1])),
        "denoising": denoising,
        "start": zero,
        "rounding": rounding.mean().expand(len(ids)) if surrogate else rounding,
    }


#: what gives the terms of each likelihood model's bound
TERMS_OF: Mapping[str, Terms] = {"bound": bound_terms, "simplex": simplex_terms}
KINDS = tuple(TERMS_OF)


def make(kind: str, config: DiffusionConfig, vocabulary: int) -> tuple[nn.Module, Terms]:
    """A fresh network and what gives its bound's terms. Raises ``UserError`` for another kind."""
    if kind not in KINDS:
        raise unknown("likelihood model", kind, KINDS)
    if kind == "simplex":
        return SimplexDenoiser(config, vocabulary), TERMS_OF[kind]
    if config.output != "linear":
        raise UserError(f"the bound is trained with output=linear, not {config.output}")
    return Denoiser(config, vocabulary), TERMS_OF[kind]


class BoundObjective:
    """The bound of a batch, in nats a position, under one noise level a text."""

    def __init__(
        self,
        module: nn.Module,
        terms: Terms,
        train: Tensor,
        valid: Tensor,
        batch: int,
        seed: int,
    ) -> None:
        self.module, self.terms = module, terms
        self.train_ids, self.valid_ids = train, valid[:VALIDATION_TEXTS]
        self.plan = BatchPlan(len(train), batch, seed)
        self.more = {"surrogate": True} if terms is simplex_terms else {}

    def _device(self) -> torch.device:
        return next(self.module.parameters()).device

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        ids = self.train_ids[torch.from_numpy(self.plan(step))].to(self._device())
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        terms = self.terms(self.module, ids, 1, rng, None, **self.more)
        parts = {name: terms[name].mean() / ids.shape[1] for name in TERMS}
        return torch.stack(list(parts.values())).sum().float(), parts

    def validate(self) -> Mapping[str, float]:
        """The bound itself on fixed texts under fixed noise, in nats a position."""
        ids = self.valid_ids.to(self._device())
        noise, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
        terms = self.terms(self.module, ids, VALIDATION_LEVELS, rng, noise)
        parts = {name: float(terms[name].mean()) / ids.shape[1] for name in TERMS}
        return {"loss": sum(parts.values()), **parts}


def train_bound(
    folder: Path,
    kind: str,
    train: Sequence[Words],
    valid: Sequence[Words],
    vocabulary: Vocabulary,
    config: DiffusionConfig,
    *,
    seed: int,
    device: torch.device,
    progress: Progress = silent,
) -> None:
    """Trains a likelihood model and writes weights, vocabulary, config and curve to ``folder``.
    Gradients are clipped at ``config.train.clip`` (appendix B: 1.0)."""
    torch.manual_seed(stream_seed(seed, "likelihood", kind))
    module, terms = make(kind, config, len(vocabulary))
    ids, held = (encode(texts, vocabulary, config.length, "pad") for texts in (train, valid))
    objective = BoundObjective(module.to(device), terms, ids, held, config.train.batch, seed)
    fit(objective, config.train, folder, seed, device, progress)
    save_network(folder, module, config, _facts(kind), words=("vocabulary", vocabulary))


def load_bound(
    folder: Path, kind: str, device: torch.device
) -> tuple[nn.Module, Terms, Vocabulary]:
    """A trained likelihood model in eval mode. Raises ``UserError`` if it is damaged."""

    def build(config: DiffusionConfig, words: Vocabulary) -> tuple[nn.Module, dict[str, Any]]:
        return make(kind, config, len(words))[0], _facts(kind)

    module, _, vocabulary = load_network(
        folder, DiffusionConfig, build, words=("vocabulary", Vocabulary.load)
    )
    return module.to(device), TERMS_OF[kind], vocabulary


def _facts(kind: str) -> dict[str, Any]:
    return {"kind": f"likelihood {kind}"}
