"""Score interpolation in a narrow space: what of the later families' recipes taught a small network
most in the same time.

As in CDCD, embeddings of one norm are learned from the words' cross-entropy alone and noise levels
follow how much it grows. Embeddings have 16 coordinates: where words are hard to tell apart by
themselves, the network has to ask their context. Decoding is ancestral. ``narrow`` is guided by
classifiers of its noisy latents, ``own_words`` by its own p(word | x_t), for which nothing is
trained on the control, and ``narrow_cfg`` by networks that read the control as a prompt, each
trained on from it (classifier-free guidance).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from models.diffusion.config import LevelsConfig
from models.diffusion.latents.card import LatentCard, PromptedCard, family
from models.diffusion.latents.decoding import LatentSettings, ScoreGuidanceConfig
from models.diffusion.latents.method import LatentDiffusion, PromptedLatents
from models.diffusion.latents.prompting import PromptedLatentSettings, prompted_role
from models.diffusion.latents.role import successor

NETWORK = "narrow_network"
ROLES = family(
    NETWORK,
    title="narrow score interpolation",
    preset=successor(
        embedding=16,
        normalised=True,
        levels=LevelsConfig(kind="warped"),
        objective="words",
        output="words",
        reads="latents",
        evidence=False,
    ),
)


@dataclass(frozen=True)
class NarrowSettings(LatentSettings):
    """Guided by classifiers."""

    guidance: ScoreGuidanceConfig = field(
        default_factory=lambda: ScoreGuidanceConfig(by="classifier")
    )


CARD = LatentCard(
    "narrow",
    "models.narrow:Narrow",
    label="Narrow",
    paper="Dieleman et al. 2022, Continuous Diffusion for Categorical Data, in a narrow space",
    order=160,
    Settings=NarrowSettings,
    brings=ROLES,
    knows_rule=False,
    network=NETWORK,
)
OWN_WORDS = LatentCard(
    "own_words",
    "models.narrow:OwnWords",
    label="Narrow, own words",
    paper="Gulrajani and Hashimoto 2023, section 5",
    order=160,
    brings=ROLES,
    network=NETWORK,
    own=True,
)
PROMPTED = "narrow_prompted"
CFG = PromptedCard(
    "narrow_cfg",
    "models.narrow:NarrowCFG",
    label="Narrow, CFG",
    paper="Ho and Salimans 2022, Classifier-Free Diffusion Guidance",
    order=160,
    Settings=PromptedLatentSettings,
    brings=(
        *ROLES,
        prompted_role(PROMPTED, NETWORK, title="narrow score interpolation behind prompts"),
    ),
    network=NETWORK,
    prompted=PROMPTED,
)
CARDS = (CARD, OWN_WORDS, CFG)


class Narrow(LatentDiffusion):
    card: ClassVar[LatentCard] = CARD


class OwnWords(LatentDiffusion):
    card: ClassVar[LatentCard] = OWN_WORDS


class NarrowCFG(PromptedLatents):
    card: ClassVar[PromptedCard] = CFG
