"""A Transformer that reads latents and writes words (score interpolation as Dieleman et al. 2022
have it, and with what the latents say of themselves as Gulrajani and Hashimoto 2023 do).

Shapes: B batch, L length, D embedding dimension, W width of the Transformer, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.network import Network, Noised, two_layers
from models.diffusion.rounding import rounding_nll
from models.diffusion.word_mixture import mixture
from models.nets.precision import by_token
from tasks.vocabulary import Vocabulary


class WordHead(Network):
    """``output="words"``, ``reads="latents"``: the estimate of x_0 is the mean of the word
    embeddings under

        p(w | x_t)  ~  exp(h . f_w + b_w + r sqrt(alpha_bar) / (1 - alpha_bar) x_t . e_w),

    where h is what the network says of a position from all latents, f and b are an output layer
    (b starts as the words' log-frequencies), and the last term, without which ``evidence=false``
    does, is log N(x_t; sqrt(alpha_bar) e_w, (1 - alpha_bar) I), up to what is the same for all
    embeddings of one norm. Its weight r rises to 1 over ``evidence_warmup`` steps of training.
    """

    def __init__(self, config: DiffusionConfig, vocabulary: int) -> None:
        super().__init__(config, vocabulary)
        self.words = nn.Linear(config.network.width, vocabulary)
        #: divides all logits in decoding but the evidence
        self.temperature = 1.0
        self.evidence_weight = self.evidence_after(config.train.steps)
        # a latent is rounded to the nearest embedding
        self.head_bias.requires_grad_(False).zero_()

    def make_up(self) -> nn.Module:
        width = self.config.network.width
        return two_layers(self.config.embedding, width, width)

    def make_down(self) -> nn.Module:
        width = self.config.network.width
        return nn.Sequential(nn.Linear(width, width), nn.Tanh())

    def sharpen(self, temperature: float) -> None:
        self.temperature = temperature

    def evidence_after(self, steps: int) -> float:
        """The weight r in the training step after ``steps`` of them."""
        if not self.config.evidence:
            return 0.0
        return min(1.0, steps / max(1, self.config.evidence_warmup))

    def prepare(self, ids: Tensor, vocabulary: Vocabulary) -> None:
        """From the words' log-frequencies in ``ids``."""
        counts = torch.bincount(ids.flatten(), minlength=len(vocabulary))
        with torch.no_grad():
            self.words.bias.copy_(((counts + 1) / counts.sum()).log())

    def logits(self, x: Tensor) -> Tensor:
        table = self.embedding.weight.float()
        return F.linear(x.float(), table, -table.square().sum(1) / 2)

    def terms(self, noised: Noised) -> dict[str, Tensor]:
        """``words``, the cross-entropy of the words given x_t."""
        rows, table, bias = self._scores(noised.x_t, noised.t, None, noised.previous, noised.known)
        nll = rounding_nll(rows, table, bias, noised.ids)
        return {"words": noised.average(nll)}

    def x0(
        self,
        x_t: Tensor,
        index: Tensor,
        model_time: Tensor | None = None,
        known: Tensor | None = None,
        previous: Tensor | None = None,
    ) -> Tensor:
        rows, table, bias = self._scores(x_t, index, model_time, previous, known)
        shrink, norms = rows.new_zeros(rows.shape[:2]), rows.new_zeros(len(bias))
        return mixture(rows, shrink, table, norms, bias, self.embedding.weight)

    def said(
        self,
        x_t: Tensor,
        index: Tensor,
        model_time: Tensor,
        previous: Tensor | None = None,
        known: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        rows, table, bias = self._scores(x_t, index, model_time, previous, known)
        said = by_token(lambda one: F.linear(one.to(table.dtype), table), rows).float()
        logits = said + bias.float()
        return self.mean(logits), logits

    def read(
        self, x_t: Tensor, model_time: Tensor, previous: Tensor | None, known: Tensor | None
    ) -> Tensor:
        """h, (B, L, W), of latents x_t at times (B,); this network makes no use of ``known``."""
        hidden: Tensor = self(x_t, model_time, previous)
        return hidden

    def _scores(
        self,
        x_t: Tensor,
        index: Tensor,
        model_time: Tensor | None,
        previous: Tensor | None,
        known: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows (B, L, K), a table (V, K) and a bias (V,) whose products are the logits."""
        time = self.times(index) if model_time is None else model_time
        rows = self.read(x_t, time, previous, known)
        table: Tensor = self.words.weight
        bias: Tensor = self.words.bias
        if not self.training:
            rows, bias = rows / self.temperature, bias / self.temperature
        if self.evidence_weight:
            alpha_bar = self.signal(index)
            odds = self.evidence_weight * alpha_bar.sqrt() / (1 - alpha_bar)
            rows = torch.cat([odds * x_t.float(), rows], -1)
            table = torch.cat([self.embedding.weight, table], 1)
        return rows, table, bias
