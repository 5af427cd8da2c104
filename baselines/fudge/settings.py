"""Decoding options of FUDGE, free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.settings import check_decoding
from tasks.common.errors import UserError


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
        check_decoding(self.temperature, self.max_words)
