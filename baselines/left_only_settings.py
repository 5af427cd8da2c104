"""Decoding options of Left-only, free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.ar_infilling_settings import ARInfillingSettings


@dataclass(frozen=True)
class LeftOnlySettings(ARInfillingSettings):
    """A language model that goes on from the left context; plain ancestral sampling.

    The options are AR-infilling's. A repair model reads the left context alone.
    """

    #: longest middle in words
    max_words: int = 40
