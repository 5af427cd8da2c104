"""The judges of a run: which there are, what is known of them, and what they may not judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from eval.running.judge import SUBWORDS, Judge, guard
from eval.running.oracles import load_parser
from eval.running.plan import Plan
from eval.running.provenance import parser_figures
from eval.running.store import Store
from eval.running.taggers import load_tagger, tagger_figures
from tasks.base import Words
from tasks.common.recipe import Recipe
from tasks.vocabulary import SPECIALS


class Judges(Mapping[str, Recipe]):
    """Role -> recipe of the judges that the tasks of ``plan`` ask for. ``path``: the folder of an
    artefact that is built. ``fluency``: whether any task has lm-scores; ``judge``: all of them at
    work."""

    def __init__(self, plan: Plan, store: Store, path: Callable[[Recipe], Path]) -> None:
        self.plan, self.store, self.path = plan, store, path
        tasks = [plan.task(task) for task in plan.config.tasks]
        asked = frozenset[str]().union(*(task.needs for task in tasks))
        self.fluency = any(task.fluency for task in tasks)
        second = bool(self.fluency and plan.config.teacher.second)
        wanted = {
            "teacher": self.fluency, SUBWORDS: second, "parser": "tree" in asked,
            "tagger": "tags" in asked,
        }  # fmt: skip
        self._recipes = {role: plan.role(role) for role, there in wanted.items() if there}
        loaders: Mapping[str, Callable[[Path], Any]] = {
            "teacher": self._teacher, SUBWORDS: self._teacher, "parser": load_parser,
            "tagger": load_tagger,
        }  # fmt: skip
        self.judge = Judge(
            {role: recipe.key for role, recipe in self.items()},
            {role: partial(self._load, role, load) for role, load in loaders.items()},
        )

    def __getitem__(self, role: str) -> Recipe:
        return self._recipes[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._recipes)

    def __len__(self) -> int:
        return len(self._recipes)

    @property
    def needs(self) -> list[Recipe]:
        """What must be built before texts are judged: the judges, and the corpus, among whose
        training texts copies are looked for."""
        return [*self.values(), self.plan.role("corpus")]

    @property
    def facts(self) -> dict[str, Any]:
        """Role -> identity of a judge and what is known of how good it is, as stored."""
        known: dict[str, Any] = {role: {"id": recipe.key} for role, recipe in self.items()}
        if SUBWORDS in known:
            known[SUBWORDS]["model"] = self.plan.config.teacher.second
        for role, figures in (("parser", parser_figures), ("tagger", tagger_figures)):
            folder = self.store.find(self[role].key) if role in self else None
            if folder:
                known[role] |= figures(folder)
        return known

    def guard(self, networks: Mapping[str, Path]) -> None:
        """Refuses to let a network judge what it steered or wrote, ``networks`` by role: not under
        another vocabulary either, which a pretrained one may stand in the store with. All are
        built. Raises ``UserError``."""
        guard(networks, {role: self.path(recipe) for role, recipe in self.items()})
        if SUBWORDS in self:
            from models.nets.artefact import WEIGHTS
            from models.nets.teacher import assert_distinct

            with_weights = [f for f in networks.values() if (f / WEIGHTS).exists()]
            assert_distinct(self.path(self[SUBWORDS]), with_weights)

    def tag(self, texts: Sequence[Words]) -> Sequence[Words]:
        """UPOS tags of texts by the oracle tagger, which is built."""
        tags: Sequence[Words] = self.judge.oracle("tagger").tag(texts)
        return tags

    def known_words(self) -> frozenset[str]:
        """The words that the teacher of lm-score knows."""
        from models.nets.codec import load_codec

        codec = load_codec(self._folder("teacher") / "codec.json")
        return frozenset(codec.vocabulary.words[len(SPECIALS) :])

    def _load(self, role: str, load: Callable[[Path], Any]) -> Any:
        return load(self._folder(role))

    def _folder(self, role: str) -> Path:
        return self.path(self.plan.role(role))

    def _teacher(self, folder: Path) -> Any:
        from models.nets.teacher import Teacher

        return Teacher.load(folder, self.plan.device)
