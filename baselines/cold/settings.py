"""Decoding options of COLD, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.settings import count, divisor
from tasks.common.errors import UserError
from tasks.common.ranges import Checked, ranged, share

#: iterations of the published run, which the marks of the noise schedule count on
PUBLISHED_ITERATIONS = 2000


@dataclass(frozen=True)
class ColdSettings(Checked):
    """COLD for abductive infilling (Qin et al. 2022; reference notes, section 2.12).

    The energy of a middle is ``(1 - constraint) * (left_right * left + (1 - left_right) * right) +
    constraint * (ahead + keywords * overlap)``; :mod:`baselines.cold.energy` defines its terms.
    The published run's ``min-iters`` of 1000 has no counterpart: the last iterate is rounded. Its
    ``large-noise-iters`` 50, 500, 1000, 1500 are read as where each of ``large-gs-std`` 1, 0.5,
    0.1, 0.05 ends, and ``gs-std`` 0.01 as what follows the last.
    """

    #: soft tokens that are optimised; greedy decoding then completes the sentence
    length: int = count(10, least=1)
    #: chains a target, the candidates to choose from; 0: as many as samples are asked for
    chains: int = count(0)
    #: steps of Langevin dynamics
    iterations: int = count(2000)
    #: learning rate of Adam, which turns the energy's gradient into a step
    step_size: float = ranged(0.1, least=0, most=1000)
    #: standard deviation of the Gaussian noise added to the logits after each step
    noise: tuple[float, ...] = ranged((1.0, 0.5, 0.1, 0.05, 0.01), least=0, most=1000)
    #: the iteration from which each entry of ``noise`` holds, none before the first; with fewer
    #: than 2000 iterations they shrink in proportion
    noise_from: tuple[int, ...] = ranged((0, 50, 500, 1000, 1500), least=0, most=10**6)
    #: share of the left-to-right model in fluency; the rest is the right-to-left model's, which 1
    #: does without
    left_right: float = share(0.6)
    #: share of the constraints in the energy; the rest is fluency's
    constraint: float = share(0.5)
    #: weight of keyword overlap beside that of the right context's likelihood
    keywords: float = ranged(0.05, least=0, most=1e6)
    #: tokens, the left-to-right model's best, that a position chooses among; 0: all
    top_k: int = count(2)
    #: keywords can be chosen beside the ``top_k`` tokens
    keywords_allowed: bool = True
    #: the networks read the chosen tokens instead of soft ones, without a gradient, and the right
    #: context follows soft tokens whose gradient leaves ``temperature`` out
    straight_through: bool = True
    #: temperature of the soft tokens
    temperature: float = divisor(0.3)
    #: longest middle in words, which is what completing the sentence may reach
    max_words: int = count(40, least=1)
    #: avoid: UNK is never chosen; keep: it stays; repair: the masked language model
    #: ``repair_model`` replaces it
    unk: Literal["avoid", "keep", "repair"] = "avoid"
    #: hub id or local folder
    repair_model: str | None = None

    def __post_init__(self) -> None:
        for name in ("noise", "noise_from"):  # the command line gives lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        super().__post_init__()
        if len(self.noise) != len(self.noise_from):
            raise UserError(
                f"noise has {len(self.noise)} entries and noise_from {len(self.noise_from)}: "
                "each standard deviation needs the iteration that it holds from"
            )
        if list(self.noise_from) != sorted(set(self.noise_from)):
            raise UserError(f"noise_from {self.noise_from} must be increasing")
        if self.max_words < self.length:
            raise UserError(f"length {self.length} is more than max_words {self.max_words}")
        if self.unk == "repair" and not self.repair_model:
            raise UserError("unk=repair needs repair_model, such as bert-base-cased")

    def noise_std(self, iteration: int) -> float:
        """Standard deviation of the noise that follows step ``iteration`` (from 0)."""
        scale = min(1.0, self.iterations / PUBLISHED_ITERATIONS)
        begun = [
            std
            for std, mark in zip(self.noise, self.noise_from, strict=True)
            if iteration >= mark * scale
        ]
        return begun[-1] if begun else 0.0
