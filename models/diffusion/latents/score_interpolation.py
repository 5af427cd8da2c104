"""Score interpolation (Dieleman et al. 2022): a Transformer that reads and writes words, as a
language model does, and leaves their Gaussian noise to Bayes' rule. Not in the paper, whose network
reads and writes latents (:mod:`models.diffusion.latents.denoiser`) and needs far longer training to
learn what a context says.

Shapes: B batch, L length, D embedding dimension, W width of the Transformer, V vocabulary.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.network import Network, Noised, two_layers
from models.diffusion.rounding import rounding_nll
from models.diffusion.word_mixture import mixture
from models.nets.bert import start_from_bert
from tasks.vocabulary import Vocabulary


class ScoreInterpolation(Network):
    """``output="words"``: the estimate of x_0 is the mean of the word embeddings under
    p(w | x_t, context), which is proportional to

        N(x_t; sqrt(alpha_bar) e_w, v) exp(h . f_w + b_w),  v = 1 - alpha_bar (1 - std_0^2),

    the noise of x_0 included. f_w is a second table, as wide as the Transformer, that it reads
    words by, and h what it says of a position: of a noised position it reads the mean of f_w under
    the same distribution with h = 0, which is exact for words that come independently of each
    other, and of a position whose word is known that word's f_w. b starts as the words'
    log-frequencies. Diffusion and the sampler are those of the latents' network; so is the loss,
    with one more term, -log p(w | x_t, context) (the anchor loss of Gao et al. 2022, the score
    interpolation of Dieleman et al. 2022), whose gradient reaches the Transformer, f and b, and the
    embeddings e through x_t alone: from the squared error, all that is learned of the context comes
    slowly.
    """

    reads_known: ClassVar[bool] = True

    def __init__(self, config: DiffusionConfig, vocabulary: int) -> None:
        super().__init__(config, vocabulary)
        width = config.network.width
        self.words = nn.Embedding(vocabulary, width)
        self.prior = nn.Parameter(torch.zeros(vocabulary))
        #: divides h . f_w + b_w in decoding
        self.temperature = 1.0
        with torch.no_grad():
            # words, positions and times start at one scale
            self.words.weight *= width**-0.5
            self.position_embedding.weight *= width**-0.5

    # One seed starts the Transformer from the same weights as the latents' network, so that the two
    # can be compared in pairs: the random numbers of that network's ends are drawn here too.

    def make_up(self) -> nn.Module:
        width = self.config.network.width
        two_layers(self.config.embedding, width, width)
        return nn.Identity()  # reads the words as they are

    def make_down(self) -> nn.Module:
        width = self.config.network.width
        two_layers(width, width, self.config.embedding)
        return two_layers(width, width, width)

    def sharpen(self, temperature: float) -> None:
        self.temperature = temperature

    def prepare(self, ids: Tensor, vocabulary: Vocabulary) -> None:
        """From a BERT, where the config names one, and the words' log-frequencies in ``ids``."""
        if self.config.init_pretrained:
            name, network = self.config.init_pretrained, self.config.network
            start_from_bert(self, self.words, name, vocabulary, config=network)
        counts = torch.bincount(ids.flatten(), minlength=len(vocabulary))
        with torch.no_grad():
            self.prior.copy_(((counts + 1) / counts.sum()).log())

    def terms(self, noised: Noised) -> dict[str, Tensor]:
        """``anchor``, the cross-entropy of the words given x_t and the context, and ``mse`` of the
        estimate, from which frozen embeddings would have nothing to learn, unless
        objective=words."""
        x_t, t, known = noised.x_t, noised.t, noised.known
        nll, hidden = self.nll(x_t, t, noised.ids, known, noised.previous)
        terms = {"anchor": noised.average(nll)}
        if self.config.learned_embedding and self.config.objective == "simple":
            x0_hat = self.estimate(hidden, x_t, t, known)
            terms["mse"] = noised.squared_error(noised.x0, x0_hat, x0_hat)
        return terms

    def x0(
        self,
        x_t: Tensor,
        index: Tensor,
        model_time: Tensor | None = None,
        known: Tensor | None = None,
        previous: Tensor | None = None,
    ) -> Tensor:
        """As :meth:`Network.x0`; a known position's estimate is its latent itself."""
        hidden = self._said(x_t, index, model_time, known, previous)
        return self.estimate(hidden, x_t, index, known)

    def said(
        self,
        x_t: Tensor,
        index: Tensor,
        model_time: Tensor,
        previous: Tensor | None = None,
        known: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        hidden = self._said(x_t, index, model_time, known, previous)
        query, shrink = self._evidence(x_t, index)
        said = F.linear(hidden, self.words.weight.float(), self.prior.float()) / self.temperature
        latents = F.linear(query, self.embedding.weight.float())
        logits = said + latents - shrink[..., None] * self._norms()
        return self.mean(logits), logits

    def nll(
        self,
        x_t: Tensor,
        index: Tensor,
        ids: Tensor,
        known: Tensor | None = None,
        previous: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """-log p(w | x_t, context) of the words ``ids`` (B, L), 0 where known, and h, for
        :meth:`estimate`."""
        hidden = self._said(x_t, index, None, known, previous)
        free = self._free(x_t, known)
        query, shrink = self._evidence(x_t, index)
        table = self.embedding.weight.detach()
        rows = torch.cat([query, -shrink[..., None], hidden], -1).flatten(0, 1)[free]
        words = torch.cat([table, self._norms()[:, None], self.words.weight], 1)
        nll = rounding_nll(rows, words, self.prior, ids.flatten()[free])
        spread = torch.zeros(ids.numel(), device=x_t.device).index_copy(0, free, nll)
        return spread.view_as(ids), hidden

    def _said(
        self,
        x_t: Tensor,
        index: Tensor,
        model_time: Tensor | None,
        known: Tensor | None,
        previous: Tensor | None = None,
    ) -> Tensor:
        """h, (B, L, W), fp32."""
        if model_time is None:
            model_time = self.times(index)
        query, shrink = self._evidence(x_t, index)
        free = self._free(x_t, known)
        # no gradient in training, where it would cost as much as the Transformer; guidance needs it
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.training):
            alone = mixture(
                query.flatten(0, 1)[free],
                shrink.flatten()[free],
                self.embedding.weight,
                self._norms(),
                self.prior,
                self.words.weight,
            )
        if known is None:
            read = alone.view(*x_t.shape[:2], -1)
        else:
            read = self.words(known.clamp(min=0)).float()
            read = read.flatten(0, 1).index_copy(0, free, alone).view_as(read)
        hidden: Tensor = self(read, model_time, previous)
        return hidden

    def estimate(self, hidden: Tensor, x_t: Tensor, index: Tensor, known: Tensor | None) -> Tensor:
        """The x_0 estimate where the network says ``hidden`` (B, L, W)."""
        query, shrink = self._evidence(x_t, index)
        free = self._free(x_t, known)
        x0_hat = mixture(
            torch.cat([query, hidden / self.temperature], -1).flatten(0, 1)[free],
            shrink.flatten()[free],
            torch.cat([self.embedding.weight, self.words.weight], 1),
            self._norms(),
            self.prior / self.temperature,
            self.embedding.weight,
        )
        return x_t.float().flatten(0, 1).index_copy(0, free, x0_hat).view_as(x_t)

    def _evidence(self, x_t: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L, D), (B, L): log N(x_t; sqrt(alpha_bar) e, v) = query . e - shrink |e|^2 + ..."""
        alpha_bar = self.signal(index)
        variance = 1 - alpha_bar * (1 - self.start_std**2)
        query = alpha_bar.sqrt() / variance * x_t.float()
        return query, (alpha_bar / (2 * variance)).expand((*query.shape[:2], 1))[..., 0]

    def _norms(self) -> Tensor:
        """|e|^2 of every word, (V,), a constant."""
        return self.embedding.weight.detach().float().square().sum(1)

    @staticmethod
    def _free(x_t: Tensor, known: Tensor | None) -> Tensor:
        """The rows of (B * L) whose word is not known."""
        if known is None:
            return torch.arange(x_t.shape[0] * x_t.shape[1], device=x_t.device)
        return (known < 0).flatten().nonzero()[:, 0]
