"""Decoding options of PPLM, free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.settings import count, divisor
from tasks.common.ranges import Checked, ranged, share


@dataclass(frozen=True)
class PPLMSettings(Checked):
    """PPLM (paper, section 6.3, appendix B and Table 6; reference notes, section 2.12).

    Gradient steps, step size and KL scale are the paper's; the rest follows the original's example
    with a discriminator, as the paper says it did.
    """

    #: gradient steps on the cached keys and values before each token
    steps: int = count(30)
    step_size: float = ranged(0.04, least=0, most=1000)
    #: weight of the divergence from the unsteered next-token distribution in the loss
    kl_scale: float = ranged(0.01, least=0, most=1e6)
    #: power of the gradient's norm by which each layer's gradient is divided
    gamma: float = ranged(1.0, least=-10, most=10)
    #: the token is drawn from steered ** gm_scale * unsteered ** (1 - gm_scale), renormalised
    gm_scale: float = share(0.95)
    #: draw among the k likeliest tokens; 0: among all
    top_k: int = count(10)
    temperature: float = divisor()
    #: longest text in words
    max_words: int = count(64, least=1)
