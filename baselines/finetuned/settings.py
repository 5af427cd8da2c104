"""Decoding options of fine-tuned language models, free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.settings import SampleSettings, count
from tasks.common.ranges import Checked


@dataclass(frozen=True)
class FTSampleSettings(SampleSettings):
    """Samples of a fine-tuned model; the defaults are plain ancestral sampling (paper, 6.3)."""


@dataclass(frozen=True)
class FTPoESettings(FTSampleSettings):
    """Samples of the product of two fine-tuned models; the options apply to the product."""


@dataclass(frozen=True)
class FTSearchSettings(Checked):
    """Beam search over a fine-tuned model (paper, section 6.3)."""

    beams: int = count(4, least=1)
    #: longest text in words
    max_words: int = count(64, least=1)
