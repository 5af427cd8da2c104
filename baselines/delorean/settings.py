"""Decoding options of DELOREAN, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasks.common.errors import UserError


@dataclass(frozen=True)
class DeloreanSettings:
    """DELOREAN for abductive infilling (Qin et al. 2020; reference notes, section 2.12).

    The defaults are the published ones, for GPT-2 medium, but for the ranking, whose BERT has to be
    named, and ``unk``. The logits of a small network with a small vocabulary have a small norm, and
    its embeddings average badly: it needs larger steps and lower temperatures (0.05 and 0.1 did
    well on the embedded stories).
    """

    #: tokens of the middle before it is cut after its first sentence
    length: int = 15
    #: backward passes, each followed by a forward pass
    passes: int = 20
    #: gradient steps of a backward pass
    backward_steps: int = 20
    #: length of a gradient step, in the unit that ``step_unit`` names
    step_size: float = 3e-4
    #: logits: a step is as long as ``step_size`` times the norm of the middle's logits; one: as
    #: ``step_size`` itself
    step_unit: Literal["logits", "one"] = "logits"
    #: weight of the forward pass's logits in the mixture; the backward pass's get the rest
    mix_rate: float = 0.88
    #: of the soft tokens that the backward pass reads
    temperature_backward: float = 1.0
    #: of the soft tokens that the forward pass reads
    temperature_forward: float = 1.0
    #: a text is read off among the k likeliest tokens at each position; 1: the likeliest
    top_k: int = 1
    #: lm: the language model ranks the candidates; nsp: next-sentence predictions of
    #: ``rank_model`` do, as published
    ranking: Literal["lm", "nsp"] = "lm"
    #: BERT with a next-sentence head: hub id (name@revision pins it) or local folder
    rank_model: str | None = None
    #: avoid: UNK is never generated; keep: it stays; repair: the masked language model
    #: ``repair_model`` replaces it
    unk: Literal["avoid", "keep", "repair"] = "avoid"
    #: hub id (name@revision pins it) or local folder
    repair_model: str | None = None

    def __post_init__(self) -> None:
        if self.length < 1 or self.passes < 1 or self.top_k < 1:
            raise UserError("length, passes and top_k must be at least 1")
        if self.backward_steps < 0 or self.step_size < 0:
            raise UserError("backward_steps and step_size must not be negative")
        if not 0 <= self.mix_rate <= 1:
            raise UserError(f"mix_rate is a share between 0 and 1, not {self.mix_rate}")
        if self.temperature_backward <= 0 or self.temperature_forward <= 0:
            raise UserError("temperatures must be positive")
        if self.ranking == "nsp" and not self.rank_model:
            raise UserError("ranking=nsp needs rank_model, such as bert-base-uncased")
        if self.unk == "repair" and not self.repair_model:
            raise UserError("unk=repair needs repair_model, such as bert-base-cased")
