"""A network of latents that reads prompts before its texts.

Shapes: B batch, P tokens of a prompt, L length of a text, D embedding dimension, W width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.word_head import WordHead
from models.diffusion.prompts import Prompts
from models.nets.artefact import load_network
from models.nets.encoder import unseen
from tasks.vocabulary import PAD, Vocabulary

#: what a stored network says of itself
FACTS = {"kind": "latents behind prompts"}


class PromptedHead(WordHead):
    """As a network that reads latents and writes words does, with the tokens of a prompt, which has
    no noise, in front of the latents."""

    def __init__(self, config: DiffusionConfig, vocabulary: int, prompts: Prompts) -> None:
        super().__init__(config, vocabulary)
        width = config.network.width
        self.prompts = prompts
        #: PAD, what begins a prompt, and its tokens
        self.prompt_embedding = nn.Embedding(2 + len(prompts.tokens), width)
        self.prompt_positions = nn.Embedding(prompts.longest, width)

    def read(
        self, x_t: Tensor, model_time: Tensor, previous: Tensor | None, known: Tensor | None
    ) -> Tensor:
        """h of latents behind the prompts ``known`` (B, P)."""
        assert known is not None
        count = known.shape[1]
        told = self.prompt_embedding((known - self.prompts.mask).clamp(min=0))
        told = self.dropout(self.norm(told + self.prompt_positions.weight[:count]))
        seen = torch.ones(len(x_t), count + x_t.shape[1], dtype=torch.bool, device=x_t.device)
        seen[:, :count] = known != PAD
        hidden = torch.cat([told, self.entering(x_t, model_time, previous)], 1)
        states = self.encoder(hidden, attention_mask=unseen(seen, hidden.dtype))
        return self.leaving(states.last_hidden_state[:, count:].contiguous())


def load_prompted(folder: Path, device: torch.device) -> tuple[PromptedHead, Vocabulary]:
    """A stored network, fp32, frozen. Raises ``UserError`` for one that is damaged."""

    def build(config: DiffusionConfig, words: Vocabulary) -> tuple[PromptedHead, dict[str, Any]]:
        return PromptedHead(config, len(words), Prompts.load(folder, words)), FACTS

    read = ("vocabulary", Vocabulary.load)
    network, _, vocabulary = load_network(folder, DiffusionConfig, build, words=read)
    return network.to(device), vocabulary
