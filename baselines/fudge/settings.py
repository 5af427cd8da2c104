"""Decoding options of FUDGE, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.settings import count, divisor
from tasks.common.ranges import Checked, ranged


@dataclass(frozen=True)
class FudgeSettings(Checked):
    """FUDGE (paper, appendix B and Table 6; reference notes, section 2.12)."""

    #: weight of the discriminator's log-probability; None: the paper's choice for the task
    lam: float | None = ranged(None, least=-1e6, most=1e6)
    #: tokens, the language model's best, whose continuations the discriminator judges
    pre_top_k: int = count(200, least=1)
    #: tokens among which the next one is drawn, the best after reweighting
    post_top_k: int = count(10, least=1)
    temperature: float = divisor()
    #: longest text in words
    max_words: int = count(64, least=1)
    #: weights of a composition's discriminators, in the order of its parts; None: lam for all of
    #: them or, without it, the paper's choice for each
    lams: tuple[float, ...] | None = ranged(None, least=-1e6, most=1e6)
    #: odds of the control before the first word, added to the discriminator's logit. balanced:
    #: even, as those of its training pairs; rate: the control's own, counted among training texts
    prior: Literal["balanced", "rate"] = "balanced"

    def __post_init__(self) -> None:
        if self.lams is not None:  # the command line gives a list
            object.__setattr__(self, "lams", tuple(self.lams))
        super().__post_init__()
