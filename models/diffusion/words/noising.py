"""The noise that control classifiers of words learn under: that of every family, so that one
classifier guides them all.

Shapes: B batch, L length, V ids (those of words, and the mask).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from models.diffusion.classifiers.base import Guide, Space
from models.diffusion.loop import uniform
from models.diffusion.words.config import WordClassifierConfig
from models.diffusion.words.frame import word_ids, words_of
from tasks.corpora.stored import read_vocabulary
from tasks.vocabulary import Vocabulary


class EveryNoise:
    """Half of the texts lose words to the mask, and half have words replaced by others, each word
    with chance (level + 1) / ``steps``; the frame stays. A classifier is told the level: that a
    text states no value is only sure where none can have been replaced."""

    name, told = "words", True

    def __init__(self, vocabulary: Vocabulary, steps: int) -> None:
        self.steps, self.mask = steps, len(vocabulary)
        self.ids = self.mask + 1
        self._words = word_ids(self.mask)

    def signal(self, level: int) -> float:
        """The share of words that are left."""
        return 1 - (level + 1) / self.steps

    def noise_for(self, ids: Tensor, table: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Uniforms (B, 2, ...), on the CPU."""
        return uniform((len(ids), 2, *ids.shape[1:]), rng)

    def latents(self, ids: Tensor, table: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        """(B, L, D): the embeddings ``table`` (V, D) of noised ``ids`` (B, L)."""
        hit = noise[:, 0] < ((level + 1) / self.steps).view(-1, *[1] * (ids.dim() - 1))
        other = self._words[(noise[:, 1] * len(self._words)).long()]
        # each text's first uniform is START's, which nothing noises
        masked = noise[:, 1].flatten(1)[:, 0] < 0.5
        other = torch.where(masked.view(-1, *[1] * (ids.dim() - 1)), self.mask, other)
        noised = torch.where(hit & words_of(ids), other, ids)
        return table[noised.to(table.device)]


class WordGuide:
    """A classifier's guide as guidance of words reads it: the sum of its log-probabilities, of
    words embedded in its own ``table`` (V, D). ``steps``: the levels of its training."""

    def __init__(self, guide: Guide, steps: int) -> None:
        table = guide.classifier.own_table
        assert table is not None
        self.guide, self.steps, self.table = guide, steps, table

    def take(self, rows: Tensor) -> WordGuide:
        return WordGuide(self.guide.take(rows), self.steps)

    def __call__(self, x: Tensor, noise: Tensor) -> Tensor:
        """Of texts x (N, L, D), shares ``noise`` (N,) of whose words are noise."""
        level = (noise * self.steps).ceil().long() - 1
        return self.guide(x, level).float() * self.guide.terms


def space(vocabulary: Vocabulary, length: int, steps: int, device: torch.device) -> Space:
    """Texts of ``length`` tokens under every noise."""
    return Space(EveryNoise(vocabulary, steps), None, vocabulary, length, device)


def load_space(folder: Path, config: WordClassifierConfig, device: torch.device) -> Space:
    """:func:`space` of the vocabulary in ``folder``, for classifiers of these settings."""
    return space(read_vocabulary(folder), config.length, config.steps, device)
