"""Decoding options of a diffusion of latents, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from models.diffusion.config import (
    LARGEST_SIGMA,
    LINEAR_TOO_SHORT,
    MOST_STEPS,
    SamplingConfig,
    refuse_interval,
)
from models.diffusion.latents.config import DiffusionConfig
from models.nets.config import size
from tasks.common.errors import UserError
from tasks.common.ranges import Checked, ranged


@dataclass(frozen=True)
class InfillingConfig(Checked):
    """Sentence infilling with Diffusion-LM: contexts pinned, the middle sampled, no guidance.

    The defaults are the released code's (reference notes, section 2.10), but for ``unk``.
    """

    #: released: left context, slots, right context and nothing else, positions counted from 0;
    #: framed: the sequence that training has, START left middle right END PAD ..., all of it given
    #: but the middle, which then holds words alone
    layout: Literal["released", "framed"] = "released"
    #: fixed: ``slots`` tokens, of which PADs are dropped; variable: each sample draws its number
    #: from the middle sentences of the training stories
    middle: Literal["fixed", "variable"] = "fixed"
    #: tokens of a fixed middle
    slots: int = size(10)
    #: what contexts are overwritten with after each step: their clean embeddings, as released, or
    #: these under that step's noise
    context: Literal["clean", "noised"] = "clean"
    sampling: SamplingConfig = field(
        default_factory=lambda: SamplingConfig(sampler="ancestral", steps=2000)
    )
    #: temperature of p(word | context) where the network has one (``output=words``), as language
    #: models are sampled with; the latents' own evidence stays as it is
    word_temperature: float = ranged(1.0, least=1e-6, most=1e6)
    #: avoid: UNK is never generated; keep: it stays; repair: the masked language model
    #: ``repair_model`` replaces it
    unk: Literal["avoid", "keep", "repair"] = "avoid"
    #: hub id (bert-base-cased in the released code; name@revision pins it) or local folder
    repair_model: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sampling.settled:
            raise UserError("sampling.settled ends whole texts: a middle has its steps")
        if self.unk == "repair" and not self.repair_model:
            raise UserError("unk=repair needs repair_model, such as bert-base-cased")


def check_decoding(trained: DiffusionConfig, sampling: SamplingConfig, key: str) -> None:
    """Raises ``UserError`` for decoding steps that a network trained so has not; ``key``: of the
    section ``sampling``."""
    steps = sampling.steps
    if sampling.score_temperature != 1 and trained.output != "words":
        raise UserError(f"{key}.score_temperature needs a network with output=words")
    if sampling.settled and trained.plain_words:
        raise UserError(f"{key}.settled reads what estimates round to: not with reads=latents")
    if trained.warped or sampling.spacing == "log_snr":
        if steps > trained.steps:
            raise UserError(f"{key}.steps={steps}: there are {trained.steps} trained levels")
        return
    if trained.steps % steps:
        raise UserError(
            f"{key}.steps={steps}: {steps} decoding steps do not divide the {trained.steps} "
            "trained ones (diffusion.steps)"
        )
    linear = trained.schedule == "linear" and sampling.spacing == "recompute"
    if linear and steps != trained.steps and steps <= LINEAR_TOO_SHORT:
        raise UserError(
            f"{key}.steps={steps}: a linear schedule needs more than {LINEAR_TOO_SHORT}"
        )


@dataclass(frozen=True)
class ScoreGuidanceConfig(Checked):
    """Guidance of the score (Dhariwal and Nichol 2021, equation 10): the x_0 estimate moves by
    weight (1 - alpha_bar) / sqrt(alpha_bar) times the gradient of log p(control | x_t)."""

    #: classifier: p(control | x_t) of a classifier of noisy latents; own: what the network's own
    #: p(word | x_t) says of it, where the control is about words, and a classifier elsewhere
    by: Literal["classifier", "own"] = "own"
    weight: float = ranged(2.0, least=0, most=1e4)
    #: noise sigma (of embeddings, before all is scaled to unit variance) below which nothing guides
    until: float = ranged(0.0, least=0, most=LARGEST_SIGMA)
    #: noise sigma above which nothing guides yet
    since: float = ranged(LARGEST_SIGMA, least=0, most=LARGEST_SIGMA)
    #: guided steps to each that evaluates what guides; in those between, the gradient of its last
    #: evaluation is used again
    every: int = ranged(1, least=1, most=MOST_STEPS)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_interval(self.since, self.until)


@dataclass(frozen=True)
class LatentSettings:
    """Decoding options of the families that came after Diffusion-LM."""

    guidance: ScoreGuidanceConfig = field(default_factory=ScoreGuidanceConfig)
    sampling: SamplingConfig = field(default_factory=lambda: SamplingConfig(steps=100, clamp=False))
