"""PPLM: a frozen language model steered through its cache (Dathathri et al. 2020).

Before each token the cached keys and values of all earlier positions take gradient steps on
log p(value | mean hidden state) minus ``kl_scale`` times the divergence from the unsteered
next-token distribution (paper, section 6.3 and Table 6; reference notes, section 2.12). As in the
original: the mean runs over the text so far and one token more, the expected embedding under the
steered distribution, fed behind the *unsteered* cache; gradients reach the cache through that
distribution alone; each layer's gradient is divided by its norm; the steered cache stays steered;
the first token, behind an empty cache, is plain. The window is the whole text and the horizon one
token. Unlike the original, which steers one sample at a time, all rows of a batch go together: a
row's loss, norms and random numbers are its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor

from baselines.autoregressive import Autoregressive, Decoded, Heads, uniforms
from baselines.pplm.card import CARD
from baselines.pplm.head import AttributeHead, load_attribute_head
from baselines.pplm.settings import PPLMSettings
from models.base import Card
from models.jobs import Job
from models.nets.backbones import CausalLM, Past
from models.nets.causal import load_lm
from models.nets.codec import Codec
from models.nets.decoding import draw, padded_rows, staying, truncate
from models.nets.finite import check, naming_rows, sizes
from tasks.base import Task
from tasks.controls import Control

#: added to gradient norms, as in the original
SMALL = 1e-15


@dataclass(frozen=True)
class Context:
    """What stays fixed while a cache is steered.

    ``embedded`` (R, 1, D): the last token. ``plain``: the unsteered cache, the last token included.
    ``unsteered`` (R, V): log-probabilities of the next token. ``total`` (R, D): the sum of the
    unsteered hidden states before the last token, ``count`` of them. ``wanted`` (R,): the outputs
    of the attribute head.
    """

    embedded: Tensor
    plain: Past
    unsteered: Tensor
    total: Tensor
    count: int
    wanted: Tensor


class Steering:
    """The objective of one language model and attribute head, and the steps that descend it."""

    def __init__(self, model: CausalLM, head: AttributeHead, settings: PPLMSettings) -> None:
        self.model, self.head, self.settings = model, head, settings

    def feed(self, embedded: Tensor, past: Past) -> tuple[Tensor, Past]:
        """``embedded`` (R, 1, D) behind ``past`` -> hidden state (R, D) and the longer cache."""
        hidden, following = self.model.read(embedded, past)
        return hidden[:, -1], following

    def losses(self, logits: Tensor, hidden: Tensor, context: Context) -> Tensor:
        """``logits`` (R, V) and ``hidden`` (R, D) of the last token behind the steered cache -> the
        loss of each row (R,). ``hidden`` counts in the mean and passes no gradient on."""
        steered = logits.log_softmax(-1)
        expected = steered.exp() @ self.model.table
        ahead, _ = self.feed(expected[:, None], context.plain)
        mean = (context.total + hidden.detach() + ahead) / (context.count + 2)
        divergence = (steered.exp() * (steered - context.unsteered)).sum(-1)
        log_prob = self.head.log_prob(mean, context.wanted)
        return self.settings.kl_scale * divergence - log_prob

    def steer(self, past: Past, context: Context) -> Past:
        """``past``, the cache before the last token, after ``steps`` gradient steps."""
        settings = self.settings
        now = [tensor for pair in past for tensor in pair]
        for _ in range(settings.steps):
            with torch.enable_grad():
                leaves = [tensor.detach().requires_grad_() for tensor in now]
                hidden, _ = self.feed(context.embedded, pairs(leaves))
                losses = self.losses(self.model.logits(hidden), hidden, context)
                gradients = torch.autograd.grad(losses.sum(), leaves)
            right = losses.isfinite()
            now = []
            for layer, gradient in zip(pairs(leaves), pairs(gradients), strict=True):
                squares = torch.stack([part.square().sum((1, 2, 3)) for part in gradient]).sum(0)
                norm = squares.sqrt()[:, None, None, None] + SMALL
                scale = settings.step_size / norm**settings.gamma
                moved = [x.detach() - scale * g for x, g in zip(layer, gradient, strict=True)]
                right = right & sizes(moved[0]) & sizes(moved[1])
                now += moved
            check(right, "the steered keys and values")
        return pairs(now)


def pairs(tensors: Sequence[Tensor]) -> Past:
    """Keys, values, keys, values ... layer by layer."""
    return list(zip(tensors[::2], tensors[1::2], strict=True))


class PPLM(Autoregressive):
    """PPLM over the language model that FUDGE steers, and a linear attribute head on it.

    Network evaluations of a sample: two of the language model a token, one steered and one not, and
    for each gradient step two more, of the last token and of the one ahead.
    """

    card: ClassVar[Card] = CARD

    def __init__(
        self,
        model: CausalLM,
        codec: Codec,
        head: AttributeHead,
        task: Task,
        settings: PPLMSettings,
    ) -> None:
        super().__init__(model, codec, task, settings)
        self.head, self.steering = head, Steering(model, head, settings)

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: PPLMSettings, device: torch.device
    ) -> Self:
        """Raises ``UserError`` for a head that was trained on another language model."""
        model, codec, _ = load_lm(folders["lm"], device)
        head = load_attribute_head(folders["attribute_head"], folders["lm"], device)
        return cls(model, codec, head, task, settings)

    def _heads(self, control: Control) -> list[list[int]]:
        self.head.wanted([control])  # refuses a value that it does not know before any work
        return [self.codec.head(())]

    @torch.no_grad()
    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        settings, steering, device = self.settings, self.steering, self.model.device
        filler = padded_rows(len(jobs), device) - len(jobs)
        rows = torch.arange(len(jobs) + filler, device=device)  # the job of each row
        rows[len(jobs) :] = 0
        u = uniforms(self.name, jobs, seed, limit).to(device)
        controls = [job.target.control for job in jobs]
        wanted = self.head.wanted(controls)[rows]
        ended = torch.arange(len(rows), device=device) >= len(jobs)
        last = torch.full_like(rows, self.codec.bos)
        total = torch.zeros(len(rows), self.model.width, device=device)
        plain: Past = []
        past: Past = []
        sequences: list[list[int]] = [[] for _ in jobs]
        for step in range(limit):
            embedded = self.model.embed(last)[:, None]
            hidden, plain = steering.feed(embedded, plain)
            unsteered = self.model.logits(hidden).log_softmax(-1)
            if step:
                context = Context(embedded, plain, unsteered, total, step, wanted)
                with naming_rows(rows):
                    past = steering.steer(past, context)
            bent, past = steering.feed(embedded, past)
            steered = (self.model.logits(bent) / settings.temperature).log_softmax(-1)
            logits = settings.gm_scale * steered + (1 - settings.gm_scale) * unsteered
            logits[:, self.codec.forbidden] = -torch.inf
            with naming_rows(rows):
                last = draw(truncate(logits, 1.0, settings.top_k, 1.0), u[rows, step])
            total = total + hidden
            for row, token, over in zip(rows.tolist(), last.tolist(), ended.tolist(), strict=True):
                if not over:
                    sequences[row].append(token)
            ended = ended | (last == self.codec.eos)
            if bool(ended.all()):
                break
            keep = staying(ended)
            if keep is not None:
                rows, last, total = rows[keep], last[keep], total[keep]
                wanted, ended = wanted[keep], ended[keep]
                plain, past = ([(k[keep], v[keep]) for k, v in one] for one in (plain, past))
        return [(ids, 2.0 * (len(ids) + settings.steps * (len(ids) - 1))) for ids in sequences]
