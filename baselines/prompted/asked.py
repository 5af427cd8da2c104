"""What a language model that follows instructions is, wherever it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from baselines.prompted.shots import Messages
from models.jobs import Job
from tasks.base import Target, Words


class Said(NamedTuple):
    """An answer: its text, its raw tokens, and what it cost in network evaluations."""

    text: str
    tokens: Words
    nfe: float


class Asked(Protocol):
    """A language model that follows instructions, here or elsewhere."""

    def given(self, ways: Sequence[Messages], target: Target, limit: int) -> Any:
        """What a sample starts from: the first of these prompts, each shorter than the one before,
        behind which it has room for ``limit`` tokens. Raises ``UserError`` for a target that it has
        no room for."""

    def alike(self, given: Any) -> object:
        """Samples run together where this is equal."""

    def rows(self, batch: int) -> int:
        """How many samples run together where up to ``batch`` may."""

    def answers(self, name: str, jobs: Sequence[Job[Any]], seed: int, limit: int) -> list[Said]:
        """An answer of at most ``limit`` tokens to each of them, which are alike."""
