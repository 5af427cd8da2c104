"""What a run is made from: its tasks, its device, and the recipe of every role.

Keys follow from the corpus's digest, the settings and seeds, the builders' versions and the keys
of dependencies; neither the device nor the time between checkpoints changes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.running.config import RunConfig, check_device
from eval.running.roles import roles
from tasks import load_task
from tasks.base import Task, Text, Words
from tasks.common.errors import UserError, unknown
from tasks.common.recipe import Recipe
from tasks.corpora import traits
from tasks.corpora.anlg import load_items, overlap
from tasks.corpora.stored import words_of
from tasks.infilling import ANLG, Triple, triples, windows
from tasks.targets import NoReleasedList

if TYPE_CHECKING:
    import torch


def pick_device(name: str) -> torch.device:
    """``auto`` is a GPU where there is one. Raises ``UserError`` for a device that is not there."""
    import torch

    check_device(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device={name}: {torch.cuda.device_count()} CUDA devices are available")
    return device


class Plan:
    """What the recipes of one run share (:class:`models.base.Plan`); each is made once.

    ``given``: recipes of roles by name, under every task, whose making looks at files that are
    elsewhere."""

    def __init__(self, config: RunConfig, given: Mapping[str, Recipe] | None = None) -> None:
        self.config, self.given = config, given or {}
        self._tasks: dict[str, Task] = {}
        self._recipes: dict[tuple[str, str], Recipe] = {}

    def task(self, name: str) -> Task:
        if name not in self._tasks:
            self._tasks[name] = load_task(name, self.data)
        return self._tasks[name]

    @cached_property
    def device(self) -> torch.device:
        return pick_device(self.config.device)

    @property
    def data(self) -> Path | None:
        return Path(self.config.data) if self.config.data else None

    def role(self, role: str, task: str = "") -> Recipe:
        """As of :class:`models.base.Plan`. Raises ``UserError`` for a role that nothing brings."""
        name, _, named = role.partition(":")
        if name in self.given:
            return self.given[name]
        task = named or task
        if (name, task) not in self._recipes:
            known = roles()
            if name not in known:
                raise unknown("role", name, known)
            self._recipes[name, task] = known[name].make(self, task)
        return self._recipes[name, task]

    @property
    def known(self) -> Mapping[str, Recipe]:
        """Role -> its recipe, of those that were asked for; of one that each task has its own of,
        any."""
        return {name: recipe for (name, _), recipe in self._recipes.items()}

    def texts_for(self, task: str) -> Recipe:
        """The corpus with what a task reads of it: parsing and tagging a corpus is work."""
        wanted = self.task(task).reads - self.gold
        role = "texts" if "tree" in wanted else "corpus"
        return self.role("tagged_" + role if "tags" in wanted else role)

    @cached_property
    def gold(self) -> frozenset[str]:
        """What the corpus brings itself, of ``"tree"`` and ``"tags"``."""
        return traits(self.config.corpus).gold

    def seen(self, texts: Iterable[Text]) -> list[Words]:
        if traits(self.config.corpus).sentences:
            return windows(self._unasked(texts), self.config.window, self.config.gaps)
        return words_of(texts)

    def seen_triples(self, texts: Iterable[Text]) -> list[Triple]:
        return triples(self._unasked(texts), self.config.gaps)

    def _unasked(self, texts: Iterable[Text]) -> list[Text]:
        """With ``gaps``, without the stories that hold both contexts of one of aNLG's items, where
        these are at hand: their first and last sentence would be seen together."""
        stories = list(texts)
        if self.config.gaps and traits(self.config.corpus).lists == ANLG:
            try:
                asked = {row for row, _ in overlap(stories, load_items(self.data))}
            except NoReleasedList:
                return stories
            return [story for row, story in enumerate(stories) if row not in asked]
        return stories

    @property
    def window(self) -> dict[str, Any]:
        if not traits(self.config.corpus).sentences:
            return {}
        return {"window": self.config.window} | ({"gaps": True} if self.config.gaps else {})
