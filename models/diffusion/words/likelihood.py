"""What a family's network says of held-out texts: -log p(number of words), exact, and its bound on
-log p(words | their number).

Shapes: B batch, L length.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from models.base import Role
from models.diffusion.pinning import read_lengths
from models.diffusion.words.frame import texts_of
from models.diffusion.words.objective import WordsObjective
from models.diffusion.words.role import build
from models.nets.artefact import load_network
from tasks.base import Words
from tasks.common.progress import Progress, silent
from tasks.vocabulary import Vocabulary


def bound_terms(
    role: Role,
    folder: Path,
    texts: Sequence[Words],
    draws: int,
    seed: int,
    device: torch.device,
    *,
    progress: Progress = silent,
) -> tuple[dict[str, Tensor], Sequence[Words]]:
    """The terms for each text in nats, (texts,) float64, and the texts measured: those that fit
    the network of ``role`` in ``folder`` whole. ``draws``: states of noise for each text, their
    times spread evenly. Raises ``UserError`` where no text fits."""
    objective, lengths = load_objective(role, folder, texts, device)
    train = objective.train
    rng = torch.Generator().manual_seed(seed)
    words = []
    with torch.inference_mode():
        for row in range(len(train.ids)):
            ids, _ = train.batch(torch.tensor([row]))
            repeated = ids.expand(draws, -1)
            free = objective.free(repeated, None, None)
            words.append(float(objective.nats(repeated, free, rng).double().mean()))
            progress(row + 1, len(train.ids), "texts")
    longest = train.ids.shape[1] - 2
    total = sum(lengths.values()) + longest
    # a length that no training text has is as likely as half of one would make it
    length = [math.log(total / (lengths.get(n, 0) + 1)) for n in train.words.tolist()]
    fits = [text for text in texts if 0 < len(text) <= longest]
    return {"length": torch.tensor(length).double(), "words": torch.tensor(words).double()}, fits


def load_objective(
    role: Role, folder: Path, texts: Sequence[Words], device: torch.device
) -> tuple[WordsObjective, Mapping[int, int]]:
    """The family's objective of a stored network on ``texts``, and how often training texts have
    each number of words."""
    assert role.Config is not None
    read = ("vocabulary", Vocabulary.load)
    network, config, vocabulary = load_network(
        folder, role.Config, partial(build, role.name), words=read
    )
    module, _, name = role.objective.partition(":")
    Objective = getattr(importlib.import_module(module), name)
    given = texts_of(texts, vocabulary, config.length)
    return Objective(network.to(device), config, given, given, 0), read_lengths(folder)
