"""The variational bound in continuous time of a network that reads latents and writes words
(Kingma et al. 2021, equation 11; Gulrajani and Hashimoto 2023, equation 3).

Words have the very embeddings, without noise of x_0's own, so that -log p(w) is at most

- ``prior``: KL(q(x_T | w) || N(0, I)), in closed form;
- ``denoising``: half the sum over levels of the loss of signal-to-noise ratio times
  |e_w - x0_hat|^2, which is the integral of that where levels are many;
- ``rounding``: -log p(w | x_t) at the least noisy level.

Shapes: B batch, L length, D embedding dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.latents.likelihood import prior_term, step_weights
from models.diffusion.latents.network import Network

#: a training step rounds one text of so many: words that little noise hides need little teaching
ROUNDED = 8


def vdm_losses(
    network: Network, ids: Tensor, t: Tensor, noise: Tensor, previous: Tensor | None
) -> dict[str, Tensor]:
    """An unbiased estimate of the bound in nats a position, (B,) each, from one level ``t`` (B,) of
    each of the texts ``ids`` (B, L), drawn by the network's warp; and ``measured``, the denoising
    term of these levels alone, without gradient. ``noise`` (B, L, D): standard normal; ``previous``
    as of :class:`models.diffusion.latents.network.Noised`. Gradients reach the embeddings on both
    sides."""
    assert network.warp is not None
    mean, length = network.embedding(ids).float(), ids.shape[1]
    weights = torch.from_numpy(step_weights(network.schedule)).to(mean.device)[t]
    x_t = network.process.corrupt(mean, t, noise)
    error = (mean - words_mean(network, x_t, t, previous)).square().sum((1, 2))
    measured = weights.float() * error / length
    rows = slice(None, None, ROUNDED)
    zero = torch.zeros_like(t[rows])
    near = network.process.corrupt(mean[rows], zero, noise[rows])
    again = None if previous is None else torch.zeros_like(near)
    rounding = words_entropy(network, near, zero, ids[rows], again) / length
    prior = prior_term(mean, float(network.schedule.alpha_bar[-1])).float() / length
    return {
        "prior": prior,
        "denoising": measured / network.warp.chances()[t].float(),
        "rounding": rounding.mean().expand(len(ids)),
        "measured": measured.detach(),
    }


def words_mean(network: Network, x_t: Tensor, t: Tensor, previous: Tensor | None) -> Tensor:
    """The x_0 estimate of :meth:`Network.x0`, differentiable in the embeddings too."""
    logits = network.word_logits(x_t, t, network.times(t), previous)
    mean: Tensor = logits.softmax(-1) @ network.embedding.weight.float()
    return mean


def words_entropy(
    network: Network, x_t: Tensor, t: Tensor, ids: Tensor, previous: Tensor | None
) -> Tensor:
    """-log p(words | x_t), (B,), summed over positions."""
    logits = network.word_logits(x_t, t, network.times(t), previous)
    nll = F.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none")
    return nll.view(ids.shape).sum(1)
