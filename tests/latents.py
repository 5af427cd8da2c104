"""Small networks of latents for the tests."""

from __future__ import annotations

from typing import Any

import torch

from models.diffusion.config import LevelsConfig
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.denoiser import make_denoiser
from models.diffusion.latents.network import Network
from models.nets.config import EncoderConfig, TrainConfig
from tasks.vocabulary import SPECIALS, Vocabulary

TINY = EncoderConfig(
    layers=1, width=16, heads=2, feedforward=32, dropout=0.0, attention_dropout=0.0
)
WORDS = Vocabulary([*SPECIALS, *"abcdefgh"])
LEVELS = LevelsConfig(kind="warped", bins=4)
#: what a network that reads latents and writes words is
PLAIN: dict[str, Any] = {
    "output": "words", "reads": "latents", "evidence": False, "normalised": True,
    "objective": "words", "levels": LEVELS, "steps": 40,
}  # fmt: skip


def config(**changes: Any) -> DiffusionConfig:
    sizes: dict[str, Any] = {
        "length": 12, "positions": 12, "embedding": 8, "time": 8, "network": TINY,
        "train": TrainConfig(steps=6, batch=4, ema=0.9, every=3, checkpoint=0.0, bf16=False),
    }  # fmt: skip
    return DiffusionConfig(**(sizes | changes))


def network(words: int = len(WORDS), **changes: Any) -> Network:
    """A fresh network."""
    torch.manual_seed(0)
    return make_denoiser(config(**changes), words).eval()


def silenced(words: int, **changes: Any) -> Network:
    """One that says nothing of words but what their own latents tell."""
    made: Any = network(words, **(PLAIN | {"evidence": True} | changes))
    with torch.no_grad():
        made.words.weight.zero_()
        made.words.bias.zero_()
    return made
