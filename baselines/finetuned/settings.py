"""Decoding options of fine-tuned language models, free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.settings import check_decoding
from tasks.common.errors import UserError


@dataclass(frozen=True)
class FTSampleSettings:
    """Samples of a fine-tuned model; the defaults are plain ancestral sampling (paper, 6.3)."""

    temperature: float = 1.0
    #: draw among the k likeliest tokens; 0: among all
    top_k: int = 0
    #: draw from the smallest set of tokens with this probability
    top_p: float = 1.0
    #: longest text in words
    max_words: int = 64

    def __post_init__(self) -> None:
        if self.top_k < 0 or not 0 < self.top_p <= 1:
            raise UserError("top_k must be at least 0 and top_p in (0, 1]")
        check_decoding(self.temperature, self.max_words)


@dataclass(frozen=True)
class FTPoESettings(FTSampleSettings):
    """Samples of the product of two fine-tuned models; the options apply to the product."""


@dataclass(frozen=True)
class FTSearchSettings:
    """Beam search over a fine-tuned model (paper, section 6.3)."""

    beams: int = 4
    #: longest text in words
    max_words: int = 64

    def __post_init__(self) -> None:
        if self.beams < 1:
            raise UserError("beam search needs at least 1 beam")
        check_decoding(1.0, self.max_words)
