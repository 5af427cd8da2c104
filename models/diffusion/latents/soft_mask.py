"""Soft masks (Gong et al. 2023, DiffuSeq-v2): noised positions that hold no latent at all.

The paper's noise lies around a learned vector m, which absorbed positions hold:
x_t = sqrt(a) (x_0 - m) + sqrt(1 - a) noise + m. In latents x - m that is the ordinary noise of
embeddings e - m, and nothing, 0, where absorbed; as embeddings are learned, so are these.

Shapes: B batch, L length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from models.diffusion.latents.training import DiffusionObjective


class SoftMasked(DiffusionObjective):
    """The objective of Diffusion-LM, where at training step t a share ``config.absorb`` times
    sqrt(1 - alpha_bar_t) of the noised positions is absorbed."""

    def told(self, rows: Tensor, rng: torch.Generator | None, held: bool = False) -> list[Tensor]:
        """Uniforms (B, L)."""
        return [torch.rand(len(rows), self.train_ids.shape[1], generator=rng)]

    def named(self, told: Sequence[Tensor], t: Tensor) -> dict[str, Tensor]:
        config: Any = self.module.config
        chance = config.absorb * (1 - self.module.signal(t)).sqrt()
        return {"absorbed": told[0] < chance[..., 0]}
