"""Settings of the oracles trained here, free of torch so that ``--help`` stays quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tasks.common.errors import UserError
from tasks.common.ranges import Checked, ranged


@dataclass(frozen=True)
class ParserConfig(Checked):
    """Sizes and regularisation of a ``ChartParser``; the defaults are for the treebank sample."""

    encoder: Literal["lstm", "transformer"] = "lstm"
    """Bidirectional LSTM (Gaddy et al. 2018) or benepar's partitioned Transformer."""
    d_model: int = ranged(320, least=2, most=2**20)
    """Width of the encoder's states, both directions together; even."""
    layers: int = ranged(2, least=1, most=2**20)
    """Layers of the encoder."""
    d_char: int = ranged(48, least=1, most=2**20)
    """Character embedding."""
    d_word: int = ranged(100, least=1, most=2**20)
    """Embedding of words seen often in training."""
    d_input: int = ranged(48, least=0, most=2**20)
    """Embedding of the input's predicted part-of-speech tags; unused without an input tagger."""
    d_label: int = ranged(160, least=1, most=2**20)
    """Hidden width of the span classifier and of the tag classifier."""
    dropout: float = ranged(0.35, least=0, below=1)
    """On the encoder's input, between its layers and on its output."""
    word_dropout: float = ranged(0.2, least=0, below=1)
    """Share of training words whose word embedding is replaced by that of the unknown word."""
    tag_dropout: float = ranged(0.15, least=0, below=1)
    """Share of training words whose predicted tag is hidden: it is wrong more often elsewhere than
    on the newspaper text that the tagger was trained on."""
    tag_loss: float = ranged(2.0, least=0, most=1000)
    """Weight of the tag classifier's cross-entropy beside the span loss."""
    min_word: int = ranged(2, least=0, most=2**20)
    """Words seen at least so often in training have an embedding."""
    min_label: int = ranged(3, least=0, most=2**20)
    """Labels (unary chains) seen at least so often are predicted; the time grows with them."""
    batch: int = ranged(32, least=1, most=2**20)
    """Sentences a training step."""
    max_train_words: int = ranged(45, least=1, most=2**20)
    """Longer sentences are left out of training: the chart grows with the square."""
    max_words: int = ranged(120, least=1, most=2**20)
    """Longer sentences are cut into pieces before parsing."""
    max_chars: int = ranged(24, least=1, most=2**20)
    """Characters read of a word."""
    split: bool = True
    """Parse the sentences of a text one by one and join them (see ``segments``). Off for a
    treebank whose trees cover texts of several sentences."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.d_model % 2:
            raise UserError(f"d_model={self.d_model}: an even number, both directions together")

    @classmethod
    def small(cls) -> ParserConfig:
        """For a corpus of regular trees (the grammar): about a minute of training on one core."""
        return cls(
            d_model=160,
            layers=1,
            d_char=24,
            d_word=48,
            d_input=0,
            d_label=96,
            dropout=0.1,
            word_dropout=0.05,
            min_label=1,
            batch=32,
            max_train_words=60,
            split=False,
        )


#: ``models.nets.config.TrainConfig`` of the treebank parser: 16 passes in about 13 minutes on one
#: core. Chosen on 101 sentences taken out of the training part. Under bf16 autocast the LSTMs leave
#: their fused kernel and a step takes half as long again, hence fp32.
TREEBANK_TRAIN: Mapping[str, Any] = {
    "steps": 2_300, "batch": 32, "lr": 2e-3, "decay": "linear", "warmup": 100, "clip": 5.0,
    "weight_decay": 0.01, "ema": 0.995, "bf16": False, "every": 200,
}  # fmt: skip
