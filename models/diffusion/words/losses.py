"""What a masked word costs by how many others are masked: measured once for a
network, as an artefact of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from typing_extensions import TypedDict

from models.diffusion.words.masked import Bound
from models.diffusion.words.noise import some
from tasks.common.schema import read_json

FILE = "losses.json"
#: shares of masked words at which the loss is measured, and held-out texts behind each
SHARES, TEXTS = 16, 256


class Losses(TypedDict):
    """``losses.json``: nats of a masked word where 1 / N, 2 / N, ... 1 of a text's words
    are masked."""

    nats: Annotated[list[Annotated[float, Field(ge=0, le=1e4)]], Field(min_length=1)]


def read_losses(folder: Path) -> Sequence[float]:
    """Raises ``UserError`` for a file that is missing or damaged."""
    stored: Any = read_json(folder / FILE, Losses)
    nats: list[float] = stored["nats"]
    return nats


def measured(objective: Bound) -> list[float]:
    """The mean nats of a masked word of the held-out texts at each of ``SHARES`` shares, at fixed
    random numbers."""
    rng, held = torch.Generator().manual_seed(0), objective.held
    rows = torch.linspace(0, len(held.ids) - 1, min(TEXTS, len(held.ids))).long()
    nats, words = [0.0] * SHARES, [0] * SHARES
    with torch.inference_mode():
        for part in rows[held.words[rows].argsort(stable=True)].split(64):
            ids, _ = held.batch(part)
            free = objective.free(ids, None, rng)
            for i in range(SHARES):
                masked = some(free, (free.sum(1) * (i + 1) / SHARES).ceil().long(), rng)
                time = masked.sum(1) / free.sum(1)
                nats[i] += float(objective.masked_nats(ids, masked, time).sum())
                words[i] += int(masked.sum())
    return [total / count for total, count in zip(nats, words, strict=True)]
