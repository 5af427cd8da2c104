"""A world of three errands for tests of infilling: what is fetched decides what happens next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from models.nets.causal import train_lm
from models.nets.codec import WordCodec
from models.nets.config import LMConfig, TrainConfig
from tasks.base import Target, Words
from tasks.controls import Infill
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
#: what is fetched says what happens next
FOLLOWS = {"cup": "tea is poured", "key": "doors stand open", "pen": "letters get written"}
LEFTS = ("ann went home .", "ben was at work .", "ann sat down .")
WORDS = sorted({w for t in (*FOLLOWS.values(), *LEFTS) for w in t.split()})
CODEC = WordCodec(Vocabulary([*SPECIALS, *WORDS, *FOLLOWS, "she", "he", "fetched", "a", "!"]))
TARGETS = [
    Target(f"t{i}{j}", Infill(tuple(left.split()), (*right.split(), ".")))
    for i, left in enumerate(LEFTS)
    for j, right in enumerate(FOLLOWS.values())
]


def stories(n: int) -> list[tuple[tuple[str, ...], Words]]:
    """She fetches a cup three times out of five."""
    rng = np.random.default_rng(0)
    found: list[tuple[tuple[str, ...], Words]] = []
    for _ in range(n):
        left = LEFTS[rng.integers(len(LEFTS))]
        thing = str(rng.choice([*FOLLOWS], p=[0.6, 0.2, 0.2]))
        who = "he" if left.startswith("ben") else "she"
        text = f"{left} {who} fetched a {thing} . {FOLLOWS[thing]} ."
        found.append(((), tuple(text.split())))
    return found


def make_lm(folder: Path) -> None:
    """A language model of these stories, of 24 positions, that has learned what follows what."""
    train = TrainConfig(steps=150, batch=16, lr=5e-3, every=150, bf16=False)
    train_lm(
        folder, stories(300), [], CODEC, LMConfig(2, 32, 2, 0.0, 24, train=train), 0, device=CPU
    )
