"""How a network that was trained on the bound of :mod:`models.diffusion.latents.vdm` is measured by
it.

Shapes: B batch, L length.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.base import Role
from models.diffusion.latents.likelihood import choose_steps, prior_term, step_weights
from models.diffusion.latents.network import Network
from models.diffusion.latents.training import load_diffusion
from models.diffusion.latents.vdm import words_entropy, words_mean
from models.nets.sequences import encode
from tasks.base import Words
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent

#: texts that are measured at once
MEASURED = 32


def vdm_terms(
    network: Network, ids: Tensor, count: int, rng: np.random.Generator, noise: torch.Generator
) -> dict[str, Tensor]:
    """The terms of the bound on each text of ``ids`` (B, L), float64 (B,), in nats, at the levels
    that there are: an upper bound on -log p(ids) of the chain that decodes through all of them.

    ``count`` levels of each text are evaluated, chosen by ``rng``, for an unbiased estimate of the
    sum over all; ``noise`` draws every latent. A network with self-conditioning is told its own
    first estimate of the same latents."""
    schedule, mean = network.schedule, network.embedding(ids).float()
    weights, again = step_weights(schedule), network.config.self_conditioning > 0
    denoising = torch.zeros(len(ids), dtype=torch.float64, device=mean.device)

    def noised(level: Tensor) -> Tensor:
        drawn = torch.randn(mean.shape, generator=noise).to(mean.device)
        return network.process.corrupt(mean, level, drawn)

    chosen = choose_steps(weights, count, len(ids), rng)
    for levels, shares in zip(chosen.levels, chosen.shares, strict=True):
        t = torch.from_numpy(levels).to(mean.device)
        x_t = noised(t)
        previous = words_mean(network, x_t, t, None) if again else None
        error = (mean - words_mean(network, x_t, t, previous)).double().square().sum((1, 2))
        denoising += torch.from_numpy(shares * weights[levels]).to(mean.device) * error
    zero = torch.zeros(len(ids), dtype=torch.long, device=mean.device)
    return {
        "prior": prior_term(mean, float(schedule.alpha_bar[-1])),
        "denoising": denoising,
        "rounding": words_entropy(network, noised(zero), zero, ids, None).double(),
    }


def bound_terms(
    role: Role,
    folder: Path,
    texts: Sequence[Words],
    draws: int,
    seed: int,
    device: torch.device,
    *,
    progress: Progress = silent,
) -> tuple[dict[str, Tensor], Sequence[Words]]:
    """As :attr:`models.base.Role.bound` says; ``draws``: levels of each text. PAD, which follows
    from the words, is part of the sequences. Raises ``UserError`` where no text fits."""
    network, vocabulary = load_diffusion(folder, device)
    length = network.config.length
    fits = [words for words in texts if len(words) + 2 <= length]
    if not fits:
        raise UserError(f"no text of 1 to {length - 2} words")
    ids = encode(fits, vocabulary, length, "pad")
    rng, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    found: list[dict[str, Tensor]] = []
    with torch.inference_mode():
        for part in ids.split(MEASURED):
            found.append(vdm_terms(network, part.to(device), draws, rng, noise))
            progress(min(len(found) * MEASURED, len(ids)), len(ids), "texts")
    return {name: torch.cat([one[name].cpu() for one in found]) for name in found[0]}, fits
