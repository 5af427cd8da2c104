"""Settings of the families of discrete diffusion, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from models.diffusion.config import ClassifierConfig
from models.nets.config import EncoderConfig, TrainConfig
from tasks.common.errors import UserError


@dataclass(frozen=True)
class WordsConfig:
    """A denoising network of words: what it reads, and how it is trained."""

    #: tokens of a sequence, START, END and PAD included
    length: int = 64
    #: tell the network the time; a masked text tells it by its masks (Ou et al. 2024)
    time: bool = False
    #: with window=3, the share of training windows in which the middle sentence alone is noised, as
    #: when filling in
    clean_contexts: float = 0.0
    #: hub id or local folder of a pretrained BERT, or PACKAGE/PATH of an installed package that
    #: carries one, that the encoder starts from; its layers and width are then ``network``'s
    init_pretrained: str = ""
    network: EncoderConfig = field(default_factory=EncoderConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(ema=0.9999))

    def __post_init__(self) -> None:
        if self.length < 3:
            raise UserError(f"a network of texts needs a length of at least 3, not {self.length}")
        if not 0 <= self.clean_contexts <= 1:
            raise UserError(f"clean_contexts={self.clean_contexts}: a share from 0 to 1")


@dataclass(frozen=True)
class WordClassifierConfig(ClassifierConfig):
    """A control classifier of words under every family's noise, which it is not told."""

    #: tokens of a sequence, START, END and PAD included; as long as the networks that it guides
    length: int = 64


@dataclass(frozen=True)
class WordGuidanceConfig:
    """Guidance of words by the control classifiers, before a word is decided."""

    #: exponent of p(control | text) beside p(word | text), times the control's own (``NATURAL``);
    #: 0 is no guidance
    weight: float = 1.0
    #: exact: the classifier reads ``candidates`` words at each position that is decided; first:
    #: all words to first order around the text, one gradient a step (Schiff et al. 2024)
    kind: Literal["exact", "first"] = "exact"
    #: words that are read at a position
    candidates: int = 20
    #: where they come from: the likeliest; those that the control asks for to first order, half of
    #: them, and the likeliest (hybrid); draws, which weigh by p(control | text) alone (drawn:
    #: sequential importance resampling)
    proposals: Literal["hybrid", "likely", "drawn"] = "hybrid"

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise UserError(f"guidance needs at least 1 candidate, not {self.candidates}")


#: exponents of each kind of control, from validation texts: log p of a text's tags is a sum over
#: its words, that of a tree over all cells of its chart, most of them empty
NATURAL = {"field_value": 2.0, "tag_sequence": 2.0, "span": 2.0, "parse_tree": 1.0}


@dataclass(frozen=True)
class WordsSettings:
    """Decoding options that the families of discrete diffusion share."""

    #: steps; more of them decide fewer words at once
    steps: int = 64
    #: of p(word | text); below 1 the likelier words come more often
    temperature: float = 0.7
    guidance: WordGuidanceConfig = field(default_factory=WordGuidanceConfig)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UserError(f"decoding needs at least 1 step, not {self.steps}")
        if not self.temperature > 0:
            raise UserError(f"temperature must be positive, not {self.temperature}")
