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


#: what ``method=`` takes beside names: all, the methods of the paper's comparison, and the groups
#: that cards name
GROUPS = ("all", *dict.fromkeys(card.group for card in METHODS.values() if card.group))


def suited(tasks: Sequence[Task], group: str = "all") -> list[str]:
    """The methods that a group stands for under these tasks."""
    tables, named = {task.table for task in tasks}, "" if group == "all" else group
    return [name for name, card in METHODS.items() if card.group == named and card.tables & tables]
