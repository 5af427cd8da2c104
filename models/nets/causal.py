"""GPT-2 language models: training from scratch, fine-tuning, loading (paper, section 6.3).

One network serves as FUDGE's base model, as the fine-tuned baselines and as the teacher behind
lm-score: they differ in their prompts, their data and their seed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base import stream_seed
from models.nets import parallel
from models.nets.artefact import load_module, save_module
from models.nets.codec import Codec, TokenizerCodec, load_codec
from models.nets.config import LMConfig
from models.nets.precision import matrix_dtype
from models.nets.pretrained import llama, load_causal
from models.nets.train import fit
from tasks.base import Words
from tasks.common.batching import BatchPlan
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent

if TYPE_CHECKING:
    from transformers import GPT2Config, GPT2LMHeadModel

Example = tuple[Sequence[str], Words]
"""Prompt tokens (none for an unconditional model) and the words of the text."""

VALIDATION_EXAMPLES = 1024


def gpt2(
    vocabulary: int, positions: int, layers: int, width: int, heads: int, dropout: float
) -> GPT2Config:
    """GPT-2's architecture. ``gelu_pytorch_tanh`` is GPT-2's GELU as one fused operation, and
    eager attention is the implementation whose rows were found bitwise independent of the number
    of rows (see :mod:`models.nets.decoding`) and the fastest to train at these lengths on a CPU."""
    from transformers import GPT2Config

    return GPT2Config(
        vocab_size=vocabulary,
        n_positions=positions,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        # GPT-2's 0.02 at its width of 768; a narrow network starts too small with it
        initializer_range=0.02 * (768 / width) ** 0.5,
        activation_function="gelu_pytorch_tanh",
        attn_implementation="eager",  # type: ignore[call-arg]
        # ids of whole sequences are made by the codec
        bos_token_id=None,
        eos_token_id=None,
    )


def pad_rows(rows: Sequence[np.ndarray], pad: int) -> Tensor:
    """Sequences of ids side by side, filled up on the right: (rows, longest)."""
    out = np.full((len(rows), max(map(len, rows))), pad, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return torch.from_numpy(out)


def token_nll(model: GPT2LMHeadModel, ids: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihoods in nats, fp32, of the tokens that ``mask`` marks, flat in row order.

    ``ids`` (B, L), padded on the right, which no real token attends to; ``mask`` (B, L - 1) marks
    positions 1.. as predicted.
    """
    hidden = model.transformer(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    logits = model.lm_head(hidden[mask]).float()
    return F.cross_entropy(logits, ids[:, 1:][mask], reduction="none")


class LMObjective:
    """Mean negative log-likelihood per token, padding left out of the loss.

    (The reference code's loss includes the PAD labels; reference notes, sections 2.9 and 2.11.)
    A batch is a random draw of sequences, run in parts of like lengths to save padding. (Whole
    batches of like lengths would teach each one its own length, and the next one another.) The
    prompt's tokens count in training, as in the reference code, unless ``loss_on_prompt`` is off;
    bos is predicted where a prompt stands before it.
    """

    def __init__(
        self,
        model: GPT2LMHeadModel,
        codec: Codec,
        train: Sequence[Example],
        valid: Sequence[Example],
        config: LMConfig,
        seed: int,
    ) -> None:
        self.module: nn.Module = model
        self.model, self.codec, self.config = model, codec, config
        self.rows, self.heads = self._encode(train)
        step = max(1, -(-len(valid) // VALIDATION_EXAMPLES))
        self.held, self.held_heads = self._encode(valid[::step])
        self.plan = BatchPlan(len(self.rows), config.train.batch, seed)

    def _encode(self, examples: Sequence[Example]) -> tuple[list[np.ndarray], np.ndarray]:
        rows, heads = [], []
        for prompt, words in examples:
            ids, head = self.codec.sequence(prompt, words)
            rows.append(np.array(ids[: self.config.max_length], dtype=np.int32))
            heads.append(head)
        return rows, np.array(heads)

    def _nll(self, rows: list[np.ndarray], first: np.ndarray) -> Tensor:
        """Flat token losses of ``rows``; row i is predicted from token ``first[i]`` on."""
        device = self.model.device
        ids = pad_rows(rows, self.codec.pad).to(device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        start = torch.as_tensor(first, device=device)
        at = torch.arange(1, ids.shape[1], device=device)
        return token_nll(self.model, ids, (at >= start[:, None]) & (at < lengths[:, None]))

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        batch = parallel.share(self.plan(step))
        parts = []
        for part in by_length([len(self.rows[i]) for i in batch], rows_at_once(self.model.device)):
            chosen = batch[part]
            first = self.heads[chosen]
            if self.config.loss_on_prompt:
                first = np.ones_like(first)
            parts.append(self._nll([self.rows[i] for i in chosen], first))
        return parallel.mean(torch.cat(parts)), {}

    def validate(self) -> Mapping[str, float]:
        """Nats per token of the text and eos (never of the prompt), all tokens alike."""
        if not self.held:
            return {}
        total, count = 0.0, 0
        for chosen in by_length([len(row) for row in self.held], 64):
            nll = self._nll([self.held[i] for i in chosen], self.held_heads[chosen])
            total, count = total + float(nll.sum()), count + len(nll)
        return {"nll": total / max(1, count)}


def rows_at_once(device: torch.device) -> int:
    """Rows of a training batch that run together: few on a CPU, where padding costs the most."""
    return 16 if device.type == "cpu" else 1024


def by_length(lengths: Sequence[int], batch: int) -> Iterator[np.ndarray]:
    """Indices in batches of like lengths."""
    order = np.argsort(np.asarray(lengths), kind="stable")
    for i in range(0, len(order), batch):
        yield order[i : i + batch]


def train_lm(
    folder: Path,
    train: Sequence[Example],
    valid: Sequence[Example],
    codec: Codec,
    config: LMConfig,
    seed: int,
    device: torch.device,
    progress: Progress = silent,
    init: Path | None = None,
) -> None:
    """Trains on ``train`` and writes weights.safetensors, codec.json, config.json and curve.jsonl.

    ``init``: folder of another language model over the same words to start from; prompt tokens
    and positions that it lacks get fresh embeddings. With ``config.pretrained``, ``codec`` must be
    the :class:`TokenizerCodec` of that model. Raises ``UserError`` where these do not fit together.
    """
    if not train:
        raise UserError("no training examples for the language model")
    torch.manual_seed(stream_seed(seed, "causal_lm", "init"))
    model = _initial(codec, config, init)
    model.to(device)  # type: ignore[arg-type]
    objective = LMObjective(model, codec, train, valid, config, seed)
    fit(objective, config.train, folder, seed, device, progress)
    _save(folder, model, codec, config)


def adopt_lm(folder: Path, codec: Codec, config: LMConfig, progress: Progress = silent) -> None:
    """Writes ``config.pretrained`` as it is to ``folder``, as :func:`train_lm` does a trained one.

    Raises ``UserError`` if it cannot be had or reads other ids than ``codec`` writes.
    """
    model = load_causal(config.pretrained)
    if len(codec) > model.config.vocab_size:
        raise UserError(f"pretrained model '{config.pretrained}' needs its own tokenizer")
    _save(folder, model, codec, config)


def _save(folder: Path, model: GPT2LMHeadModel, codec: Codec, config: LMConfig) -> None:
    codec.save(folder / "codec.json")
    network = model.config
    shape: dict[str, Any]
    if network.model_type == "llama":
        shape = {"llama": network.to_diff_dict()}
    else:
        shape = {
            "vocabulary": network.vocab_size,
            "positions": network.n_positions,
            "layers": network.n_layer,
            "width": network.n_embd,
            "heads": network.n_head,
            "dropout": network.resid_pdrop,
        }
    text = json.dumps({"lm": dataclasses.asdict(config), "network": shape}, indent=1)
    (folder / "config.json").write_text(text, encoding="utf-8")
    # the output layer is the transposed embedding: the body alone holds every parameter
    save_module(folder / "weights.safetensors", model.transformer, _meta(codec, shape))


def load_lm(folder: Path, device: torch.device) -> tuple[GPT2LMHeadModel, Codec, LMConfig]:
    """The trained network in eval mode (fp32, a Llama in bf16 where that is faster; frozen), its
    codec and its config.

    Raises ``UserError`` if a file is missing, cut short, or belongs to another model.
    """
    from transformers import GPT2LMHeadModel

    codec = load_codec(folder / "codec.json")
    config, shape = _read_config(folder / "config.json")
    try:
        model = llama(shape["llama"]) if "llama" in shape else GPT2LMHeadModel(gpt2(**shape))
    except (TypeError, ValueError) as error:
        raise UserError(f"cannot read {folder / 'config.json'}: {error}") from None
    load_module(folder / "weights.safetensors", model.transformer, _meta(codec, shape))
    model.tie_weights()
    if "llama" in shape:
        model.to(matrix_dtype(device))  # type: ignore[arg-type]
    model.to(device)  # type: ignore[arg-type]
    return model.eval().requires_grad_(False), codec, config


def _initial(codec: Codec, config: LMConfig, init: Path | None) -> GPT2LMHeadModel:
    from transformers import GPT2LMHeadModel

    if init is not None:
        model, other, _ = load_lm(init, torch.device("cpu"))
        _check_same_text(init, other, codec)
        model.requires_grad_(True)
        _set_dropout(model, config.dropout)
        _lengthen(model, config.max_length)
        # prompt tokens that both know keep their rows; the rest start afresh
        old = model.transformer.wte.weight.detach().clone()
        model.resize_token_embeddings(codec.text_size, mean_resizing=False)
        model.resize_token_embeddings(len(codec), mean_resizing=False)
        with torch.no_grad():
            for token in set(codec.prompt) & set(other.prompt):
                at, source = codec.encode_prompt([token])[0], other.encode_prompt([token])[0]
                model.transformer.wte.weight[at] = old[source]
        return model
    if config.pretrained:
        return _pretrained(codec, config)
    if isinstance(codec, TokenizerCodec):
        raise UserError("a subword tokenizer goes with 'pretrained', which is empty")
    shape = (len(codec), config.max_length, config.layers, config.width, config.heads)
    return GPT2LMHeadModel(gpt2(*shape, config.dropout))


def _pretrained(codec: Codec, config: LMConfig) -> GPT2LMHeadModel:
    if not isinstance(codec, TokenizerCodec):
        raise UserError(f"pretrained model '{config.pretrained}' needs its own tokenizer")
    model = load_causal(config.pretrained)
    if model.config.n_positions < config.max_length:
        raise UserError(
            f"pretrained model '{config.pretrained}' has {model.config.n_positions} positions, "
            f"fewer than max_length {config.max_length}"
        )
    model.resize_token_embeddings(len(codec), mean_resizing=False)
    return model


def _check_same_text(init: Path, old: Codec, new: Codec) -> None:
    a, b = old.with_prompt([]), new.with_prompt([])
    if a.digest != b.digest:
        raise UserError(f"the language model in {init} was trained on another vocabulary")


def _lengthen(model: GPT2LMHeadModel, positions: int) -> None:
    """Adds positions that the model lacks, with fresh embeddings (prompts make texts longer)."""
    old = model.transformer.wpe.weight
    if positions <= len(old):
        return
    new = nn.Embedding(positions, old.shape[1])
    nn.init.normal_(new.weight, std=model.config.initializer_range)
    with torch.no_grad():
        new.weight[: len(old)] = old
    model.transformer.wpe = new
    model.config.n_positions = positions


def _set_dropout(model: nn.Module, p: float) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = p


def _meta(codec: Codec, shape: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": "causal_lm", "codec": codec.digest, **shape}


def _read_config(path: Path) -> tuple[LMConfig, dict[str, Any]]:
    from pydantic import TypeAdapter, ValidationError

    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(LMConfig).validate_python(data["lm"]), dict(data["network"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise UserError(f"cannot read {path}: {str(error).splitlines()[0]}") from None
