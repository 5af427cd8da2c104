"""LangFlow (2026): CDCD's loss with what a latent says of its own word, and a Gumbel law of noise
levels.

Embeddings are as wide as the Transformer; their noise spans what the released model's does: its
ratio of signal to noise, over all coordinates, from 54.7 to 0.00038. The Gumbel law is fitted to
how much the measured cross-entropy grows from level to level: the released code has no training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from models.diffusion.config import LevelsConfig, SamplingConfig
from models.diffusion.latents.card import LatentCard, family
from models.diffusion.latents.decoding import LatentSettings
from models.diffusion.latents.method import LatentDiffusion
from models.diffusion.latents.role import successor


@dataclass(frozen=True)
class LangFlowSettings(LatentSettings):
    """Euler's method."""

    sampling: SamplingConfig = field(
        default_factory=lambda: SamplingConfig(sampler="euler", steps=200, clamp=False)
    )


CARD = LatentCard(
    "langflow",
    "models.langflow:LangFlow",
    label="LangFlow",
    paper="LangFlow (2026, arXiv 2604.11748)",
    order=164,
    Settings=LangFlowSettings,
    brings=family(
        "langflow_network",
        title="LangFlow",
        steps=200,
        preset=successor(
            embedding=256,
            normalised=True,
            levels=LevelsConfig(kind="warped", sigma_min=2.163, sigma_max=820.7, warp="gumbel"),
            objective="words",
            output="words",
            reads="latents",
            self_conditioning=0.5,
        ),
    ),
    network="langflow_network",
)


class LangFlow(LatentDiffusion):
    card: ClassVar[LatentCard] = CARD
