"""The denoising Transformer of the paper, which reads and writes latents (reference notes, section
2.2), and the choice of a network by its config.

Shapes: B batch, L length, D embedding dimension, V vocabulary.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.diffusion.estimate import PREDICTIONS, Prediction
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.network import Network, Noised, two_layers
from models.diffusion.latents.score_interpolation import ScoreInterpolation
from models.diffusion.latents.word_head import WordHead
from models.diffusion.rounding import rounding_nll


class Denoiser(Network):
    """f(x_t, t), a prediction of x_0, eps or mu (``config.predict``), with the rounding head whose
    weight is tied to the embeddings."""

    def __init__(self, config: DiffusionConfig, vocabulary: int) -> None:
        super().__init__(config, vocabulary)
        self.prediction: Prediction = PREDICTIONS[config.predict](self.schedule)

    def make_up(self) -> nn.Module:
        width = self.config.network.width
        return two_layers(self.config.embedding, width, width)

    def make_down(self) -> nn.Module:
        width = self.config.network.width
        return two_layers(width, width, self.config.embedding)

    def x0(
        self,
        x_t: Tensor,
        index: Tensor,
        model_time: Tensor | None = None,
        known: Tensor | None = None,
        previous: Tensor | None = None,
    ) -> Tensor:
        if model_time is None:
            model_time = self.times(index)
        return self.prediction.x0(self(x_t, model_time, previous), x_t, index)

    def terms(self, noised: Noised) -> dict[str, Tensor]:
        """``mse`` of the prediction, and under objective=anchor the cross-entropy of the words
        that the prediction is rounded to."""
        x_t, t = noised.x_t, noised.t
        out = x0_hat = self(x_t, self.times(t), noised.previous)
        if not self.prediction.direct and bool((t == 0).any()):
            x0_hat = self.x0(x_t, t, previous=noised.previous)
        goal = self.prediction.goal(noised.x0, x_t, t, noised.noise)
        terms = {"mse": noised.squared_error(goal, out, x0_hat)}
        if self.config.objective == "anchor":
            read = out * self.reading
            nll = rounding_nll(read, self.embedding.weight, self.head_bias, noised.ids)
            terms["anchor"] = noised.average(nll)
        return terms


def make_denoiser(config: DiffusionConfig, vocabulary: int) -> Network:
    """A fresh network of that config."""
    if config.plain_words:
        return WordHead(config, vocabulary)
    kind = ScoreInterpolation if config.output == "words" else Denoiser
    return kind(config, vocabulary)
