"""How long work reports back without knowing who shows it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called often by long work: ``done`` of ``total`` units and a short note (``"loss 0.41"``)."""

    def __call__(self, done: float, total: float, note: str = "") -> None: ...


def silent(done: float, total: float, note: str = "") -> None:
    """A ``Progress`` that shows nothing."""
