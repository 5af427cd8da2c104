"""What the cards of the families that came after Diffusion-LM share, free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from models.base import INFILLING, Card, Role, of_parts
from models.diffusion.classifiers.kinds import GUIDED_BY, Kind, control_kinds
from models.diffusion.classifiers.recipe import classifiers
from models.diffusion.config import ClassifierConfig
from models.diffusion.latents.decoding import InfillingConfig, LatentSettings, check_decoding
from models.diffusion.latents.role import Preset, latent_role
from models.word_tags import WORD_TAGS
from tasks import parts
from tasks.base import Task
from tasks.common.errors import UserError
from tasks.controls import FieldValue, Length, TagSequence

#: kinds of controls that are about words, of which a network's own p(word | x_t) speaks
OWN = (Length.kind, FieldValue.kind, TagSequence.kind)


def owns(kind: str, settings: LatentSettings) -> bool:
    """Whether a network's own words guide controls of this kind."""
    return kind == Length.kind or (kind in OWN and settings.guidance.by == "own")


def family(
    name: str, *, title: str, preset: Preset, steps: int = 100, **more: Any
) -> tuple[Role, ...]:
    """The roles of a family that decodes in ``steps`` steps: its network, the classifiers of its
    noisy latents, and the tags of words. ``more``: further fields of the network's role."""

    def by_preset(preset: str, run: Any) -> ClassifierConfig:
        config: ClassifierConfig = run.classifier
        return replace(config, steps=steps)

    return (
        latent_role(name, title=title, preset=preset, **more),
        classifiers(
            name,
            "models.diffusion.latents.diffusion:load_space",
            classifier_section(name),
            preset=by_preset,
            title=f"classifiers, {title}",
        ),
        WORD_TAGS,
    )


def check_filling(config: Any, network: str) -> None:
    """Raises ``UserError`` for a network that has not seen contexts without noise."""
    share = getattr(config, network).clean_contexts
    if not share or config.window != 3:
        raise UserError(
            f"{network} learns to fill in from windows of stories: it needs window=3, not "
            f"{config.window}, and {network}.clean_contexts above 0, not {share:g}"
        )


def classifier_section(name: str) -> str:
    """The role of the classifiers of network ``name``."""
    return f"{name}_classifier"


@dataclass(frozen=True)
class NetworkCard(Card):
    """What decodes a network of latents in ``sampling.steps`` steps. ``network``: its role."""

    group: str = "continuous"
    steps: str = "sampling.steps"
    network: str = ""

    def check(self, config: Any, task: Task | None) -> None:
        assert task is not None
        sampling = getattr(config, self.name).sampling
        check_decoding(getattr(config, self.network), sampling, f"{self.name}.sampling")
        if task.fills:
            check_filling(config, self.network)

    def room(self, config: Any, task: Task) -> int | None:
        return int(getattr(config, self.network).length) - 2


@dataclass(frozen=True)
class LatentCard(NetworkCard):
    """Guided by scores. ``own``: it is guided by its own words alone."""

    Settings: type = LatentSettings
    tradeoff: str = "guidance.weight"
    ranges: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "guidance.weight": ("0.5", "1", "2", "4"),
            "sampling.score_temperature": ("0.5", "0.7", "1"),
        }
    )
    own: bool = False
    #: own words are asked what the metric asks; a family that asks classifiers alone says otherwise
    knows_rule: bool = True

    def refuses(self, task: Task) -> str | None:
        if task.fills and task.table in self.tables:
            return None
        if task.table not in self.tables:
            return Card.refuses(self, task)
        kinds = control_kinds(task.name)
        if self.own:
            lacking = [part for part, kind in kinds.items() if kind not in OWN]
            return f"words alone do not tell of {' and '.join(lacking)}" if lacking else None
        lacking = [part for part, kind in kinds.items() if kind not in {*GUIDED_BY, *OWN}]
        return f"no guidance is defined for {' and '.join(lacking)}" if lacking else None

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        """The network; a classifier for each part that its words do not guide, and the tags of
        words where they do."""
        assert task is not None
        if task.fills:
            return (self.network, "lengths")
        found = [self.network]
        for part, kind in control_kinds(task.name).items():
            if not owns(kind, settings):
                found.append(self.classifier(GUIDED_BY[kind]))
            elif kind == TagSequence.kind:
                found.append(self.tags(task, part))
        return tuple(dict.fromkeys(found))

    def classifier(self, kind: Kind) -> str:
        """What cells call the artefact of one kind of classifier."""
        return f"{classifier_section(self.network)}:{kind.name}"

    def tags(self, task: Task, part: str) -> str:
        """What cells of ``task`` call the tags of words of its ``part``."""
        alone = len(parts(task.name)) == 1
        return WORD_TAGS.name if alone else f"{WORD_TAGS.name}:{part}"


@dataclass(frozen=True)
class FillingCard(NetworkCard):
    """Fills in between contexts that stay clean."""

    Settings: type = InfillingConfig
    tables: frozenset[str] = frozenset({INFILLING})

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        return (self.network, "lengths")


@dataclass(frozen=True)
class PromptedCard(NetworkCard):
    """Guided without a classifier. ``network``: the role of the network that those behind prompts
    are trained from, and ``prompted`` theirs, of which each part of a composition has its own."""

    trained: bool = True
    tradeoff: str = "weight"
    ranges: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "weight": ("0", "0.5", "1", "2"),
            "sampling.score_temperature": ("0.5", "0.7", "1"),
        }
    )
    prompted: str = ""

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        assert task is not None
        return of_parts(self.prompted, task)
