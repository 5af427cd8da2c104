"""Hidden states of the network of masked words, as what control classifiers read and climb (NOS,
Gruver et al. 2023).

Shapes: B batch, L length, D width of the states, V words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.classifiers.base import Guide, Space
from models.diffusion.classifiers.training import load_guide
from models.diffusion.config import ClassifierConfig
from models.diffusion.loop import uniform
from models.diffusion.words.config import ClimbConfig, WordsConfig
from models.diffusion.words.decoding import Decoder
from models.diffusion.words.frame import words_of
from models.diffusion.words.guide import filled
from models.diffusion.words.masked import NETWORK
from models.diffusion.words.reader import Reader, Said
from models.diffusion.words.role import build
from models.nets.artefact import CONFIG, load_network, read_config
from models.nets.encoder import WordEncoder
from tasks.controls import Control
from tasks.vocabulary import PAD, Vocabulary


def climbed(
    hidden: Tensor,
    log_prob: Callable[[Tensor], Tensor],
    said: Callable[[Tensor], Tensor],
    masked: Tensor,
    config: ClimbConfig,
) -> Tensor:
    """States (B, L, D) after the updates. ``log_prob``: of states, (B,); ``said``: their logits of
    words (B, L, V); ``masked`` (B, L): whose words are to be drawn."""
    hidden = hidden.float()
    delta, squares = torch.zeros_like(hidden), torch.zeros_like(hidden)
    before = said(hidden).log_softmax(-1)
    for _ in range(config.updates):
        with torch.enable_grad():
            delta.requires_grad_(True)
            after = said(hidden + delta).log_softmax(-1)
            away = (before.exp() * (before - after)).sum(-1)
            gain = log_prob(hidden + delta).sum() - config.stability * away[masked].sum()
            (gradient,) = torch.autograd.grad(gain, delta)
        squares = squares + gradient.square()
        delta = delta.detach() + config.step_size * gradient / (squares.sqrt() + 1e-10)
    return hidden + delta


class States:
    """The noise that heads learn under: each word masked with chance (level + 1) / ``steps``, the
    frame never, and the states (B, L, D) that ``network`` then has."""

    name, told, ids = "states of masked words", True, 0

    def __init__(self, network: WordEncoder, steps: int) -> None:
        self.network, self.steps, self.mask = network, steps, network.words - 1

    def signal(self, level: int) -> float:
        """The share of words that are left."""
        return 1 - (level + 1) / self.steps

    def noise_for(self, ids: Tensor, table: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return uniform(tuple(ids.shape), rng)

    def latents(self, ids: Tensor, table: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        chance = (level + 1) / self.steps
        x = ids.masked_fill((noise < chance[:, None]) & words_of(ids), self.mask)
        with torch.no_grad():
            return states(self.network, x.to(self.network.device), chance.to(self.network.device))


def states(network: WordEncoder, ids: Tensor, time: Tensor) -> Tensor:
    """Of texts (B, L), (B, L, D), fp32."""
    return network.states(network.embed(ids, time)).float()


def load_space(folder: Path, config: ClassifierConfig, device: torch.device) -> Space:
    """The states of the network of masked words in ``folder``."""
    read = ("vocabulary", Vocabulary.load)
    network, shape, words = load_network(folder, WordsConfig, partial(build, NETWORK), words=read)
    return space(network.to(device), words, shape.length, config.steps)


def space(network: WordEncoder, words: Vocabulary, length: int, steps: int) -> Space:
    """The states of ``network`` in texts of ``length`` tokens."""
    table = network.word_embedding.weight[: len(words)].float()
    return Space(States(network, steps), table, words, length, network.device)


class Climbing:
    """What the network of ``reader`` says of texts under the controls of a batch, its states
    climbing. ``guides``: one for each control of a target, and the levels that it knows;
    ``length``: tokens of the texts that they read, PAD included."""

    def __init__(
        self, reader: Reader, guides: Sequence[tuple[Guide, int]], length: int, config: ClimbConfig
    ) -> None:
        self.reader, self.guides, self.length, self.config = reader, guides, length, config

    def __call__(self, rows: Tensor, x: Tensor, time: Tensor) -> Tensor:
        """Texts x (R, L), rows ``rows`` (R,) of the batch -> logits (R, L, V), fp32."""
        network: Any = self.reader.module
        texts = filled(F.pad(x, (0, self.length - x.shape[1]), value=PAD))
        share = filled(time)
        parts = [(one.take(filled(rows)), levels) for one, levels in self.guides]

        def log_prob(hidden: Tensor) -> Tensor:
            total = hidden.new_zeros(len(hidden))
            for guide, levels in parts:
                level = (share * levels).ceil().long() - 1
                total = total + guide(hidden, level).float() * guide.terms
            return total

        def said(hidden: Tensor) -> Tensor:
            logits: Tensor = network.said(hidden)[..., : self.reader.words]
            return logits

        hidden = states(network, texts, share)
        masked = texts == self.reader.words
        return said(climbed(hidden, log_prob, said, masked, self.config))[: len(x), : x.shape[1]]


def climbing(decoder: Decoder, heads: Mapping[str, Path], config: ClimbConfig) -> Decoder:
    """``decoder``, guided in its states by the classifiers in ``heads``, by kind of control."""
    network: Any = decoder.reader.module
    length = decoder.frames.longest
    makers = []
    for kind, folder in heads.items():
        steps = read_config(folder / CONFIG, ClassifierConfig).steps
        read = space(network, decoder.vocabulary, length, steps)
        makers.append((load_guide(kind, folder, read), steps))

    def steer(columns: Sequence[Sequence[Control]]) -> Said:
        guides = [
            (make(column), steps) for (make, steps), column in zip(makers, columns, strict=True)
        ]
        return Climbing(decoder.reader, guides, length, config)

    passes = 1 + config.updates * len(makers)
    reader = Reader(network, decoder.reader.words, passes)
    return replace(decoder, reader=reader, steer=steer)
