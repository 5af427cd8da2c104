"""Decoding options of fine-tuned language models, free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.settings import count, divisor, probability
from tasks.common.ranges import Checked


@dataclass(frozen=True)
class FTSampleSettings(Checked):
    """Samples of a fine-tuned model; the defaults are plain ancestral sampling (paper, 6.3)."""

    temperature: float = divisor()
    #: draw among the k likeliest tokens; 0: among all
    top_k: int = count(0)
    #: draw from the smallest set of tokens with this probability
    top_p: float = probability()
    #: longest text in words
    max_words: int = count(64, least=1)


@dataclass(frozen=True)
class FTPoESettings(FTSampleSettings):
    """Samples of the product of two fine-tuned models; the options apply to the product."""


@dataclass(frozen=True)
class FTSearchSettings(Checked):
    """Beam search over a fine-tuned model (paper, section 6.3)."""

    beams: int = count(4, least=1)
    #: longest text in words
    max_words: int = count(64, least=1)
