"""Decoding options of DELOREAN, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.settings import count, divisor
from tasks.common.errors import UserError
from tasks.common.ranges import Checked, ranged, share


@dataclass(frozen=True)
class DeloreanSettings(Checked):
    """DELOREAN for abductive infilling (Qin et al. 2020; reference notes, section 2.12).

    The defaults are the published ones, for GPT-2 medium, but for the ranking, whose BERT has to be
    named, and ``unk``. The logits of a small network with a small vocabulary have a small norm, and
    its embeddings average badly: it needs larger steps and lower temperatures (0.05 and 0.1 did
    well on the embedded stories).
    """

    #: tokens of the middle before it is cut after its first sentence
    length: int = count(15, least=1)
    #: backward passes, each followed by a forward pass
    passes: int = count(20, least=1)
    #: gradient steps of a backward pass
    backward_steps: int = count(20)
    #: length of a gradient step, in the unit that ``step_unit`` names
    step_size: float = ranged(3e-4, least=0, most=1000)
    #: logits: a step is as long as ``step_size`` times the norm of the middle's logits; one: as
    #: ``step_size`` itself
    step_unit: Literal["logits", "one"] = "logits"
    #: weight of the forward pass's logits in the mixture; the backward pass's get the rest
    mix_rate: float = share(0.88)
    #: of the soft tokens that the backward pass reads
    temperature_backward: float = divisor()
    #: of the soft tokens that the forward pass reads
    temperature_forward: float = divisor()
    #: a text is read off among the k likeliest tokens at each position; 1: the likeliest
    top_k: int = count(1, least=1)
    #: lm: the language model ranks the candidates; nsp: next-sentence predictions of
    #: ``rank_model`` do, as published
    ranking: Literal["lm", "nsp"] = "lm"
    #: BERT with a next-sentence head: hub id or local folder
    rank_model: str | None = None
    #: avoid: UNK is never generated; keep: it stays; repair: the masked language model
    #: ``repair_model`` replaces it
    unk: Literal["avoid", "keep", "repair"] = "avoid"
    #: hub id or local folder
    repair_model: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ranking == "nsp" and not self.rank_model:
            raise UserError("ranking=nsp needs rank_model, such as bert-base-uncased")
        if self.unk == "repair" and not self.repair_model:
            raise UserError("unk=repair needs repair_model, such as bert-base-cased")
