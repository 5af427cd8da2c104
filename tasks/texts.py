"""Texts and corpora."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import accumulate

Words = tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """One text of a corpus.

    ``words``: its tokens. ``tree``: a bracketed tree over exactly those words, where known
    (gold or from an oracle). ``tags``: one UPOS tag a word, where known. ``fields``: the meaning,
    as (field, value) pairs. ``sentences``: how many words each of its sentences has, where known
    (a story); they add up to all words. ``verbatim``: its fields are named, and their values split,
    as they are to be asked for; E2E's are not.
    """

    words: Words
    tree: str | None = None
    tags: Words | None = None
    fields: tuple[tuple[str, str], ...] = ()
    sentences: tuple[int, ...] = ()
    verbatim: bool = False

    def __post_init__(self) -> None:
        if self.sentences and sum(self.sentences) != len(self.words):
            raise ValueError(f"sentences of {self.sentences} words in a text of {len(self.words)}")

    def split(self) -> list[Words]:
        """Its sentences, each as words."""
        ends = list(accumulate(self.sentences))
        return [self.words[b - n : b] for b, n in zip(ends, self.sentences, strict=True)]


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
                    facts: tuple[object, ...] = (text.words, text.tree, text.tags, text.fields)
                    if text.sentences:
                        facts = (*facts, text.sentences)
                    if text.verbatim:
                        facts = (*facts, "verbatim")
                    sha.update(repr(facts).encode())
                sha.update(b"|")
            object.__setattr__(self, "digest", sha.hexdigest()[:16])
