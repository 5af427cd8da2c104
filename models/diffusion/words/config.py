"""Settings of the families of discrete diffusion, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from models.diffusion.config import ClassifierConfig
from models.nets.config import EncoderConfig, TrainConfig, size
from tasks.common.ranges import Checked, ranged, share


@dataclass(frozen=True)
class WordsConfig(Checked):
    """A denoising network of words: what it reads, and how it is trained."""

    #: tokens of a sequence, START, END and PAD included
    length: int = size(64, least=3)
    #: tell the network the time; a masked text tells it by its masks (Ou et al. 2024)
    time: bool = False
    #: with window=3, the share of training windows in which the middle sentence alone is noised, as
    #: when filling in
    clean_contexts: float = share(0.0)
    #: hub id or local folder of a pretrained BERT, or PACKAGE/PATH of an installed package that
    #: carries one, that the encoder starts from; its layers and width are then ``network``'s
    init_pretrained: str = ""
    network: EncoderConfig = field(default_factory=EncoderConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(ema=0.9999))


@dataclass(frozen=True)
class WordClassifierConfig(ClassifierConfig):
    """A control classifier of words under every family's noise, which it is not told."""

    #: tokens of a sequence, START, END and PAD included; as long as the networks that it guides
    length: int = size(64, least=3)


@dataclass(frozen=True)
class WordGuidanceConfig(Checked):
    """Guidance of words by the control classifiers, before a word is decided."""

    #: exponent of p(control | text) beside p(word | text), times the control's own (``NATURAL``);
    #: 0 is no guidance
    weight: float = ranged(1.0, least=0, most=1e6)
    #: exact: the classifier reads ``candidates`` words at each position that is decided; first:
    #: all words to first order around the text, one gradient a step (Schiff et al. 2024)
    kind: Literal["exact", "first"] = "exact"
    #: words that are read at a position
    candidates: int = ranged(20, least=1, most=10**6)
    #: where they come from: the likeliest; those that the control asks for to first order, half of
    #: them, and the likeliest (hybrid); draws, which weigh by p(control | text) alone (drawn:
    #: sequential importance resampling)
    proposals: Literal["hybrid", "likely", "drawn"] = "hybrid"


#: exponents of each kind of control, chosen on held-out targets of E2E for the network of masked
#: words, and the same for all families: log p of a tree is a sum over all cells of its chart, most
#: of them empty, that of a span is of a few
NATURAL = {"field_value": 8.0, "tag_sequence": 4.0, "span": 8.0, "parse_tree": 2.0}


@dataclass(frozen=True)
class StepSettings(Checked):
    """Decoding options of every family of discrete diffusion."""

    #: steps; more of them decide fewer words at once
    steps: int = ranged(64, least=1, most=10**6)
    #: of p(word | text); below 1 the likelier words come more often
    temperature: float = ranged(0.7, above=0, most=1e6)


@dataclass(frozen=True)
class WordsSettings(StepSettings):
    """Of the families that control classifiers guide."""

    guidance: WordGuidanceConfig = field(default_factory=WordGuidanceConfig)


@dataclass(frozen=True)
class OrderSettings(Checked):
    """In which order masked words are decided, whatever the words say."""

    #: first_hitting: a word a step in random order, the law that ancestral steps tend to as they
    #: get smaller (Zheng et al. 2024; ARDM), in at most ``steps``, several words then sharing one;
    #: ancestral: each word for itself in ``steps`` steps (Sahoo et al. 2024, section 4.2), a step
    #: that changes nothing costing nothing; semi_autoregressive: block by block from the left,
    #: inside one at random (section 4.3); left_to_right: with exact guidance by the words that each
    #: candidate would leave, FUDGE's decoding (Yang and Klein 2021) on a network that reads both
    #: sides
    sampler: Literal["first_hitting", "ancestral", "semi_autoregressive", "left_to_right"] = (
        "first_hitting"
    )
    #: words of a block
    block: int = ranged(8, least=1, most=10**6)


@dataclass(frozen=True)
class ClimbConfig(Checked):
    """How far states go; the defaults are the published ones of texts."""

    #: gradient steps before each draw; 0 is no guidance
    updates: int = ranged(1, least=0, most=10**4)
    #: Adagrad's step, in units of the states
    step_size: float = ranged(0.1, above=0, most=1e6)
    #: weight of the KL divergence of the words' distributions
    stability: float = ranged(0.01, least=0, most=1e6)
