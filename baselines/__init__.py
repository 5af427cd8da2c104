"""One folder or file for each baseline, and the registry of all methods.

A method is found by its card: ``card.py`` of a folder, or ``CARD`` (``CARDS``) of a file, in
``models/`` or ``baselines/``. A file that holds a card imports heavy packages inside its functions.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import models
from baselines.own import MethodRegistry
from models.base import Card
from tasks.base import Task

_CARDS = re.compile(r"^CARDS? = ", re.MULTILINE)


def _cards() -> Iterator[Card]:
    """The cards of this checkout."""
    for place, name in ((Path(p), m) for m, ps in _places() for p in ps):
        for info in pkgutil.iter_modules([str(place)]):
            module = f"{name}.{info.name}"
            if info.ispkg:
                if not (place / info.name / "card.py").is_file():
                    continue
                module += ".card"
            elif not _CARDS.search((place / f"{info.name}.py").read_text(encoding="utf-8")):
                continue
            loaded = importlib.import_module(module)
            yield from getattr(loaded, "CARDS", None) or (loaded.CARD,)


def _places() -> list[tuple[str, Sequence[str]]]:
    return [("models", models.__path__), ("baselines", __path__)]


METHODS = MethodRegistry(sorted(_cards(), key=lambda card: (card.order, card.name)))


def suited(tasks: Sequence[Task]) -> list[str]:
    """The methods that ``method=all`` stands for under these tasks."""
    tables = {task.table for task in tasks}
    return [name for name in METHODS if METHODS.card(name).tables & tables]
