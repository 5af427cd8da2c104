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
    #: weights of a composition's discriminators, in the order of its parts; None: lam for all of
    #: them or, without it, the paper's choice for each
    lams: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.lams is not None:  # the command line gives a list
            object.__setattr__(self, "lams", tuple(self.lams))
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
class FTPoESettings(FTSampleSettings):
    """Samples of the product of two fine-tuned models; the options apply to the product."""


@dataclass(frozen=True)
class PPLMSettings:
    """PPLM (paper, section 6.3, appendix B and Table 6; reference notes, section 2.12).

    Gradient steps, step size and KL scale are the paper's; the rest follows the original's example
    with a discriminator, as the paper says it did.
    """

    #: gradient steps on the cached keys and values before each token
    steps: int = 30
    step_size: float = 0.04
    #: weight of the divergence from the unsteered next-token distribution in the loss
    kl_scale: float = 0.01
    #: power of the gradient's norm by which each layer's gradient is divided
    gamma: float = 1.0
    #: the token is drawn from steered ** gm_scale * unsteered ** (1 - gm_scale), renormalised
    gm_scale: float = 0.95
    #: draw among the k likeliest tokens; 0: among all
    top_k: int = 10
    temperature: float = 1.0
    #: longest text in words
    max_words: int = 64

    def __post_init__(self) -> None:
        if self.steps < 0 or self.step_size < 0 or self.kl_scale < 0 or self.top_k < 0:
            raise UserError("steps, step_size, kl_scale and top_k must not be negative")
        if not 0 <= self.gm_scale <= 1:
            raise UserError(f"gm_scale is a share between 0 and 1, not {self.gm_scale}")
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
