"""What the networks of Diffusion-LM share: word embeddings, a Transformer, rounding (reference
notes, section 2.2).

Shapes: B batch, L length, D embedding dimension, W width of the Transformer, V vocabulary.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.diffusion.gaussian import Gaussian
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.schedule import (
    Schedule,
    chosen,
    decoding_schedule,
    log_uniform,
    make_schedule,
)
from models.diffusion.warp import Warp
from models.nets.encoder import bert_config, time_embedding
from models.nets.finite import sizes
from models.nets.precision import by_token, pad_rows
from tasks.common.errors import UserError
from tasks.vocabulary import Vocabulary


@dataclass(frozen=True)
class Noised:
    """Texts of a training step.

    ``ids`` (B, L); ``mean`` (B, L, D) their embeddings; ``x0`` latents drawn around these; ``x_t``
    the latents at training steps ``t`` (B,), from ``x0`` and ``noise``; ``clean`` (B, L): positions
    of ``x_t`` that hold ``mean`` instead, or None where none does; ``previous`` (B, L, D): the
    estimates that are handed back to the network, zeros where none is, or None; ``prompts`` (B, P):
    those in front of the texts, or None.
    """

    ids: Tensor
    mean: Tensor
    x0: Tensor
    x_t: Tensor
    t: Tensor
    noise: Tensor
    clean: Tensor | None
    previous: Tensor | None = None
    prompts: Tensor | None = None

    @property
    def known(self) -> Tensor | None:
        """What the network is told without noise: the prompts (B, P), or (B, L) the ids of clean
        positions, -1 elsewhere; None where it is told nothing."""
        if self.prompts is not None:
            return self.prompts
        return None if self.clean is None else self.ids.masked_fill(~self.clean, -1)

    def average(self, values: Tensor) -> Tensor:
        """Of (B, L) or (B, L, D), the mean of each text over the positions that are noised."""
        if self.clean is None:
            return values.flatten(1).mean(1)
        values = values if values.dim() == 2 else values.mean(2)
        return values.masked_fill(self.clean, 0).sum(1) / (~self.clean).sum(1)

    def squared_error(self, goal: Tensor, out: Tensor, x0_hat: Tensor) -> Tensor:
        """``mse`` (B,) of a prediction ``out`` of ``goal``; at t=0, of ``x0_hat`` from the clean
        embedding (paper, equation 2)."""
        mse = self.average((goal - out).square())
        at_zero = self.average((self.mean - x0_hat).square())
        return torch.where(self.t == 0, at_zero, mse)


class Network(nn.Module, ABC):
    """An x_0 estimate from noised latents, and the embedding table that they live in.

    The encoder is ``transformers.BertEncoder`` under torch's default initialisation, which the
    reference code has because it builds the encoder outside a pretrained model. No attention
    mask: PAD is an ordinary token.
    """

    #: whether ``known`` words change what it says of the others
    reads_known: ClassVar[bool] = False

    def __init__(self, config: DiffusionConfig, vocabulary: int) -> None:
        super().__init__()
        from transformers.models.bert.modeling_bert import BertEncoder

        net = config.network
        self.config = config
        self.schedule: Schedule
        #: the law of the noise levels; None where all are alike
        self.warp: Warp | None = None
        if config.warped:
            levels = config.levels
            self.schedule = log_uniform(levels.sigma_min, levels.sigma_max, config.steps)
            self.warp = Warp(levels, config.steps)
        else:
            self.schedule = make_schedule(config.schedule, config.steps, config.noise_factor)
        self.process = Gaussian(self.schedule)
        self._times: dict[torch.device, Tensor] = {}
        self.embedding: nn.Embedding | Normalised
        if config.normalised:
            self.embedding = Normalised(vocabulary, config.embedding)
        else:
            self.embedding = nn.Embedding(vocabulary, config.embedding)
            with torch.no_grad():
                self.embedding.weight *= config.embedding_std
        self.embedding.requires_grad_(config.learned_embedding)
        self.head_bias = nn.Parameter(torch.empty(vocabulary))
        bound = 1 / math.sqrt(config.embedding)  # nn.Linear's default for its bias
        nn.init.uniform_(self.head_bias, -bound, bound)
        self.time = nn.Sequential(
            nn.Linear(config.time, 4 * config.time),
            nn.SiLU(),
            nn.Linear(4 * config.time, net.width),
        )
        self.position_embedding = nn.Embedding(config.positions, net.width)
        self.up = self.make_up()
        self.norm = nn.LayerNorm(net.width, eps=1e-12)
        self.dropout = nn.Dropout(net.dropout)
        self.encoder = BertEncoder(bert_config(net, config.positions))
        self.down = self.make_down()
        #: reads the estimate before; it starts at 0, so that a fresh network does not depend on it
        self.again: nn.Linear | None = None
        if config.self_conditioning:
            self.again = nn.Linear(config.embedding, net.width, bias=False)
            nn.init.zeros_(self.again.weight)

    @abstractmethod
    def make_up(self) -> nn.Module:
        """From what it reads of a position to the Transformer's width."""

    @abstractmethod
    def make_down(self) -> nn.Module:
        """From the Transformer's width to what it says of a position."""

    @abstractmethod
    def x0(
        self,
        x_t: Tensor,
        index: Tensor,
        model_time: Tensor | None = None,
        known: Tensor | None = None,
        previous: Tensor | None = None,
    ) -> Tensor:
        """The x_0 estimate for x_t (B, L, D) whose noise is that of training steps ``index`` (B,).

        ``model_time``: what the network is told, where it differs from the training step's own
        time. ``known`` (B, L): ids of words whose own embedding, without noise, is at a position,
        such as the contexts of an infilling, and -1 elsewhere; a network that does not
        ``reads_known`` makes no use of it, and one that reads prompts takes these, (B, P), instead.
        ``previous`` (B, L, D): the estimate before, where
        ``config.self_conditioning``; None: zeros.
        """

    @abstractmethod
    def terms(self, noised: Noised) -> dict[str, Tensor]:
        """What it is trained by besides ``tT`` and ``rounding``, (B,) each."""

    def sharpen(self, temperature: float) -> None:
        """Sets the temperature of what it says of words. Raises ``UserError`` where it says
        nothing of them."""
        if temperature != 1:
            raise UserError("word_temperature needs a network with diffusion.output=words")

    def prepare(self, ids: Tensor, vocabulary: Vocabulary) -> None:
        """Before training on ``ids`` (N, L): starts from what they or a pretrained network say."""

    @property
    def start_std(self) -> float:
        """Standard deviation of q(x_0 | w); levels of a warp noise the embeddings themselves."""
        return 0.0 if self.warp is not None else initial_std(self.schedule)

    def decoding(self, steps: int, spacing: str = "recompute") -> Schedule:
        """The schedule that decodes in ``steps`` steps; ``spacing`` as in ``SamplingConfig``, but
        of a warp equal steps of warped time. Raises ``UserError`` for a number that it has not."""
        if self.warp is None:
            return decoding_schedule(self.schedule, steps, spacing)
        return chosen(self.schedule, self.warp.stops(steps).cpu().numpy())

    def signal(self, index: Tensor) -> Tensor:
        """alpha_bar of training steps ``index`` (B,), (B, 1, 1), fp32."""
        table = torch.as_tensor(self.schedule.alpha_bar, dtype=torch.float32, device=index.device)
        return table[index][:, None, None]

    def word_logits(
        self,
        x_t: Tensor,
        index: Tensor,
        model_time: Tensor,
        previous: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tensor:
        """log p(w | x_t) up to a constant of each position, (B, L, V), fp32, differentiable in
        x_t; by default the rounding of the x_0 estimate."""
        return self.said(x_t, index, model_time, previous, known)[1]

    def said(
        self,
        x_t: Tensor,
        index: Tensor,
        model_time: Tensor,
        previous: Tensor | None = None,
        known: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The x_0 estimate (B, L, D) and :meth:`word_logits`, in one evaluation; by default the
        second is the rounding of the first."""
        x0 = self.x0(x_t, index, model_time, known, previous)
        return x0, self.logits(x0)

    def mean(self, logits: Tensor) -> Tensor:
        """The mean (B, L, D) of the word embeddings under the softmax of ``logits`` (B, L, V)."""
        table = self.embedding.weight.float()
        return by_token(lambda p: p @ table, logits.softmax(-1))

    def forward(self, x: Tensor, model_time: Tensor, previous: Tensor | None = None) -> Tensor:
        """What ``down`` says of each position, fp32, for x (B, L, ...), as ``up`` reads it, at
        times (B,); ``previous`` as in :meth:`x0`."""
        hidden = self.entering(x, model_time, previous)
        return self.leaving(self.encoder(hidden).last_hidden_state)

    def entering(self, x: Tensor, model_time: Tensor, previous: Tensor | None) -> Tensor:
        """What the encoder reads of the positions, (B, L, W)."""
        dtype = self.norm.weight.dtype
        features = time_embedding(pad_rows(model_time), self.config.time)
        time = self.time(features.to(dtype))[: len(x)]
        hidden = self.up(x.to(dtype)) + self.position_embedding.weight[: x.shape[1]]
        if self.again is not None and previous is not None:
            hidden = hidden + self.again(previous.to(dtype))
        entered: Tensor = self.dropout(self.norm(hidden + time[:, None, :]))
        return entered

    def leaving(self, hidden: Tensor) -> Tensor:
        """What ``down`` says of the encoder's last states (B, L, W)."""
        output: Tensor = self.down(hidden.to(self.norm.weight.dtype)).float()
        if self.training:
            return output
        # a tanh makes a number of an infinity
        return output.masked_fill(~sizes(hidden).view(-1, 1, 1), torch.nan)

    def times(self, index: Tensor) -> Tensor:
        """What training tells the network of the noise of training steps ``index`` (B,)."""
        if index.device not in self._times:  # copied once: a copy waits for the device
            told = torch.as_tensor(self.schedule.model_time, dtype=torch.float32)
            self._times[index.device] = told.to(index.device)
        return self._times[index.device][index]

    @property
    def reading(self) -> float:
        """What latents are multiplied by where words are read off them. Under objective=anchor one
        estimate answers for its squared error, which wants the norm of an embedding, and for the
        words' probabilities: dot products of embeddings of D coordinates of unit variance say D for
        the word itself and sqrt(D) for any other, far more than an uncertain estimate may. There
        words are read off by embeddings of unit norm (Gao et al. 2022 scale the same table up by
        sqrt(D) before noise is added)."""
        return float(self.config.embedding**-0.5) if self.config.objective == "anchor" else 1.0

    def logits(self, x: Tensor) -> Tensor:
        """Rounding logits of latents (B, L, D): dot products with the embeddings, times
        :attr:`reading`, plus a bias; (B, L, V), fp32."""
        table = self.embedding.weight.float()
        return nn.functional.linear(x.float() * self.reading, table, self.head_bias.float())

    def nearest(self, x: Tensor) -> Tensor:
        """Each latent replaced by its nearest word embedding (L2), the clamping of section 4.2."""
        return nearest(x, self.embedding.weight.float())


class Normalised(nn.Module):
    """Word embeddings of one norm, the square root of their dimension, whose directions are
    learned from standard normal vectors."""

    def __init__(self, vocabulary: int, dim: int) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.randn(vocabulary, dim))

    @property
    def weight(self) -> Tensor:
        """The embeddings (V, D)."""
        table = self.directions
        scaled = nn.functional.normalize(table.float(), dim=-1) * table.shape[1] ** 0.5
        return scaled.to(table.dtype)

    def forward(self, ids: Tensor) -> Tensor:
        return nn.functional.embedding(ids, self.weight)


def two_layers(into: int, width: int, out: int) -> nn.Sequential:
    """Two linear layers with a tanh between them."""
    return nn.Sequential(nn.Linear(into, width), nn.Tanh(), nn.Linear(width, out))


def nearest(x: Tensor, table: Tensor) -> Tensor:
    """Each row of x (..., D) replaced by the nearest one of ``table`` (V, D)."""
    # |x - e|^2 less |x|^2, which does not change the choice
    distance = torch.addmm(table.square().sum(1), x.reshape(-1, x.shape[-1]), table.t(), alpha=-2)
    return table[distance.argmin(-1)].view_as(x)


def initial_std(schedule: Schedule) -> float:
    """Standard deviation of q(x_0 | w): 0.121 for the sqrt schedule at T=2000 (section 2.4)."""
    return float(schedule.std[0])
