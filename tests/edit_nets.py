"""Small networks of edits for the tests: fresh ones, and ones that say what they are told."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from models.diffuser.config import EditModelConfig
from models.diffuser.corruption import EditsConfig
from models.diffuser.network import EditModel
from models.diffuser.role import build
from models.diffusion.words.frame import LENGTHS
from models.nets.artefact import save_network
from models.nets.config import EncoderConfig, TrainConfig
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
TINY = EncoderConfig(
    layers=1, width=16, heads=2, feedforward=32, dropout=0.0, attention_dropout=0.0
)
WORDS = Vocabulary([*SPECIALS, "a", "b", "c", "."])
RUN: Any = SimpleNamespace(corpus="grammar", window=0)


def settings(**config: Any) -> EditModelConfig:
    given: dict[str, Any] = {"length": 16, "steps": 3, "decoder_layers": 1, "network": TINY}
    given |= {"train": TrainConfig(steps=1), "edits": EditsConfig(length=1.5)}
    return EditModelConfig(**given | config)


def network(vocabulary: Vocabulary = WORDS, scale: float = 3.0, **config: Any) -> EditModel:
    """An untrained network whose weights are large enough to say something."""
    torch.manual_seed(0)
    made, _ = build(settings(**config), vocabulary)
    for weight in made.eval().requires_grad_(False).parameters():
        weight.mul_(scale if weight.ndim > 1 else 1.0)
    return made


def fresh(folder: Path, vocabulary: Vocabulary = WORDS, **config: Any) -> Path:
    """The same as its training would store it."""
    folder.mkdir(parents=True, exist_ok=True)
    _, facts = build(settings(**config), vocabulary)
    counts = {"counts": {str(n): 1 for n in range(2, 7)}}
    save_network(
        folder, network(vocabulary, **config), settings(**config), facts,
        words=("vocabulary", vocabulary), files={LENGTHS: json.dumps(counts)},
    )  # fmt: skip
    return folder
