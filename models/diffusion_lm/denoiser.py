"""The denoising Transformer and the word embeddings it lives in (reference notes, section 2.2).

Shapes: B batch, L length, D embedding dimension, V vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.diffusion.gaussian import posterior_coefficients, x0_from_eps, x0_from_mu
from models.diffusion.schedule import Schedule, make_schedule
from models.diffusion_lm.config import DiffusionConfig
from models.nets.encoder import bert_config, time_embedding
from models.nets.precision import pad_rows


class Denoiser(nn.Module):
    """f(x_t, t) with the embedding table and the rounding head whose weight is tied to it.

    The encoder is ``transformers.BertEncoder`` under torch's default initialisation, which the
    reference code has because it builds the encoder outside a pretrained model. No attention
    mask: PAD is an ordinary token.
    """

    def __init__(self, config: DiffusionConfig, vocabulary: int) -> None:
        super().__init__()
        from transformers.models.bert.modeling_bert import BertEncoder

        net = config.network
        width = net.width
        self.config = config
        self.schedule: Schedule = make_schedule(config.schedule, config.steps)
        self.embedding = nn.Embedding(vocabulary, config.embedding)
        with torch.no_grad():
            self.embedding.weight *= config.embedding_std
        self.embedding.weight.requires_grad_(config.learned_embedding)
        self.head_bias = nn.Parameter(torch.empty(vocabulary))
        bound = 1 / math.sqrt(config.embedding)  # nn.Linear's default for its bias
        nn.init.uniform_(self.head_bias, -bound, bound)
        self.time = nn.Sequential(
            nn.Linear(config.time, 4 * config.time), nn.SiLU(), nn.Linear(4 * config.time, width)
        )
        self.position_embedding = nn.Embedding(config.positions, width)
        self.up = nn.Sequential(
            nn.Linear(config.embedding, width), nn.Tanh(), nn.Linear(width, width)
        )
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(net.dropout)
        self.encoder = BertEncoder(bert_config(net, config.positions))
        self.down = nn.Sequential(
            nn.Linear(width, width), nn.Tanh(), nn.Linear(width, config.embedding)
        )

    def forward(self, x: Tensor, model_time: Tensor) -> Tensor:
        """The raw prediction (x_0, eps or mu) for x (B, L, D) at times (B,); fp32, (B, L, D)."""
        dtype = self.norm.weight.dtype
        features = time_embedding(pad_rows(model_time), self.config.time)
        time = self.time(features.to(dtype))[: len(x)]
        hidden = self.up(x.to(dtype)) + self.position_embedding.weight[: x.shape[1]]
        hidden = self.dropout(self.norm(hidden + time[:, None, :]))
        hidden = self.encoder(hidden).last_hidden_state
        return self.down(hidden.to(dtype)).float()

    def x0(
        self,
        x_t: Tensor,
        index: Tensor,
        model_time: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tensor:
        """The x_0 estimate for x_t (B, L, D) whose noise is that of training steps ``index`` (B,).

        eps- and mu-predictions are converted here and nowhere else. ``model_time``: what the
        network is told, where it differs from the training step's own time. ``known`` (B, L): ids
        of words whose own embedding, without noise, is at a position, such as the contexts of an
        infilling, and -1 elsewhere; only :class:`models.diffusion_lm.word_denoiser.WordDenoiser`,
        which reads each latent by its noise, makes use of it.
        """
        schedule = self.schedule
        if model_time is None:
            model_time = self.times(index)
        out = self(x_t, model_time)
        if self.config.predict == "x0":
            return out
        if self.config.predict == "eps":
            return x0_from_eps(x_t, out, self._gather(schedule.alpha_bar, index))
        on_x0, on_xt = self.posterior(index)
        return x0_from_mu(x_t, out, on_x0, on_xt)

    def times(self, index: Tensor) -> Tensor:
        """What training tells the network of the noise of training steps ``index`` (B,)."""
        table = torch.as_tensor(self.schedule.model_time, dtype=torch.float32, device=index.device)
        return table[index]

    def _gather(self, values: object, index: Tensor) -> Tensor:
        table = torch.as_tensor(values, dtype=torch.float32, device=index.device)
        return table[index][:, None, None]

    def posterior(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """(on x_0, on x_t) of the posterior mean at training steps ``index``, (B, 1, 1) each."""
        rows = [
            posterior_coefficients(
                float(self.schedule.alpha_bar[i]), float(self.schedule.alpha_bar_prev[i])
            )
            for i in index.tolist()
        ]
        table = torch.tensor(rows, dtype=torch.float32, device=index.device)
        return table[:, 0, None, None], table[:, 1, None, None]

    def logits(self, x: Tensor) -> Tensor:
        """Rounding logits of latents (B, L, D): dot products with the embeddings plus a bias;
        (B, L, V), fp32."""
        table = self.embedding.weight.float()
        return nn.functional.linear(x.float(), table, self.head_bias.float())

    def nearest(self, x: Tensor) -> Tensor:
        """Each latent replaced by its nearest word embedding (L2), the clamping of section 4.2."""
        table = self.embedding.weight.float()
        # |x - e|^2 less |x|^2, which does not change the choice
        distance = torch.addmm(
            table.square().sum(1), x.reshape(-1, x.shape[-1]), table.t(), alpha=-2
        )
        return table[distance.argmin(-1)].view_as(x)


def initial_std(schedule: Schedule) -> float:
    """Standard deviation of q(x_0 | w): 0.121 for the sqrt schedule at T=2000 (section 2.4)."""
    return float(schedule.std[0])
