"""CDCD (Dieleman et al. 2022, Continuous diffusion for categorical data): score interpolation.

Word embeddings of one norm are learned together with p(word | x_t) from its cross-entropy alone;
the score is that of the mean embedding. Noise levels are drawn so that the cross-entropy is linear
in time, and decoding follows the probability-flow ODE in equal steps of that time. Embeddings have
256 coordinates and sigma runs from 1 to 300, as in the paper; the Transformer is as large as this
project's others.
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
class CDCDSettings(LatentSettings):
    """200 steps of Euler's method (section 6.1)."""

    sampling: SamplingConfig = field(
        default_factory=lambda: SamplingConfig(sampler="euler", steps=200, clamp=False)
    )


CARD = LatentCard(
    "cdcd",
    "models.cdcd:CDCD",
    label="CDCD",
    paper="Dieleman et al. 2022, Continuous Diffusion for Categorical Data",
    order=161,
    Settings=CDCDSettings,
    brings=family(
        "cdcd_network",
        title="CDCD",
        steps=200,
        preset=successor(
            embedding=256,
            normalised=True,
            levels=LevelsConfig(kind="warped", sigma_min=1.0, sigma_max=300.0),
            objective="words",
            output="words",
            reads="latents",
            evidence=False,
            self_conditioning=0.5,
        ),
    ),
    network="cdcd_network",
)


class CDCD(LatentDiffusion):
    card: ClassVar[LatentCard] = CARD
