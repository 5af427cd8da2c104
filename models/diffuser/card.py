"""The cards of Diffuser, and of Diffuser that edits what another method wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.diffuser.role import EDIT_MODEL
from models.diffuser.settings import DiffuserSettings, RepairSettings
from models.diffusion.words.card import CLASSIFIER, GuidedCard
from tasks.base import Task
from tasks.common.errors import UserError
from tasks.common.files import file_digest

PAPER = "Reid et al. 2022, DiffusER: Discrete Diffusion via Edit-based Reconstruction"
SAMPLES = "samples.jsonl"


@dataclass(frozen=True)
class DiffuserCard(GuidedCard):
    network: str = EDIT_MODEL.name
    ranges: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"guidance.weight": ("0.25", "1"), "top_p": ("0.6", "0.9")}
    )

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        drafts = ("lm",) if settings.start == "draft" else ()
        return (*super().needs(task, settings), *drafts)

    def resolve(self, settings: Any, task: Task | None) -> Any:
        """Without what plays no part, and with the digest of what is edited."""
        assert task is not None
        if task.fills:
            settings = replace(settings, guidance=type(settings.guidance)())
        if settings.start != "source" or not settings.source:
            return replace(settings, source="")
        place = edited(settings.source, task)
        return replace(settings, edited=file_digest(place) if place.is_file() else "")

    def editing(self, settings: Any, source: str) -> Any:
        return replace(settings, start="source", source=source)

    def check(self, config: Any, task: Task | None) -> None:
        settings = getattr(config, self.name, None) or self.Settings()
        if task is not None and settings.start == "source":
            place = edited(settings.source, task)
            if not place.is_file():
                raise UserError(f"{self.name}.source={settings.source}: there is no {place}")


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
        repairs=True,
        # what is to be edited has no default to be tuned with
        ranges={},
    ),
)
