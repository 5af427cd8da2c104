"""Asking long work to save what it has and end: set by a signal, read where it is safe to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from types import FrameType

_asked = False


class Stopped(Exception):
    """Work that ended early because it was asked to; what it had done is stored."""


def on_signals(signals: Iterable[signal.Signals]) -> None:
    """From now on these signals ask to stop instead of ending the process."""

    def ask(number: int, frame: FrameType | None) -> None:
        request()

    for one in signals:
        signal.signal(one, ask)


def request(value: bool = True) -> None:
    """Asks to stop, or with False takes it back."""
    global _asked
    _asked = value


def requested() -> bool:
    """Whether work is to save what it has and raise :class:`Stopped`."""
    return _asked


def check() -> None:
    """Raises :class:`Stopped` if it was asked for; called where nothing is half-written."""
    if _asked:
        raise Stopped
