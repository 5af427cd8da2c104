"""Where every recipe starts: the config, the corpus, its vocabulary."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.running.config import RunConfig
from eval.running.inputs import corpus_digest, read_corpus, write_corpus
from eval.running.store import Recipe, recipe
from tasks import STORIES, load_task
from tasks.base import Task, Text, Words
from tasks.common.errors import UserError
from tasks.common.progress import Progress
from tasks.corpora import load_corpus
from tasks.corpora.anlg import load_items, overlap
from tasks.infilling import RELEASED_FOR, Triple, triples, windows
from tasks.targets import NoReleasedList
from tasks.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

#: texts of the validation split that curves are drawn on
VALID = 512
VOCABULARY, LENGTHS = "vocabulary.json", "lengths.json"
#: training settings that change how fast a network is trained and not which one
SPEED_ONLY = ("checkpoint", "compile")
#: settings that came later: as they were before, they enter no key, so that older networks keep
#: theirs
LATER = {
    "output": "linear",
    "embedding_std": 1.0,
    "clean_contexts": 0.0,
    "init_pretrained": "",
    "zero_shot": False,
    "candidates": 0,
    "word_temperature": 1.0,
}

Folders = Mapping[str, Path]


def settings(config: Any, **more: Any) -> dict[str, Any]:
    """A config dataclass as it enters a key."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {k: v for k, v in value.items() if k not in SPEED_ONLY}
            return {k: plain(v) for k, v in kept.items() if LATER.get(k, ...) != v}
        return value

    return {**plain(dataclasses.asdict(config)), **more}


def pick_device(name: str) -> torch.device:
    """``auto`` is a GPU where there is one. Raises ``UserError`` for a device that is not there."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"unknown device '{name}' (valid: auto, cpu, cuda, cuda:N)") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device={name}: {torch.cuda.device_count()} CUDA devices are available")
    return device


def words_of(texts: Iterable[Text]) -> list[Words]:
    return [text.words for text in texts]


def vocabulary_of(deps: Folders) -> Vocabulary:
    return Vocabulary.load(deps["vocabulary"] / VOCABULARY)


class CorpusPlan:
    """What the recipes of one run share; each recipe is made once."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self._tasks: dict[str, Task] = {}
        self._recipes: dict[str, Recipe] = {}

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

    def seen(self, texts: Iterable[Text]) -> list[Words]:
        """What a network is trained on: the texts, or windows of the stories."""
        if self.config.corpus in STORIES:
            return windows(self.unasked(texts), self.config.window, self.config.gaps)
        return [text.words for text in texts]

    def seen_triples(self, texts: Iterable[Text]) -> list[Triple]:
        """The contexts and middles that a network of infilling is trained on."""
        return triples(self.unasked(texts), self.config.gaps)

    def unasked(self, texts: Iterable[Text]) -> list[Text]:
        """With ``gaps``, without the stories that hold both contexts of one of aNLG's items, where
        these are at hand: their first and last sentence would be seen together."""
        stories = list(texts)
        if self.config.gaps and self.config.corpus in RELEASED_FOR:
            try:
                asked = {row for row, _ in overlap(stories, load_items(self.data))}
            except NoReleasedList:
                return stories
            return [story for row, story in enumerate(stories) if row not in asked]
        return stories

    @property
    def _window(self) -> dict[str, Any]:
        """What keys say of :meth:`seen`."""
        if self.config.corpus not in STORIES:
            return {}
        return {"window": self.config.window} | ({"gaps": True} if self.config.gaps else {})

    def _once(self, name: str, make: Any) -> Recipe:
        if name not in self._recipes:
            self._recipes[name] = make()
        return self._recipes[name]

    @cached_property
    def corpus(self) -> Recipe:
        name, data = self.config.corpus, self.data
        digest = corpus_digest(name, data, Path(self.config.store))

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            write_corpus(folder, load_corpus(name, data))

        return recipe("corpus", f"read corpus {name}", build, {"name": name}, data=digest)

    @cached_property
    def vocabulary(self) -> Recipe:
        above = self.config.vocabulary.above

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            corpus = read_corpus(deps["corpus"])
            Vocabulary.build(words_of(corpus.train), above).save(folder / VOCABULARY)

        return recipe(
            "vocabulary",
            "collect the vocabulary",
            build,
            {"above": above},
            deps={"corpus": self.corpus},
        )
