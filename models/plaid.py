"""PLAID (Gulrajani and Hashimoto 2023, Likelihood-Based Diffusion Language Models): trained on its
variational bound in continuous time.

Embeddings of 16 coordinates; what a latent says of its own word is added to the network's logits
(output prior), its weight rising in the first steps; noise levels are drawn so that the estimate of
the bound varies least; a quarter of the texts is read twice. ``eval.likelihood`` measures that
bound. The paper's gamma from -3 to 6 and
embeddings of norm 1 are sigma from 0.89 to 80 here, where they have norm 4; it descends the
variance by gradients and learns gamma's ends, both of which are measured and fixed here.
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
class PLAIDSettings(LatentSettings):
    """Ancestral steps; the paper takes 4,096."""

    sampling: SamplingConfig = field(
        default_factory=lambda: SamplingConfig(sampler="ancestral", steps=200, clamp=False)
    )


CARD = LatentCard(
    "plaid",
    "models.plaid:PLAID",
    label="PLAID",
    paper="Gulrajani and Hashimoto 2023, Likelihood-Based Diffusion Language Models",
    order=163,
    Settings=PLAIDSettings,
    brings=family(
        "plaid_network",
        title="PLAID",
        steps=200,
        bound="models.diffusion.latents.vdm_bound:bound_terms",
        preset=successor(
            embedding=16,
            normalised=True,
            levels=LevelsConfig(kind="warped", sigma_min=0.8925, sigma_max=80.34, warp="variance"),
            objective="bound",
            output="words",
            reads="latents",
            evidence_warmup=500,
            self_conditioning=0.25,
        ),
    ),
    network="plaid_network",
)


class PLAID(LatentDiffusion):
    card: ClassVar[LatentCard] = CARD
