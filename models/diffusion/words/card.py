"""What the cards of the families of discrete diffusion share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from models.base import CONTROL, INFILLING, Card, Role
from models.diffusion.classifiers.kinds import GUIDED_BY, Kind, control_kinds
from models.diffusion.classifiers.recipe import classifiers
from models.diffusion.words.config import WordClassifierConfig
from models.diffusion.words.presets import classifier_preset
from tasks.base import Task
from tasks.controls import Length

ROLE = "word_classifier"
#: guides every family, whatever its noise
CLASSIFIER: Role = classifiers(
    "vocabulary",
    "models.diffusion.words.noising:load_space",
    ROLE,
    WordClassifierConfig,
    preset=classifier_preset,
    title="classifiers of words",
)
#: kinds of controls that a frame satisfies by itself
FRAMED = (Length.kind,)


@dataclass(frozen=True)
class GuidedCard(Card):
    """What classifiers that read words guide. ``network``: the role of its own network."""

    tables: frozenset[str] = frozenset({CONTROL, INFILLING})
    group: str = "discrete"
    tradeoff: str = "guidance.weight"
    steps: str = "steps"
    network: str = ""

    def refuses(self, task: Task) -> str | None:
        if task.fills:
            return None
        known = {*GUIDED_BY, *FRAMED}
        lacking = [part for part, kind in control_kinds(task.name).items() if kind not in known]
        return f"no guidance is defined for {' and '.join(lacking)}" if lacking else None

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        """One classifier for each part that needs one; spans and trees share theirs."""
        assert task is not None
        if task.fills:
            return (self.network, *self.uses, "lengths")
        guides = filter(None, map(GUIDED_BY.get, control_kinds(task.name).values()))
        return (self.network, *self.uses, *dict.fromkeys(map(classifier_role, guides)))

    def room(self, config: Any, task: Task) -> int | None:
        return int(getattr(config, self.network).length) - 2


@dataclass(frozen=True)
class WordsCard(GuidedCard):
    """A family whose one loop decides words (:mod:`models.diffusion.words.method`)."""

    ranges: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"guidance.weight": ("0.5", "1", "2"), "temperature": ("0.7", "1")}
    )

    def resolve(self, settings: Any, task: Task | None) -> Any:
        """Without what plays no part in the task."""
        assert task is not None
        if task.fills or not set(control_kinds(task.name).values()) - {*FRAMED}:
            return replace(settings, guidance=type(settings.guidance)())
        return settings


def classifier_role(kind: Kind) -> str:
    """What cells call the artefact of one kind of classifier."""
    return f"{ROLE}:{kind.name}"
