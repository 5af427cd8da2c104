"""Decoding options of Left-only, free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.settings import MiddleSettings
from tasks.common.errors import UserError


@dataclass(frozen=True)
class LeftOnlySettings(MiddleSettings):
    """A language model that goes on from the left context; plain ancestral sampling.

    A repair model reads the left context alone.
    """

    #: longest middle in words
    max_words: int = 40
    #: samples a target, of which the first is the answer; 0: as many as are asked for
    candidates: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.candidates < 0:
            raise UserError(f"candidates must not be negative, not {self.candidates}")
