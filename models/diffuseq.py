"""DiffuSeq (Gong et al. 2023, Sequence to Sequence Text Generation with Diffusion Models): a middle
is noised and its contexts are not, in training as in decoding (partial noising).

Of the second version (Gong et al. 2023, DiffuSeq-v2) the soft mask: a share of the noised positions
holds no latent at all (``absorb``; 0 is the first version). Decoding overwrites contexts with their
own embeddings after each step, clamps, and answers with the sample of least Bayes risk. Losses are
means over the noised positions, as the paper has them; the released code counts contexts and
padding too, and draws training steps by their losses. A middle's number of words is drawn from the
training stories rather than written as padding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from models.diffusion.config import SamplingConfig
from models.diffusion.latents.card import FillingCard
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.decoding import InfillingConfig
from models.diffusion.latents.method import Filling
from models.diffusion.latents.role import latent_role, successor
from tasks.common.ranges import share


@dataclass(frozen=True)
class DiffuSeqConfig(DiffusionConfig):
    """Diffusion-LM's network, of windows whose contexts have no noise."""

    #: largest share of the noised positions that hold nothing: at noise of standard deviation s,
    #: s times as many
    absorb: float = share(0.0)


@dataclass(frozen=True)
class DiffuSeqSettings(InfillingConfig):
    """200 of 2,000 steps; the paper takes all of them."""

    layout: Literal["released", "framed"] = "framed"
    middle: Literal["fixed", "variable"] = "variable"
    sampling: SamplingConfig = field(
        default_factory=lambda: SamplingConfig(sampler="ancestral", steps=200, spacing="respaced")
    )


def by_preset(preset: str, run: Any) -> DiffusionConfig:
    """Nothing is noised but middles, where texts are windows of stories; ``absorb`` as released."""
    windows = run.window == 3
    fixed = successor(
        DiffuSeqConfig, embedding=128, clean_contexts=1.0 if windows else 0.0, absorb=0.2
    )
    return fixed(preset, run)


NETWORK = "diffuseq_network"
CARD = FillingCard(
    "diffuseq",
    "models.diffuseq:DiffuSeq",
    label="DiffuSeq",
    paper="Gong et al. 2023, DiffuSeq",
    order=166,
    Settings=DiffuSeqSettings,
    brings=(
        latent_role(
            NETWORK,
            title="DiffuSeq",
            preset=by_preset,
            Config=DiffuSeqConfig,
            objective="models.diffusion.latents.soft_mask:SoftMasked",
            windows=False,
        ),
    ),
    network=NETWORK,
)


class DiffuSeq(Filling):
    card: ClassVar[FillingCard] = CARD
