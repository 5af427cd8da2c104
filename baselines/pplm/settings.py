"""Decoding options of PPLM, free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.settings import check_decoding
from tasks.common.errors import UserError


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
        check_decoding(self.temperature, self.max_words)
