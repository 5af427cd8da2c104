"""Decoding options of Left-only, free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.settings import MiddleSettings, count


@dataclass(frozen=True)
class LeftOnlySettings(MiddleSettings):
    """A language model that goes on from the left context; plain ancestral sampling.

    A repair model reads the left context alone.
    """

    #: longest middle in words
    max_words: int = count(40, least=1)
    #: samples a target, of which the first is the answer; 0: as many as are asked for
    candidates: int = count(0)
