"""What every classifier on noisy latents shares.

Shapes: B batch, L length, D embedding dimension. A level s is a step of the decoding schedule: 0
the least noise, -1 none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.diffusion.config import ClassifierConfig
from models.diffusion.gaussian import q_sample
from models.diffusion.schedule import Schedule, decoding_schedule
from models.diffusion_lm.denoiser import Denoiser
from models.nets.encoder import bert_config
from models.nets.precision import by_token
from tasks.base import Text, Words
from tasks.common.batching import BatchPlan
from tasks.controls import Control
from tasks.vocabulary import Vocabulary

#: held-out texts behind each point of the training curve
VALIDATION_TEXTS = 128
#: intervals between the noise levels of the training curve, and of ``curve_noise.json``
TRAINING_LEVELS, CURVE_LEVELS = 4, 10
CHUNK = 64

#: texts -> (control, words) pairs that hold (``tasks.base.Task.examples``)
Examples = Callable[[Sequence[Text]], Iterable[tuple[Control, Words]]]
#: what was counted as right, and out of how many
Tally = Mapping[str, tuple[float, float]]


class LatentInput(nn.Module):
    """Latents and their noise level as input vectors: [time; projected latents]."""

    def __init__(self, config: ClassifierConfig, dim: int) -> None:
        super().__init__()
        width = config.network.width
        self.up = nn.Sequential(nn.Linear(dim, 4 * dim), nn.Tanh(), nn.Linear(4 * dim, width))
        #: one row for each decoding step, the last one for clean latents
        self.time_embedding = nn.Embedding(config.steps + 1, width)

    @property
    def dtype(self) -> torch.dtype:
        return self.time_embedding.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.time_embedding.weight.device

    def project(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., width)."""
        return by_token(self.up, x.to(self.dtype)).to(self.dtype)

    def inputs(self, x: Tensor, s: Tensor) -> Tensor:
        """(B, 1 + L, width) of latents x (B, L, D) at levels s (B,)."""
        index = torch.where(s < 0, self.time_embedding.num_embeddings - 1, s)
        return torch.cat([self.time_embedding(index)[:, None, :], self.project(x)], dim=1)


class LatentEncoder(LatentInput):
    """A BERT encoder with its own embeddings layer over [time; projected latents]."""

    def __init__(self, config: ClassifierConfig, dim: int, length: int) -> None:
        from transformers.models.bert.modeling_bert import BertEncoder

        super().__init__(config, dim)
        width = config.network.width
        self.position_embedding = nn.Embedding(length + 1, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(config.network.dropout)
        self.encoder = BertEncoder(bert_config(config.network, length + 1))

    def states(self, x: Tensor, s: Tensor) -> Tensor:
        """Encoder states (B, L, width) of latents x (B, L, D) at levels s (B,), -1 for clean."""
        hidden = self.inputs(x, s)
        hidden = hidden + self.position_embedding.weight[: hidden.shape[1]]
        hidden = self.encoder(self.dropout(self.norm(hidden))).last_hidden_state
        return hidden[:, 1:].to(self.dtype)


@dataclass(frozen=True)
class Setup:
    """What a classifier is trained from: a frozen Diffusion-LM and texts."""

    denoiser: Denoiser
    vocabulary: Vocabulary
    config: ClassifierConfig
    train: Sequence[Text]
    valid: Sequence[Text]
    examples: Examples | None
    seed: int

    @property
    def length(self) -> int:
        return self.denoiser.config.length

    @property
    def embedding(self) -> Tensor:
        """The word embeddings (V, D), fp32, on the Diffusion-LM's device."""
        return self.denoiser.embedding.weight.float()

    @property
    def schedule(self) -> Schedule:
        return decoding_schedule(self.denoiser.schedule, self.config.steps, "recompute")


class NoisyObjective(ABC):
    """Trains a classifier on texts whose latents are noised at a level drawn uniformly from -1
    (clean) to steps-1 for each text. The noise is added to the plain embeddings, without the extra
    std of x_0. ``train`` and ``valid``: token ids (N, L)."""

    def __init__(
        self,
        module: LatentInput,
        embedding: Tensor,
        schedule: Schedule,
        train: Tensor,
        valid: Tensor,
        batch: int,
        seed: int,
    ) -> None:
        self.module: nn.Module = module
        self.embedding, self.steps = embedding, schedule.steps
        # level -1 (clean) is looked up as the last entry
        self.alpha_bar = torch.tensor([*schedule.alpha_bar, 1.0], dtype=torch.float32)
        self.train_ids, self.valid_ids = train, valid
        self.plan = BatchPlan(len(train), batch, seed)

    @abstractmethod
    def batch_loss(self, rows: Tensor, x: Tensor, s: Tensor) -> Tensor:
        """The mean loss of training texts ``rows`` (B,), given their latents x (B, L, D) at levels
        s (B,), both on the network's device."""

    @abstractmethod
    def tally(self, rows: slice, x: Tensor, s: Tensor) -> Tally:
        """Right and all answers by name, on held-out texts ``rows``."""

    def noised(self, clean: Tensor, s: Tensor, noise: Tensor) -> Tensor:
        """``clean`` (B, ..., D) at levels s (B,), on its own device."""
        alpha_bar = self.alpha_bar[s.cpu()].to(clean.device)
        return q_sample(clean, alpha_bar.view(-1, *[1] * (clean.dim() - 1)), noise.to(clean.device))

    def latents(self, ids: Tensor, s: Tensor, noise: Tensor) -> Tensor:
        return self.noised(self.embedding[ids.to(self.embedding.device)], s, noise)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        rows = torch.from_numpy(self.plan(step))
        ids = self.train_ids[rows]
        s = torch.randint(-1, self.steps, (len(ids),))
        noise = torch.randn(*ids.shape, self.embedding.shape[1])
        x = self.latents(ids, s, noise)
        return self.batch_loss(rows, x, s.to(x.device)), {}

    def figures(self, level: int, texts: int) -> dict[str, float]:
        """Shares of right answers at one level on the first held-out texts, under fixed noise."""
        ids = self.valid_ids[:texts]
        rng = torch.Generator().manual_seed(0)
        noise = torch.randn(*ids.shape, self.embedding.shape[1], generator=rng)
        right: dict[str, float] = {}
        count: dict[str, float] = {}
        for first in range(0, len(ids), CHUNK):
            rows = slice(first, first + CHUNK)
            s = torch.full((len(ids[rows]),), level)
            x = self.latents(ids[rows], s, noise[rows])
            for name, (hits, total) in self.tally(rows, x, s.to(x.device)).items():
                right[name] = right.get(name, 0.0) + hits
                count[name] = count.get(name, 0.0) + total
        return {name: right[name] / count[name] for name in right if count[name]}

    def validate(self) -> Mapping[str, float]:
        """The figures at five noise levels."""
        return {
            f"{name}_t{level}": value
            for level in levels(self.steps, TRAINING_LEVELS)
            for name, value in self.figures(level, VALIDATION_TEXTS).items()
        }

    @torch.no_grad()
    def noise_curve(self) -> list[dict[str, float]]:
        """The figures on all held-out texts at levels from clean to the noisiest, each with its
        level and the share of signal variance (alpha_bar)."""
        return [
            {"level": level, "alpha_bar": float(self.alpha_bar[level])}
            | self.figures(level, len(self.valid_ids))
            for level in levels(self.steps, CURVE_LEVELS)
        ]


def levels(steps: int, intervals: int) -> list[int]:
    """Levels in equal intervals from -1 (clean) to steps-1, each once."""
    return sorted({i * steps // intervals - 1 for i in range(intervals + 1)})
