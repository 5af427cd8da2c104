"""States of a text on its way from noise, for figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from models.base import Frame
from models.diffusion.latents.way import Way
from models.diffusion.loop import moments
from tasks.base import Target


def frames_of(
    way: Way[Any], target: Target, rngs: Sequence[torch.Generator], frames: int
) -> list[Frame] | None:
    """The nearest word of every position's latent at ``frames`` levels, from one random stream;
    None where a way fills in and writes no whole texts."""
    given = way.whole(target)
    if given is None:
        return None
    diffusion, made = way.diffusion, list[Frame]()
    schedule = diffusion.schedule
    wanted = moments(schedule.steps, frames)

    def note(x: torch.Tensor, t: int) -> torch.Tensor:
        if t in wanted:
            (ids,) = diffusion.ids(x)
            std = float(schedule.std[t]) if t >= 0 else 0.0
            made.append(Frame(t, std, tuple(way.vocabulary.decode(ids))))
        return x

    x = diffusion.latents(rngs, pin=note, **given)
    if made[-1].t >= 0:  # the text ended early
        note(x, -1)
    return made
