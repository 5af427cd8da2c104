"""Distils a hidden Markov model from texts of a language model: states start as clusters of what
the language model keeps of a prefix (latent variable distillation, Liu et al. 2023), and go on by
expectation maximisation over all texts (Baum-Welch)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.ctrl_g.config import HMMConfig
from baselines.ctrl_g.hmm import HMM, Counts, closest, clusters
from models.base import stream_seed
from models.nets.artefact import load_network, save_network
from models.nets.backbones import CausalLM
from models.nets.causal import by_length, pad_rows
from models.nets.codec import Codec, WordCodec, load_codec
from tasks.base import Words
from tasks.common import stop
from tasks.common.errors import UserError
from tasks.common.files import write_text
from tasks.common.progress import Progress, silent


def train_hmm(
    folder: Path,
    lm: tuple[CausalLM, Codec],
    train: Sequence[Words],
    valid: Sequence[Words],
    config: HMMConfig,
    *,
    seed: int,
    progress: Progress = silent,
) -> None:
    """Writes weights.safetensors, codec.json, config.json and curve.jsonl. Raises ``UserError``
    for a language model of subwords."""
    model, codec = lm
    if not isinstance(codec, WordCodec):
        raise UserError("a hidden Markov model is distilled from a language model of words")
    if not train:
        raise UserError("no texts to distil a hidden Markov model from")
    rows, held = (
        [[*codec.encode(words), codec.eos] for words in texts] for texts in (train, valid)
    )
    hmm = HMM(config.states, codec.text_size)
    allowed = torch.ones(codec.text_size, dtype=torch.float64)
    allowed[[i for i in codec.forbidden if i < codec.text_size]] = 0.0
    with torch.inference_mode():
        counts = _clustered(model, codec, rows[: config.clustered], config.states, seed)
        hmm.fill(counts, config.smoothing, allowed)
        curve = []
        for epoch in range(config.epochs):
            counts = _expected(hmm, rows)
            point = {"step": float(epoch + 1), "train_nll": counts.nll / counts.tokens}
            hmm.fill(counts, config.smoothing, allowed)
            if held:
                after = _expected(hmm, held)
                point["valid_nll"] = after.nll / after.tokens
            curve.append(point)
            progress(epoch + 1, config.epochs, f"nats a token {point['train_nll']:.3f}")
    write_text(folder / "curve.jsonl", "".join(json.dumps(point) + "\n" for point in curve))
    save_network(folder, hmm, config, hmm.facts, words=("codec", codec))


def load_hmm(folder: Path) -> tuple[HMM, Codec]:
    """On the CPU. Raises ``UserError`` for files that are missing, damaged or another's."""

    def build(config: HMMConfig, codec: Codec) -> tuple[HMM, Any]:
        hmm = HMM(config.states, codec.text_size)
        return hmm, hmm.facts

    hmm, _, codec = load_network(folder, HMMConfig, build, words=("codec", load_codec))
    return hmm, codec


def _batches(rows: Sequence[Sequence[int]], size: int = 256) -> Iterator[tuple[Tensor, Tensor]]:
    """Ids and which of them count, (B, L) both."""
    for chosen in by_length([len(row) for row in rows], size):
        stop.check()
        ids = pad_rows([np.array(rows[i]) for i in chosen], 0)
        lengths = torch.tensor([len(rows[i]) for i in chosen])
        yield ids, torch.arange(ids.shape[1]) < lengths[:, None]


def _expected(hmm: HMM, rows: Sequence[Sequence[int]]) -> Counts:
    counts = Counts(hmm.states, hmm.ids)
    for ids, mask in _batches(rows):
        counts.expected(hmm, ids, mask)
    return counts


def _clustered(
    model: CausalLM, codec: Codec, rows: Sequence[Sequence[int]], states: int, seed: int
) -> Counts:
    """Counts where a token's state is the cluster of the state that the language model predicts it
    from."""
    head = torch.tensor(codec.head(()))
    batches, states_of = list(_batches(rows, 64)), []
    for ids, _ in batches:
        read = torch.cat([head.expand(len(ids), -1), ids[:, :-1]], 1)[:, : model.positions]
        states_of.append(model.hidden(read.to(model.device))[:, len(head) - 1 :].float().cpu())
    fit = [hidden[mask[:, : hidden.shape[1]]] for hidden, (_, mask) in zip(states_of, batches)]
    centres = clusters(torch.cat(fit), states, stream_seed(seed, "hmm", "clusters"))
    counts = Counts(states, codec.text_size)
    for hidden, (ids, mask) in zip(states_of, batches, strict=True):
        n = hidden.shape[1]
        nearest = closest(hidden.flatten(0, 1), centres).view(hidden.shape[:2])
        counts.assigned(nearest, ids[:, :n], mask[:, :n])
    return counts
