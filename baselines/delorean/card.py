"""DELOREAN's card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from baselines.delorean.settings import DeloreanSettings
from models.base import INFILLING, Card


@dataclass(frozen=True)
class DeloreanCard(Card):
    """At most a candidate from each pass."""

    def samples(self, settings: Any, asked: int) -> int:
        return min(asked, int(settings.passes))


CARD = DeloreanCard(
    "delorean",
    "baselines.delorean.method:Delorean",
    label="DELOREAN",
    paper="Qin et al. 2020, Back to the Future",
    order=20,
    Settings=DeloreanSettings,
    uses=("lm",),
    tables=frozenset({INFILLING}),
)
