"""Difformer (Gao et al. 2022, Empowering Diffusion Models on the Embedding Space for Text
Generation): what the paper adds to Diffusion-LM.

The words' cross-entropy under the rounding of the network's own estimate (anchor loss) keeps
embeddings from collapsing, noise is four times as loud (at unit variance, which leaves the
signal-to-noise ratio what it is), and half of the texts are read twice (self-conditioning).
Decoding takes 20 steps without clamping. Not taken over: layer normalisation of embeddings, which
the released scripts do not switch on; less noise in decoding than in training; reranking of several
lengths by another model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from models.diffusion.config import SamplingConfig
from models.diffusion.latents.card import LatentCard, family
from models.diffusion.latents.decoding import LatentSettings
from models.diffusion.latents.method import LatentDiffusion
from models.diffusion.latents.role import successor


@dataclass(frozen=True)
class DifformerSettings(LatentSettings):
    """20 of 2,000 steps, as released."""

    sampling: SamplingConfig = field(
        default_factory=lambda: SamplingConfig(
            sampler="ancestral", steps=20, spacing="respaced", clamp=False
        )
    )


CARD = LatentCard(
    "difformer",
    "models.difformer:Difformer",
    label="Difformer",
    paper="Gao et al. 2022, Empowering Diffusion Models on the Embedding Space for Text Generation",
    order=162,
    Settings=DifformerSettings,
    brings=family(
        "difformer_network",
        title="Difformer",
        steps=20,
        preset=successor(
            embedding=128,
            noise_factor=4.0,
            objective="anchor",
            self_conditioning=0.5,
        ),
    ),
    network="difformer_network",
)


class Difformer(LatentDiffusion):
    card: ClassVar[LatentCard] = CARD
