"""Decoding options of the autoregressive baselines, free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.errors import UserError


@dataclass(frozen=True)
class FudgeSettings:
    """FUDGE (paper, appendix B and Table 6; reference notes, section 2.12)."""

    #: weight of the discriminator's log-probability; None: the paper's choice for the task
    lam: float | None = None
    #: tokens, the language model's best, whose continuations the discriminator judges
    pre_top_k: int = 200
    #: tokens among which the next one is drawn, the best after reweighting
    post_top_k: int = 10
    temperature: float = 1.0
    #: longest text in words
    max_words: int = 64

    def __post_init__(self) -> None:
        if self.pre_top_k < 1 or self.post_top_k < 1:
            raise UserError("pre_top_k and post_top_k must be at least 1")
        _check(self.temperature, self.max_words)


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
        _check(self.temperature, self.max_words)


@dataclass(frozen=True)
class FTSearchSettings:
    """Beam search over a fine-tuned model (paper, section 6.3)."""

    beams: int = 4
    #: longest text in words
    max_words: int = 64

    def __post_init__(self) -> None:
        if self.beams < 1:
            raise UserError("beam search needs at least 1 beam")
        _check(1.0, self.max_words)


def _check(temperature: float, max_words: int) -> None:
    if temperature <= 0 or max_words < 1:
        raise UserError("temperature must be positive and max_words at least 1")
