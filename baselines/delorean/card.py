"""DELOREAN's card."""

from __future__ import annotations

from baselines.delorean.settings import DeloreanSettings
from models.base import INFILLING, Card

CARD = Card(
    "delorean",
    "baselines.delorean.method:Delorean",
    label="DELOREAN",
    order=20,
    Settings=DeloreanSettings,
    uses=("lm",),
    tables=frozenset({INFILLING}),
)
