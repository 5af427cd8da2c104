"""Settings of Ctrl-G and of its hidden Markov model, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from baselines.settings import SampleSettings
from tasks.common.ranges import Checked, ranged, share


@dataclass(frozen=True)
class CtrlGSettings(SampleSettings):
    """Ctrl-G (paper, section 3); the sampling options apply after the control."""

    #: exponent of the control's probability; 1: as the paper, 0: the language model
    weight: float = ranged(1.0, least=0, most=1e6)
    #: readings of a word as a part of speech that are rarer than this are left out
    rare: float = share(0.05)


@dataclass(frozen=True)
class HMMConfig(Checked):
    """The hidden Markov model that is distilled from the language model's own texts."""

    #: hidden states; the paper has 4,096 and 32,768 for vocabularies of 50,000
    states: int = ranged(256, least=1, most=2**16)
    #: passes of expectation maximisation over all texts
    epochs: int = ranged(20, least=1, most=10**6)
    #: texts whose prefixes are clustered for the states to start from
    clustered: int = ranged(2_000, least=1, most=10**7)
    #: added to every expected count, so that no word of a text is impossible
    smoothing: float = ranged(1e-3, above=0, most=1e6)


def preset(name: str, config: Any) -> HMMConfig:
    """A vocabulary of the preset demo has 662 words, one of E2E 821."""
    return HMMConfig({"demo": 64, "paper": 4_096}.get(name, 256))
