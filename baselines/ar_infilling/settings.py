"""Decoding options of AR-infilling, free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.settings import MiddleSettings


@dataclass(frozen=True)
class ARInfillingSettings(MiddleSettings):
    """AR-infilling (paper, section 6.4; reference notes, section 2.10): plain ancestral sampling.

    The released code decodes up to 64 tokens with the contexts among them; here a sample ends at
    ``max_words`` of its own or where the network has no more positions.
    """
