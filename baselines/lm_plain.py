"""Samples of the language model as it is: what steering and prompting start from. It is told
nothing of the control, so that its figures are those of chance under each target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from baselines.autoregressive import Heads, uniforms
from baselines.settings import SampleSettings
from baselines.steering import Steered, SteeringCard
from models.base import PLAIN

if TYPE_CHECKING:
    from baselines.autoregressive import Decoded
    from models.jobs import Job


class PlainLMSettings(SampleSettings):
    """Samples of the language model."""


CARD = SteeringCard(
    "lm_plain",
    "baselines.lm_plain:PlainLM",
    label="LM, no control",
    paper="Li et al. 2022, Diffusion-LM, section 6.3",
    order=45,
    Settings=PlainLMSettings,
    role="",
    group="two_by_two",
    corner=("autoregressive", PLAIN),
)


class PlainLM(Steered):
    """Network evaluations: one a token."""

    card: ClassVar[SteeringCard] = CARD

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        u = uniforms(self.name, jobs, seed, limit)
        texts = self.sampled(self.model, self.codec, [job.given.head for job in jobs], u)
        return [(ids, float(len(ids))) for ids in texts]
