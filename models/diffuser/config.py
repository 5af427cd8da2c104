"""Settings of the network of edits, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from models.diffuser.corruption import EditsConfig
from models.nets.config import EncoderConfig, TrainConfig, size
from models.nets.presets import MINILM, MINILM_SHAPE, sized
from tasks.common.ranges import Checked, ranged, share
from tasks.corpora import traits


def published() -> EncoderConfig:
    """The shape of Reid et al. 2022."""
    return EncoderConfig(
        layers=6, width=512, heads=8, feedforward=2048, dropout=0.3, attention_dropout=0.3
    )


@dataclass(frozen=True)
class EditModelConfig(Checked):
    """The network of edits, a tagger and a generator: what it reads, and how it is trained."""

    #: tokens of a text, START, END and PAD included
    length: int = size(64, least=3)
    #: a training text is corrupted once to so many times, each number as often
    steps: int = ranged(12, least=1, most=1000)
    #: what a revision is to give: the text before the last corruption (Reid et al. 2022), or the
    #: clean one
    towards: Literal["previous", "clean"] = "previous"
    #: share of training texts that lose all their words and are written from nothing
    empty: float = share(0.1)
    #: with window=3, the share of training windows in which the middle sentence alone is corrupted,
    #: as when filling in
    clean_contexts: float = share(0.0)
    #: hub id or local folder of a pretrained BERT, or PACKAGE/PATH of an installed package that
    #: carries one, that the encoder starts from; its layers and width are then ``network``'s
    init_pretrained: str = ""
    edits: EditsConfig = field(default_factory=EditsConfig)
    #: the encoder, which the tagger reads off; the generator's decoder is as wide
    network: EncoderConfig = field(default_factory=published)
    #: layers of the decoder
    decoder_layers: int = size(6)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(ema=0.9999))


#: the presets' corruptions: of a text hit twelve times next to nothing is left, and what precedes
#: the last of them is noise as well, which networks this small would learn to write
_MILD: dict[str, Any] = {"steps": 6, "towards": "clean"}
_TRAIN = TrainConfig(steps=8_000, batch=64, lr=1e-3, warmup=200, clip=1.0, ema=0.999, every=250)
_PLAIN = {"dropout": 0.0, "attention_dropout": 0.0}


def preset(name: str, run: Any) -> EditModelConfig:
    """Its size and training under a preset; ``run``: the run's settings."""
    length, _, train = sized(name)
    made = EditModelConfig(length=length, train=train)
    if name == "demo":
        network = EncoderConfig(layers=2, width=128, heads=4, feedforward=512, **_PLAIN)
        train = replace(_TRAIN, steps=1_800, batch=32, lr=2e-3, ema=0.99)
        made = replace(made, network=network, decoder_layers=2, train=train, **_MILD)
    elif name == "pretrained":
        train = replace(_TRAIN, steps=6_000, batch=32, lr=3e-4)
        made = replace(
            made, network=MINILM_SHAPE, decoder_layers=3, train=train, init_pretrained=MINILM,
            **_MILD,
        )  # fmt: skip
    elif name != "paper":
        network = EncoderConfig(layers=3, width=256, heads=4, feedforward=1024, **_PLAIN)
        made = replace(made, network=network, decoder_layers=3, train=_TRAIN, **_MILD)
    if traits(run.corpus).sentences and name != "paper":
        # 48 positions hold 99.5 of 100 windows of three sentences
        made = replace(made, length=48)
    return replace(made, clean_contexts=0.5) if run.window == 3 else made
