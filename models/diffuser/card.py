"""The cards of Diffuser, and of Diffuser that edits what another method wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.base import CONTROL, INFILLING, Card
from models.diffuser.role import EDIT_MODEL
from models.diffuser.settings import DiffuserSettings, RepairSettings
from models.diffusion.classifiers.kinds import GUIDED_BY
from models.diffusion.words.card import CLASSIFIER, FRAMED, classifier_role, kinds_of
from tasks.base import Task
from tasks.common.errors import UserError
from tasks.common.files import file_digest

PAPER = "Reid et al. 2022, DiffusER: Discrete Diffusion via Edit-based Reconstruction"
SAMPLES = "samples.jsonl"


@dataclass(frozen=True)
class DiffuserCard(Card):
    tables: frozenset[str] = frozenset({CONTROL, INFILLING})
    group: str = "discrete"
    tradeoff: str = "guidance.weight"
    steps: str = "steps"
    ranges: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"guidance.weight": ("0.5", "1", "2"), "top_p": ("0.6", "0.9")}
    )

    def refuses(self, task: Task) -> str | None:
        if task.fills:
            return None
        known = {*GUIDED_BY, *FRAMED}
        lacking = [part for part, kind in kinds_of(task).items() if kind not in known]
        return f"no guidance is defined for {' and '.join(lacking)}" if lacking else None

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        assert task is not None
        own = (EDIT_MODEL.name, *(("lm",) if settings.start == "draft" else ()))
        if task.fills:
            return (*own, "lengths")
        guides = filter(None, map(GUIDED_BY.get, kinds_of(task).values()))
        return (*own, *dict.fromkeys(map(classifier_role, guides)))

    def resolve(self, settings: Any, task: Task | None) -> Any:
        """Without what plays no part, and with the digest of what is edited."""
        assert task is not None
        if task.fills:
            settings = replace(settings, guidance=type(settings.guidance)())
        if settings.start != "source":
            return replace(settings, source="")
        place = edited(settings.source, task)
        return replace(settings, edited=file_digest(place) if place.is_file() else "")

    def check(self, config: Any, task: Task | None) -> None:
        settings = getattr(config, self.name, None) or self.Settings()
        if task is not None and settings.start == "source":
            place = edited(settings.source, task)
            if not place.is_file():
                raise UserError(f"{self.name}.source={settings.source}: there is no {place}")

    def room(self, config: Any, task: Task) -> int | None:
        return int(getattr(config, EDIT_MODEL.name).length) - 2


def edited(source: str, task: Task) -> Path:
    """The samples that ``source`` (SET:METHOD) has of a task. Raises ``UserError`` for none."""
    folder, _, method = source.rpartition(":")
    if not folder:
        raise UserError("start=source edits stored samples: source=SET:METHOD names them")
    return Path(folder) / task.name / method / SAMPLES


CARDS = (
    DiffuserCard(
        "diffuser",
        "models.diffuser.method:Diffuser",
        label="Diffuser",
        paper=PAPER,
        order=79,
        Settings=DiffuserSettings,
        brings=(EDIT_MODEL, CLASSIFIER),
    ),
    DiffuserCard(
        "diffuser_repair",
        "models.diffuser.method:Repairer",
        label="Repaired by Diffuser",
        paper=PAPER,
        order=79,
        Settings=RepairSettings,
        brings=(EDIT_MODEL, CLASSIFIER),
        group="repair",
        # what is to be edited has no default to be tuned with
        ranges={},
    ),
)
