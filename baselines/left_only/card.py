"""Left-only's card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from baselines.left_only.settings import LeftOnlySettings
from models.base import INFILLING, Card


@dataclass(frozen=True)
class LeftOnlyCard(Card):
    """At most so many candidates."""

    def samples(self, settings: Any, asked: int) -> int:
        return min(settings.candidates or asked, asked)


CARD = LeftOnlyCard(
    "left_only",
    "baselines.left_only.method:LeftOnly",
    label="Left-only",
    paper="Qin et al. 2020, Back to the Future",
    order=10,
    Settings=LeftOnlySettings,
    uses=("lm",),
    tables=frozenset({INFILLING}),
)
