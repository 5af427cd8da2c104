"""The network of NADO's success function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from baselines.nado.config import SuccessConfig
from models.nets.artefact import load_network
from models.nets.backbones import Decoder, fresh_body
from models.nets.codec import Codec, load_codec


class Success(Decoder):
    """Its logits are f of every next word; it reads ``codec``."""

    def __init__(self, codec: Codec, config: SuccessConfig) -> None:
        shape = {name: getattr(config, name) for name in ("layers", "width", "heads", "dropout")}
        super().__init__(fresh_body(len(codec), config.max_length, **shape))
        self.out = nn.Linear(config.width, codec.text_size)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.facts = {"kind": "success", **shape}

    def logits(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.out(hidden)
        return logits


def load_success(folder: Path, device: torch.device) -> tuple[Success, Codec]:
    """Raises ``UserError`` for files that are missing, damaged or of another network."""

    def build(config: SuccessConfig, codec: Codec) -> tuple[Success, dict[str, Any]]:
        network = Success(codec, config)
        return network, network.facts

    network, _, codec = load_network(folder, SuccessConfig, build, words=("codec", load_codec))
    return network.to(device), codec
