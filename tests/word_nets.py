"""Small networks of words for the tests: fresh ones of a family, and ones that know the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.diffusion.words.frame import LENGTHS
from models.diffusion.words.role import build
from models.nets.artefact import save_network
from models.nets.config import EncoderConfig, TrainConfig
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
TINY = EncoderConfig(
    layers=1, width=16, heads=2, feedforward=32, dropout=0.0, attention_dropout=0.0
)
WORDS = Vocabulary([*SPECIALS, "a", "b", "c", "."])


def fresh(folder: Path, method: Any, length: int = 16, **config: Any) -> Path:
    """An untrained network of the method's family, as its training would store it."""
    (role,) = (one for one in method.card.brings if one.name == method.card.network)
    settings = role.preset("demo", None)
    settings = type(settings)(
        length=length, time=settings.time, network=TINY, train=TrainConfig(steps=1), **config
    )
    torch.manual_seed(0)
    network, facts = build(role.name, settings, WORDS)
    folder.mkdir(parents=True, exist_ok=True)
    counts = {"counts": {str(n): 1 for n in range(2, 7)}}
    save_network(
        folder, network, settings, facts, words=("vocabulary", WORDS),
        files={LENGTHS: json.dumps(counts)},
    )  # fmt: skip
    return folder


class Knows(nn.Module):
    """p(word | the others) of a known distribution over texts, in place of a network.

    ``table`` (W, ..., W): the joint probabilities of as many words, ids from 4 on. It says
    p(x^l | the other positions that are not masked).
    """

    def __init__(self, table: Tensor, ids: int) -> None:
        super().__init__()
        self.joint, self.words, self.device, self.time = table, ids, CPU, None
        self.positions = table.dim() + 2

    def forward(self, ids: Tensor, time: Tensor | None = None, at: Tensor | None = None) -> Tensor:
        out = torch.full((*ids.shape, self.words), -40.0)
        mask = self.words - 1
        for row, text in enumerate(ids.tolist()):
            for place in range(1, 1 + self.joint.dim()):
                index: list[Any] = []
                for other in range(1, 1 + self.joint.dim()):
                    free = other == place or text[other] == mask
                    index.append(slice(None) if free else text[other] - 4)
                part = self.joint[tuple(index)]
                axes = [i for i in range(self.joint.dim()) if isinstance(index[i], slice)]
                keep = axes.index(place - 1)
                p = part.sum([i for i in range(len(axes)) if i != keep]) if len(axes) > 1 else part
                out[row, place, 4 : 4 + len(p)] = (p / p.sum()).log().float()
        return out if at is None else out[at]
