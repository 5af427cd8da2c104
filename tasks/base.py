"""The shared vocabulary of the project: texts, corpora, targets, annotations, tasks."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tasks.controls import Control

Words = tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """One text of a corpus.

    ``words``: its tokens. ``tree``: a bracketed tree over exactly those words, where known
    (gold or from an oracle). ``tags``: one UPOS tag a word, where known. ``fields``: the meaning,
    as (field, value) pairs.
    """

    words: Words
    tree: str | None = None
    tags: Words | None = None
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Corpus:
    """A named corpus with its two splits. ``digest`` identifies its content."""

    name: str
    train: tuple[Text, ...]
    valid: tuple[Text, ...]
    digest: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.digest:
            sha = hashlib.sha256(self.name.encode())
            for split in (self.train, self.valid):
                for text in split:
                    sha.update(repr((text.words, text.tree, text.tags, text.fields)).encode())
                sha.update(b"|")
            object.__setattr__(self, "digest", sha.hexdigest()[:16])


@dataclass(frozen=True)
class Target:
    """One control target. ``source``: the human text it was taken from, where there is one."""

    id: str
    control: Control
    source: Words | None = None


@dataclass(frozen=True)
class Annotation:
    """What the judges say of one text; tasks score from this alone.

    ``tree``: the oracle parser's bracketed tree (None where no task asked). ``tags``: the oracle
    tagger's UPOS tags. ``nll``: the teacher's total negative log-likelihood in nats over
    ``tokens`` predicted tokens (the end token included).
    """

    words: Words
    tree: str | None = None
    tags: Words | None = None
    nll: float | None = None
    tokens: int | None = None


class Task(ABC):
    """One control task: where targets come from, how they read as a prompt, how samples score.

    A subclass is one file plus one line in ``tasks/__init__.py``.
    """

    name: ClassVar[str]
    #: bumped by hand when targets or scores change meaning
    version: ClassVar[int] = 1
    #: annotation fields that ``score`` reads: "tree", "tags"
    needs: ClassVar[frozenset[str]] = frozenset()
    #: metric name -> one-line definition; the first one is the headline ("ctrl")
    metrics: ClassVar[Mapping[str, str]]
    #: headline metric under the paper's own definition (differs from the first only for length)
    paper_metric: ClassVar[str]

    @abstractmethod
    def targets(self, corpus: Corpus, n: int, source: str, seed: int) -> list[Target]:
        """``n`` control targets from ``source``: ``"validation"`` (seeded draw from
        ``corpus.valid``) or ``"released"`` (the authors' list, where ``corpus`` has one).

        Every text of ``corpus`` carries whatever ``needs`` names (a tree, gold or from the
        oracle). Raises ``UserError`` if ``source`` has no such list or holds fewer than ``n``.
        """

    @abstractmethod
    def examples(self, texts: Iterable[Text], seed: int) -> Iterator[tuple[Control, Words]]:
        """(control, words) pairs that hold, as supervision for classifiers, discriminators and
        fine-tuned language models."""

    @abstractmethod
    def prompt(self, control: Control) -> list[str]:
        """The control in linear form, as prompt tokens (reference notes 2.11: "a, b, LABEL")."""

    @abstractmethod
    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        """Every prompt token that ``prompt`` can give for this corpus, in a fixed order."""

    @abstractmethod
    def score(self, target: Target, annotation: Annotation) -> dict[str, float]:
        """One value in [0, 1] for every name in ``metrics``."""
