"""What the project asks of a parser and of a tagger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tasks.common.progress import Progress, silent


class Parser(Protocol):
    """``id`` names the parser, its version and its weights, for the record beside every number."""

    id: str

    def parse(self, sentences: Sequence[Sequence[str]], progress: Progress = silent) -> list[str]:
        """One bracketed tree per text over exactly its words (``trees.leaves`` gives them back).

        A text may hold several sentences and newline tokens; the empty text gives ``(TOP )``.
        """


class Tagger(Protocol):
    """``id`` names the tagger and its version."""

    id: str

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
        """One UPOS tag a word; the empty text gives the empty tuple."""
