"""Decoding options of Diffuser, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tasks.common.errors import UserError
from tasks.common.ranges import Checked, ranged, share


@dataclass(frozen=True)
class RevisionGuidance(Checked):
    """Guidance of revisions by the control classifiers: several candidates, one of which goes on,
    by log p(control | text)."""

    #: times log p(control | text) and the control's own factor (``NATURAL``); 0 is no guidance
    weight: float = ranged(1.0, least=0, most=1e6)
    #: candidates of a revision: the tagger's, and texts that are corrupted again and written anew
    candidates: int = ranged(24, least=1, most=1024)
    #: share of spans that such a corruption keeps; the others are as in training
    keep: float = share(0.9)


@dataclass(frozen=True)
class DiffuserSettings(Checked):
    """Decoding options of Diffuser (Reid et al. 2022)."""

    #: revisions of a text
    steps: int = ranged(12, least=1, most=10**6)
    #: where a text begins: from nothing, which is inserted into; from random words; from a draft of
    #: the language model; from a text of ``source``
    start: Literal["nothing", "random", "draft", "source"] = "nothing"
    #: a result set and a method in it whose samples are edited, as results/demo:ft_sample
    source: str = ""
    #: sampled: tags and words are drawn; greedy: the likeliest; beam: the likeliest revisions in
    #: two dimensions, ``beams`` within one and ``kept`` across them
    decoding: Literal["sampled", "greedy", "beam"] = "sampled"
    #: of the words that are drawn
    temperature: float = ranged(1.0, least=1e-6, most=1e6)
    #: they are drawn from the smallest set of words with this probability
    top_p: float = ranged(0.9, above=0, most=1)
    beams: int = ranged(5, least=1, most=1024)
    kept: int = ranged(3, least=1, most=1024)
    guidance: RevisionGuidance = field(default_factory=RevisionGuidance)
    #: digest of the samples that are edited; filled in by itself
    edited: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source and len(self.source.rpartition(":")[0]) == 0:
            raise UserError(f"source={self.source}: SET:METHOD, as results/demo:ft_sample")


@dataclass(frozen=True)
class RepairSettings(DiffuserSettings):
    """The same, of a text that another method wrote."""

    start: Literal["nothing", "random", "draft", "source"] = "source"
