"""Guidance of hidden states (NOS, Gruver et al. 2023; as a baseline of discrete guidance in Schiff
et al. 2024): before words are drawn, the last states of the masked network climb what a
small classifier on these very states says of the control.

With h the states of a text with masks and q the words that the read-out says of them, delta ascends

    log p(control | h + delta)  -  stability  KL(q(h) || q(h + delta))

by Adagrad, the KL summed over masked words; words are then drawn from q(h + delta). From left to
right (sampler=left_to_right) that is the recipe of PPLM (Dathathri et al. 2020) on a network that
reads both sides. Classifiers are trained on the frozen network's states of texts that lost a share
of their words to the mask. Shapes: B batch, L length, D width of the states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from models.diffusion.classifiers.kinds import GUIDED_BY, control_kinds
from models.diffusion.classifiers.recipe import classifiers
from models.diffusion.config import ClassifierConfig
from models.diffusion.words.card import WordsCard
from models.diffusion.words.config import ClimbConfig, OrderSettings, StepSettings
from models.diffusion.words.masked import MASKED, NETWORK
from models.diffusion.words.method import WordDiffusion
from models.diffusion.words.presets import classifier_preset
from tasks.base import Task
from tasks.common.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


ROLE = "masked_head"


@dataclass(frozen=True)
class HeadConfig(ClassifierConfig):
    """A control classifier on the masked network's states."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noised_attribute:
            raise UserError("states are of texts: there is no noised attribute")


def by_preset(preset: str, config: Any) -> HeadConfig:
    """One layer, trained for as long as the classifiers of words."""
    words = classifier_preset(preset, config)
    network = replace(words.network, layers=1)
    return HeadConfig(span_hidden=words.span_hidden, network=network, train=words.train)


@dataclass(frozen=True)
class NOSSettings(OrderSettings, StepSettings):
    """The orders of masked diffusion, guided in its states."""

    nos: ClimbConfig = field(default_factory=ClimbConfig)


@dataclass(frozen=True)
class NOSCard(WordsCard):
    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        assert task is not None
        guides = (
            []
            if task.fills
            else filter(None, map(GUIDED_BY.get, control_kinds(task.name).values()))
        )
        lengths = ("lengths",) if task.fills else ()
        return (NETWORK, *dict.fromkeys(f"{ROLE}:{kind.name}" for kind in guides), *lengths)

    def resolve(self, settings: Any, task: Task | None) -> Any:
        """Without what plays no part in the task."""
        assert task is not None
        return (
            replace(settings, nos=ClimbConfig()) if len(self.needs(task, None)) == 1 else settings
        )


CARD = NOSCard(
    "nos",
    "models.nos:NOS",
    label="NOS",
    paper="Gruver et al. 2023, Protein Design with Guided Discrete Diffusion",
    order=77,
    Settings=NOSSettings,
    brings=(
        MASKED,
        classifiers(
            NETWORK, "models.diffusion.words.states:load_space", ROLE, HeadConfig, preset=by_preset,
            title="classifiers of states",
        ),
    ),
    network=NETWORK,
    tradeoff="nos.updates",
    step_size="nos.step_size",
    ranges={"nos.updates": ("1", "4", "16"), "temperature": ("0.7", "1")},
)  # fmt: skip


class NOS(WordDiffusion):
    card: ClassVar[WordsCard] = CARD

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        from models.diffusion.words.decoding import load
        from models.diffusion.words.states import climbing

        decoder = load(cls.card, folders, task, settings, device)
        kinds = (
            [] if task.fills else [k for k in control_kinds(task.name).values() if k in GUIDED_BY]
        )
        if kinds and settings.nos.updates:
            heads = {kind: folders[f"{ROLE}:{GUIDED_BY[kind].name}"] for kind in kinds}
            decoder = climbing(decoder, heads, settings.nos)
        return cls(decoder, settings)

    def process(self, free: Tensor) -> Any:
        from models.diffusion.words.orders import unmasking

        return unmasking(self.decoder.reader.words, free, self.settings)
