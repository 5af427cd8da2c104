"""Trains NADO's success function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from baselines.nado.config import SuccessConfig
from baselines.nado.objective import Objective
from baselines.nado.success import Success
from models.base import stream_seed
from models.nets.artefact import save_network
from models.nets.causal import Example, load_lm
from models.nets.codec import Codec
from models.nets.train import fit
from tasks.base import Words
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent


def train_success(
    folder: Path,
    lm: Path,
    codec: Codec,
    train: tuple[Sequence[Example], Sequence[Words]],
    held: tuple[Sequence[Example], Sequence[Words]],
    config: SuccessConfig,
    *,
    seed: int,
    evenly: bool,
    device: torch.device,
    progress: Progress = silent,
) -> None:
    """Writes weights.safetensors, codec.json, config.json and curve.jsonl. ``lm``: folder of the
    language model; the rest as of :class:`Objective`. Raises ``UserError`` where the two read
    different words."""
    model, words, _ = load_lm(lm, device)
    if words.with_prompt([]).digest != codec.with_prompt([]).digest:
        raise UserError(f"the language model in {lm} was trained on another vocabulary")
    torch.manual_seed(stream_seed(seed, "success", "init"))
    network = Success(codec, config).to(device)
    objective = Objective(
        network, model, codec, train, held, config=config, seed=seed, evenly=evenly
    )
    fit(objective, config.train, folder, seed, device, progress)
    save_network(folder, network, config, network.facts, words=("codec", codec))
