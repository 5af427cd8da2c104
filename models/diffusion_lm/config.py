"""Decoding options of Diffusion-LM, and the published constants of its guidance."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from models.diffusion.classifiers.kinds import control_kinds
from models.diffusion.config import GuidanceConfig, SamplingConfig
from models.diffusion.latents.decoding import InfillingConfig
from tasks.common.errors import UserError

#: learning rate and lambda of each kind of control in the released code (reference notes, section
#: 2.6)
RELEASED = {
    "field_value": (0.1, 0.01),
    "tag_sequence": (0.1, 0.0001),
    "parse_tree": (0.1, 0.0005),
    "span": (0.1, 0.1),
    "length": (0.1, 0.01),
}


#: learning rate and lambda of each kind of control in the paper's Table 6
TABLE6 = {
    "field_value": (0.1, 0.01),
    "tag_sequence": (0.05, 0.0005),
    "parse_tree": (0.2, 0.0005),
    "span": (0.15, 0.1),
    "length": (0.1, 0.01),
}


#: fields of ``guidance`` that no profile sets: what is read, and what evaluations are spared
ALWAYS = ("through", "since", "until", "every", "merge", "stretch")


@dataclass(frozen=True)
class DiffusionLMSettings:
    """Decoding options of Diffusion-LM."""

    #: released: the reference code's constants and quirks; paper: Table 6 and the paper's text;
    #: custom: the fields of ``guidance`` as they stand
    profile: Literal["released", "paper", "custom"] = "released"
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    #: read by the task infilling alone, which reads nothing else; None as stored with other tasks
    infilling: InfillingConfig | None = field(default_factory=InfillingConfig)


@dataclass(frozen=True)
class UnconditionalSettings:
    """Decoding options of unconditional samples (the floor of every task)."""

    sampling: SamplingConfig = field(default_factory=SamplingConfig)


def guidance_for(settings: DiffusionLMSettings, task: str) -> GuidanceConfig:
    """The guidance constants of one task, or of a composition, under the chosen profile.

    A composition adds up its parts' log-probabilities and descends that sum with one fluency term
    (paper, section 7.2); its own constants are published nowhere, and the released code has none
    that run. It gets the smallest lambda and the smallest learning rate of its parts: under a
    larger lambda than a part was tuned with, the fluency term would drown that part's gradient
    (a mean over some 2,000 chart cells moves a coordinate far less than one over four words), and
    a larger learning rate was tuned for one control at a time. What is no constant
    (:data:`ALWAYS`) holds under every profile. Raises ``UserError`` for a task without constants.
    """
    if settings.profile == "custom":
        return settings.guidance
    always = {name: getattr(settings.guidance, name) for name in ALWAYS}
    table = RELEASED if settings.profile == "released" else TABLE6
    kinds = control_kinds(task)
    for part, kind in kinds.items():
        if kind not in table:
            raise UserError(f"profile '{settings.profile}' has no guidance constants for {part}")
    lr, fluency = map(min, zip(*(table[kind] for kind in kinds.values()), strict=True))
    if settings.profile == "released":
        return replace(GuidanceConfig(lr=lr, fluency=fluency), **always)
    made = GuidanceConfig(
        lr=lr,
        fluency=fluency,
        reset="step",
        denominator="variance",
        unguided=0,
        length_time="t-1",
    )
    return replace(made, **always)


#: decoding steps behind the published ``unguided``
PUBLISHED_STEPS = 200
#: how many times fewer steps, and how many updates are one, where decoding is to be fast
FEWER, MERGED = 4, 3


def fast(settings: DiffusionLMSettings) -> DiffusionLMSettings:
    """The same with a quarter of the steps and one update for the published three: of 200 steps,
    98 evaluations in place of 770. Of what else spares evaluations (``dpmpp_2m``, ``log_snr``,
    ``every``, ``since``, ``settled``) nothing is used before it is measured."""
    sampling = replace(settings.sampling, steps=max(1, settings.sampling.steps // FEWER))
    return replace(settings, guidance=replace(settings.guidance, merge=MERGED), sampling=sampling)


def fast_guidance(settings: DiffusionLMSettings, task: str) -> GuidanceConfig:
    """:func:`guidance_for` in other numbers of steps than the published: under a profile, the last
    steps without guidance are the same share of all."""
    made = guidance_for(settings, task)
    if settings.profile == "custom":
        return made
    unguided = round(made.unguided * settings.sampling.steps / PUBLISHED_STEPS)
    return replace(made, unguided=unguided)
