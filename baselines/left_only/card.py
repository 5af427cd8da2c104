"""Left-only's card."""

from __future__ import annotations

from baselines.left_only.settings import LeftOnlySettings
from models.base import INFILLING, Card

CARD = Card(
    "left_only",
    "baselines.left_only.method:LeftOnly",
    label="Left-only",
    order=10,
    Settings=LeftOnlySettings,
    uses=("lm",),
    tables=frozenset({INFILLING}),
)
