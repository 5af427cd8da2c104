"""Sampling from causal language models, cached and batched over many prompts; what beam search
(:mod:`models.nets.beam`) shares with it.

A row's result depends on its own prompt and random numbers and on nothing else. That holds bit for
bit because (1) rows run together only if their prompts are equally long, so that nothing is padded
along the sequence, (2) the number of rows is always a multiple of ``CPU_ROWS`` on a CPU, where
eager attention and fp32 matrix products then treat a row alike whatever stands beside it, and
exactly ``DEVICE_ROWS`` on an accelerator, whose kernels are chosen by shape, and (3) each row's
uniforms are drawn beforehand from its own stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from models.nets.backbones import CachedNetwork, CausalLM
from models.nets.finite import check, naming_rows
from models.nets.precision import LEAST_TOKENS

#: what a token is drawn from, as errors call it
LOGITS = "the logits of the next token"

CPU_ROWS = 8
DEVICE_ROWS = 64
#: tokens of prompts that are read once for all the rows behind them: where reading them is what
#: takes the time
LONG = 64


class Reweighting(Protocol):
    """Changes next-token logits during sampling (FUDGE, products of experts)."""

    def logits(self, logits: Tensor) -> Tensor:
        """(R, V) of the language model -> (R, V) to sample from; -inf excludes a token."""

    def keep(self, rows: Tensor) -> None:
        """From now on, beginning with :meth:`advance`, of the rows ``rows`` (N,) alone."""

    def advance(self, tokens: Tensor) -> None:
        """The tokens (R,) that were chosen."""


class Experts:
    """Multiplies the sampled distribution by those of further models (a product of experts).

    ``heads``: for each model, the prompts that its rows start from. The models share the ids of
    words, those below ``words``, and have prompt tokens of their own above, which stay as they are.
    """

    def __init__(
        self,
        models: Sequence[CausalLM],
        heads: Sequence[Sequence[Sequence[int]]],
        words: int,
    ) -> None:
        self.models, self.words = models, words
        self.networks = [CachedNetwork(model) for model in models]
        self.hidden = [
            network.feed(stack(rows, network.decoder.device))
            for network, rows in zip(self.networks, heads, strict=True)
        ]

    def read(self) -> list[Tensor]:
        """What each model says of the next word, logits (R, words)."""
        pairs = zip(self.models, self.hidden, strict=True)
        return [model.logits(hidden)[:, : self.words].float() for model, hidden in pairs]

    def logits(self, logits: Tensor) -> Tensor:
        # a sum of logits is that of log-probabilities up to a constant, which sampling divides out
        total = logits.clone()
        for said in self.read():
            total[:, : self.words] += said
        return total

    def keep(self, rows: Tensor) -> None:
        for network in self.networks:
            network.reorder(rows)

    def advance(self, tokens: Tensor) -> None:
        self.hidden = [network.feed(tokens[:, None]) for network in self.networks]


def padded_rows(n: int, device: torch.device) -> int:
    """How many rows stand in for ``n`` of them."""
    multiple = CPU_ROWS if device.type == "cpu" else DEVICE_ROWS
    return -(-n // multiple) * multiple


def rows_at_once(batch: int, device: torch.device) -> int:
    """How many prompts of one length run together where up to ``batch`` may."""
    return batch if device.type == "cpu" else min(batch, DEVICE_ROWS)


def staying(ended: Tensor, least: int = 1) -> Tensor | None:
    """Which rows stay in a batch, given which have ``ended`` (R,): those that go on, in their
    order, and of the others as many as fill up the padded number of at least ``least``; None where
    all stay. Rows that have ended cost as much as the others."""
    device = ended.device
    if len(ended) <= padded_rows(least, device):
        return None
    going = (~ended).nonzero()[:, 0]
    count = padded_rows(max(least, len(going)), device)
    return torch.cat([going, ended.nonzero()[:, 0]])[:count] if count < len(ended) else None


def least_rows(model: CausalLM) -> int | None:
    """How many rows of ``model`` stay at least, that each is the same bit for bit with those beside
    it and without; None where they are not: in bf16, and in products of CPUs without AVX-512."""
    alike = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return LEAST_TOKENS if alike and model.table.dtype == torch.float32 else None


def stack(prompts: Sequence[Sequence[float]], device: torch.device, least: int = 1) -> Tensor:
    """Prompts of one length, or other numbers of theirs, as (R, L), the first repeated up to the
    padded number of rows, of at least ``least``."""
    filler = padded_rows(max(least, len(prompts)), device) - len(prompts)
    return torch.tensor([*prompts, *[prompts[0]] * filler], device=device)


def truncate(logits: Tensor, temperature: float, top_k: int, top_p: float) -> Tensor:
    """Logits divided by ``temperature``, then restricted to the ``top_k`` largest (0: all), then to
    the smallest set whose probability reaches ``top_p`` (the nucleus, the token that crosses it
    included), as in the ``transformers`` logits warpers."""
    logits = logits / temperature
    if 0 < top_k < logits.shape[-1]:
        bound = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < bound, -torch.inf)
    if top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True, stable=True)
        shares = ordered.double().softmax(-1)
        before = shares.cumsum(-1) - shares
        drop = (before >= top_p).scatter(-1, order, before >= top_p)
        logits = logits.masked_fill(drop, -torch.inf)
    return logits


def draw(logits: Tensor, uniforms: Tensor) -> Tensor:
    """Inverse-CDF draws in fp64: ``logits`` (R, V), ``uniforms`` (R,) in [0, 1) -> ids (R,). Raises
    ``NotFinite`` for a row with a NaN or +inf, or whose logits are all -inf."""
    probabilities = logits.double().softmax(-1)
    mass = probabilities.cumsum(-1)
    check(mass[:, -1].isfinite(), LOGITS)  # NaN in each of these cases
    # the first id whose cumulative mass exceeds u; u * total guards against rounding of the total
    chosen = torch.searchsorted(mass, (uniforms * mass[:, -1])[:, None], right=True)[:, 0]
    last = logits.shape[-1] - 1 - probabilities.gt(0).flip(-1).int().argmax(-1)
    return torch.minimum(chosen, last)


def read(network: CachedNetwork, ids: Tensor, once: bool, one: bool = False) -> Tensor:
    """The last hidden states (R, D) behind the prompts ``ids`` (R, L). ``once``: a long prompt is
    read once however many rows it has, where :func:`least_rows` says that no row sees another, and
    kept once where there is never more than ``one``."""
    if not once or ids.device.type != "cpu" or ids.shape[1] < LONG:
        return network.feed(ids)
    if one:
        hidden = network.feed(ids[:1])
        network.spread(len(ids))
        return hidden.expand(len(ids), -1)
    distinct, rows = ids.unique(dim=0, return_inverse=True)
    hidden = network.feed(distinct)
    network.reorder(rows)
    return hidden[rows]


@torch.inference_mode()
def sample(
    model: CausalLM,
    prompts: Sequence[Sequence[int]],
    uniforms: Tensor,
    eos: int,
    forbidden: Sequence[int],
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    reweighting: Reweighting | None = None,
    one: bool = False,
) -> list[list[int]]:
    """One sampled continuation for each prompt (all of one length), eos included where reached.

    ``uniforms`` (n, limit), fp64: row i's random numbers, one a token, and the limit on tokens.
    ``forbidden`` ids never come out. Rows that have ended make room, which changes no other.
    ``one``: the caller never has rows of different prompts run together.
    """
    device, least = model.device, least_rows(model)
    ids = stack(prompts, device, (least or 1) if one else 1)
    limit = uniforms.shape[1]
    u = torch.zeros(len(ids), limit, dtype=torch.float64)
    u[: len(prompts)] = uniforms
    u = u.to(device)
    places = torch.arange(len(ids), device=device)  # of which prompt each row is
    ended = places >= len(prompts)
    texts = torch.full((len(ids), limit), eos, device=device)
    network = CachedNetwork(model)
    hidden = read(network, ids, once=least is not None, one=one)
    for step in range(limit):
        with naming_rows(places):
            logits = model.logits(hidden).float()
            logits[:, list(forbidden)] = -torch.inf
            if reweighting is not None:
                logits = reweighting.logits(logits)
            token = draw(truncate(logits, temperature, top_k, top_p), u[places, step])
        texts[places, step] = token
        ended = ended | (token == eos)
        if step + 1 == limit or bool(ended.all()):
            break
        stay = None if least is None else staying(ended, least)
        if stay is not None:
            places, ended, token = places[stay], ended[stay], token[stay]
            network.reorder(stay)
            if reweighting is not None:
                reweighting.keep(stay)
        hidden = network.feed(token[:, None])
        if reweighting is not None:
            reweighting.advance(token)
    return [until(row, eos) for row in texts[: len(prompts)].tolist()]


def until(row: list[int], eos: int) -> list[int]:
    """The ids up to the first ``eos``, which is the last of them; all where there is none."""
    return row[: row.index(eos) + 1] if eos in row else row
