"""Which networks are read by their own layers (:mod:`models.nets.backbones.lean`)."""

from __future__ import annotations

from torch import nn

from models.nets.backbones import lean_gpt2, lean_llama
from models.nets.backbones.lean import Reading


def reading(body: nn.Module) -> Reading | None:
    """What says what ``body`` does in eval mode, where its architecture is known."""
    if lean_gpt2.is_plain(body):
        return lean_gpt2.states
    return lean_llama.states if lean_llama.is_plain(body) else None


def shares(body: nn.Module) -> bool:
    """Whether :func:`reading` looks at the front of a cache."""
    return lean_llama.is_plain(body)
