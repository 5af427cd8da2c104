"""Infilling with the words output: what it is told of contexts, and its temperature."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_infilling_diffusion import TARGETS, diffusion, generate, infilling, streams, tokens
from torch import Tensor

from models.diffusion.latents.decoding import InfillingConfig
from tasks.common.errors import UserError


def test_the_words_output_is_told_the_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clean contexts are words at every step; noised ones are latents. Pinned positions come back
    bit for bit, and a sample does not depend on those beside it."""
    for context in ("clean", "noised"):
        made = infilling(diffusion(output="words"), context=context)
        row = made.given(TARGETS[0], 0, streams(0))
        network, told = made.diffusion.network, []
        inner = network.x0

        def spy(x: Tensor, index: Tensor, time: Tensor, known: Tensor | None, *more: Any) -> Tensor:
            told.append(known)  # noqa: B023
            return inner(x, index, time, known, *more)  # noqa: B023

        monkeypatch.setattr(network, "x0", spy)
        final = made.latents([row] * 3, [("a", i) for i in range(3)], streams(0))
        middle = range(row.start, row.stop)
        pinned = [i for i in range(len(row.ids)) if i not in middle]
        table = made.diffusion.denoiser.embedding.weight
        assert torch.equal(final[:, pinned], table[torch.tensor(row.ids)[pinned]].expand(3, -1, -1))
        line = [-1 if i in middle else word for i, word in enumerate(row.ids)]
        assert len(told) == 20
        for known in told:
            if context == "noised":
                assert known is None
            else:
                assert known is not None and known.tolist() == [line] * 3
        monkeypatch.undo()

    made = infilling(diffusion(output="words"), layout="framed", middle="variable")
    together = tokens(generate(made, TARGETS, 3, 0, batch=64))
    assert tokens(generate(made, TARGETS[::-1], 3, 0, batch=2)) == together


def test_a_temperature_needs_a_network_that_says_words() -> None:
    with pytest.raises(UserError, match="needs a network with diffusion.output=words"):
        infilling(word_temperature=0.5)
    with pytest.raises(UserError, match="word_temperature=0.*: at least 1e-06"):
        InfillingConfig(word_temperature=0)
    row = infilling(diffusion(output="words")).given(TARGETS[0], 0, streams(0))
    ways = [
        infilling(diffusion(output="words"), word_temperature=value) for value in (1.0, 1.0, 0.2)
    ]
    found = [way.latents([row], [("a", 0)], streams(0)) for way in ways]
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
