"""Decoding options of COLD, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasks.common.errors import UserError

#: iterations of the published run, which the marks of the noise schedule count on
PUBLISHED_ITERATIONS = 2000


@dataclass(frozen=True)
class ColdSettings:
    """COLD for abductive infilling (Qin et al. 2022; reference notes, section 2.12).

    The energy of a middle is ``(1 - constraint) * (left_right * left + (1 - left_right) * right) +
    constraint * (ahead + keywords * overlap)``; :mod:`baselines.cold.energy` defines its terms.
    The published run's ``min-iters`` of 1000 has no counterpart: the last iterate is rounded. Its
    ``large-noise-iters`` 50, 500, 1000, 1500 are read as where each of ``large-gs-std`` 1, 0.5,
    0.1, 0.05 ends, and ``gs-std`` 0.01 as what follows the last.
    """

    #: soft tokens that are optimised; greedy decoding then completes the sentence
    length: int = 10
    #: chains a target, the candidates to choose from; 0: as many as samples are asked for
    chains: int = 0
    #: steps of Langevin dynamics
    iterations: int = 2000
    #: learning rate of Adam, which turns the energy's gradient into a step
    step_size: float = 0.1
    #: standard deviation of the Gaussian noise added to the logits after each step
    noise: tuple[float, ...] = (1.0, 0.5, 0.1, 0.05, 0.01)
    #: the iteration from which each entry of ``noise`` holds, none before the first; with fewer
    #: than 2000 iterations they shrink in proportion
    noise_from: tuple[int, ...] = (0, 50, 500, 1000, 1500)
    #: share of the left-to-right model in fluency; the rest is the right-to-left model's, which 1
    #: does without
    left_right: float = 0.6
    #: share of the constraints in the energy; the rest is fluency's
    constraint: float = 0.5
    #: weight of keyword overlap beside that of the right context's likelihood
    keywords: float = 0.05
    #: tokens, the left-to-right model's best, that a position chooses among; 0: all
    top_k: int = 2
    #: keywords can be chosen beside the ``top_k`` tokens
    keywords_allowed: bool = True
    #: the networks read the chosen tokens instead of soft ones, without a gradient, and the right
    #: context follows soft tokens whose gradient leaves ``temperature`` out
    straight_through: bool = True
    #: temperature of the soft tokens
    temperature: float = 0.3
    #: longest middle in words, which is what completing the sentence may reach
    max_words: int = 40
    #: avoid: UNK is never chosen; keep: it stays; repair: the masked language model
    #: ``repair_model`` replaces it
    unk: Literal["avoid", "keep", "repair"] = "avoid"
    #: hub id (name@revision pins it) or local folder
    repair_model: str | None = None

    def __post_init__(self) -> None:
        for name in ("noise", "noise_from"):  # the command line gives lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.noise) != len(self.noise_from):
            raise UserError(
                f"noise has {len(self.noise)} entries and noise_from {len(self.noise_from)}: "
                "each standard deviation needs the iteration that it holds from"
            )
        if any(std < 0 for std in self.noise):
            raise UserError(f"noise {self.noise} holds a negative standard deviation")
        if list(self.noise_from) != sorted(set(self.noise_from)) or min((0, *self.noise_from)) < 0:
            raise UserError(f"noise_from {self.noise_from} must be increasing and not negative")
        if self.length < 1 or self.max_words < self.length:
            raise UserError(
                f"length must be at least 1 and at most max_words, not {self.length} "
                f"(max_words {self.max_words})"
            )
        if min(self.iterations, self.chains, self.top_k, self.step_size, self.keywords) < 0:
            raise UserError(
                "iterations, chains, top_k, step_size and keywords must not be negative"
            )
        for name in ("left_right", "constraint"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} is a share between 0 and 1, not {getattr(self, name)}")
        if self.temperature <= 0:
            raise UserError(f"temperature must be positive, not {self.temperature}")
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
