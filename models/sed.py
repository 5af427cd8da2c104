"""SED (Strudel et al. 2022, Self-conditioned Embedding Diffusion for Text Generation): the
embeddings of words are those of a language model that was trained before, and stay.

They are scaled to one norm and never learned with the diffusion; the network descends the squared
error of x_0 and the cross-entropy of the words that are read off its estimate, and half of the
texts are read twice (self-conditioning). Of windows of stories, half have clean contexts, so that
the network fills in as well (span masking). The paper takes the table of a masked language model,
which is this project's causal one here; words are read off by the embeddings themselves and a bias.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from models.base import CONTROL, INFILLING
from models.diffusion.config import SamplingConfig
from models.diffusion.latents.card import LatentCard, family
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.decoding import LatentSettings
from models.diffusion.latents.method import LatentDiffusion
from models.diffusion.latents.role import successor


@dataclass(frozen=True)
class SEDSettings(LatentSettings):
    """Ancestral steps."""

    sampling: SamplingConfig = field(
        default_factory=lambda: SamplingConfig(sampler="ancestral", steps=200, clamp=False)
    )


def by_preset(preset: str, run: Any) -> DiffusionConfig:
    """As wide as the run's language model."""
    fixed = successor(
        embedding=run.lm.width,
        learned_embedding=False,
        normalised=True,
        schedule="cosine",
        objective="anchor",
        self_conditioning=0.5,
        clean_contexts=0.5 if run.window == 3 else 0.0,
    )
    return fixed(preset, run)


CARD = LatentCard(
    "sed",
    "models.sed:SED",
    label="SED",
    paper="Strudel et al. 2022, Self-conditioned Embedding Diffusion for Text Generation",
    order=165,
    Settings=SEDSettings,
    brings=family(
        "sed_network", title="SED", steps=200, preset=by_preset, words="lm", windows=False
    ),
    tables=frozenset({CONTROL, INFILLING}),
    network="sed_network",
)


class SED(LatentDiffusion):
    card: ClassVar[LatentCard] = CARD
