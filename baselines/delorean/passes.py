"""The backward and forward passes of DELOREAN (Qin et al. 2020; reference notes, section 2.12).

A gradient step is the gradient with respect to all logits of a middle, divided by its norm, times
``step_size``, times the norm of these logits. The reference notes give the published 3e-4 without
its unit. The last factor is what lets it do anything: with steps of that length as such, all 400 of
them together move the logits of a middle by at most 0.12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.delorean.settings import DeloreanSettings
from baselines.soft import SoftReader, nll
from models.nets.backbones import Past
from models.nets.decoding import LOGITS, draw, truncate
from models.nets.finite import best, check, sizes

#: added to gradient norms
SMALL = 1e-15


@dataclass(frozen=True)
class Between:
    """What stands around the middles of R rows.

    ``first`` (R, V): logits of the first token of the middle. ``past``: the cache of the left
    context. ``right`` (R, M): ids of the right context, and ``mask`` (R, M), 0 for its padding.
    """

    first: Tensor
    past: Past
    right: Tensor
    mask: Tensor


class Relaxation:
    """The passes over logits (R, N, V) of middles, N tokens each."""

    def __init__(
        self, reader: SoftReader, settings: DeloreanSettings, excluded: Sequence[int]
    ) -> None:
        self.reader, self.settings, self.excluded = reader, settings, list(excluded)

    def between(self, left: Tensor, right: Tensor, mask: Tensor) -> Between:
        """``left`` (R, L) ids with bos, ``right`` and ``mask`` (R, M)."""
        logits, past = self.reader.feed(self.reader.embed_ids(left), last=1)
        return Between(logits[:, 0], past, right, mask.to(logits.dtype))

    def allowed(self, logits: Tensor) -> Tensor:
        """The logits with -inf for ids that are no words of a middle."""
        return logits.index_fill(-1, self._excluded(logits.device), -torch.inf)

    def embed(self, logits: Tensor, temperature: float) -> Tensor:
        """(R, n, V) -> embeddings of the soft tokens (R, n, D)."""
        return self.reader.embed_soft((self.allowed(logits) / temperature).softmax(-1))

    def losses(self, logits: Tensor, between: Between) -> Tensor:
        """Negative log-likelihood in nats of each row's right context behind its soft middle."""
        soft = self.embed(logits, self.settings.temperature_backward)
        right = self.reader.embed_ids(between.right[:, :-1])
        read = self.reader.logits(torch.cat([soft, right], 1), between.past, between.right.shape[1])
        return nll(read, between.right, between.mask)

    @torch.no_grad()
    def backward(self, logits: Tensor, between: Between) -> Tensor:
        """The logits after ``backward_steps`` gradient steps."""
        for _ in range(self.settings.backward_steps):
            with torch.enable_grad():
                leaf = logits.clone().requires_grad_()
                (gradient,) = torch.autograd.grad(self.losses(leaf, between).sum(), leaf)
            step = self.settings.step_size / (norm(gradient) + SMALL)
            if self.settings.step_unit == "logits":
                step = step * norm(logits)
            logits = logits - step * gradient
        return logits

    def forward(self, pulled: Tensor, between: Between) -> Tensor:
        """The mixture of the language model's logits and ``pulled``, those after the backward
        pass, token by token, each behind the mixed ones before it."""
        mix, past, ahead = self.settings.mix_rate, between.past, between.first
        mixed: list[Tensor] = []
        for i in range(pulled.shape[1]):
            if i:
                soft = self.embed(mixed[-1][:, None], self.settings.temperature_forward)
                logits, past = self.reader.feed(soft, past)
                ahead = logits[:, 0]
            mixed.append(mix * ahead + (1 - mix) * pulled[:, i])
        return torch.stack(mixed, 1)

    def start(self, between: Between, uniforms: Tensor) -> Tensor:
        """The language model's logits behind the left context and the tokens read off so far."""
        past, ahead = between.past, between.first
        all_logits = [ahead]
        for i in range(1, uniforms.shape[1]):
            token = self.read(ahead[:, None], uniforms[:, i - 1 : i])
            logits, past = self.reader.feed(self.reader.embed_ids(token), past)
            ahead = logits[:, 0]
            all_logits.append(ahead)
        return torch.stack(all_logits, 1)

    def read(self, logits: Tensor, uniforms: Tensor) -> Tensor:
        """Token ids (R, n) of ``logits`` (R, n, V), each drawn by its entry of ``uniforms`` (R, n)
        among the ``top_k`` likeliest."""
        allowed = self.allowed(logits)
        check(best(allowed), LOGITS)  # of rows, which the draws' are not
        if self.settings.top_k == 1:
            return allowed.argmax(-1)
        flat = truncate(allowed.flatten(0, 1), 1.0, self.settings.top_k, 1.0)
        return draw(flat, uniforms.flatten()).view(uniforms.shape)

    @torch.no_grad()
    def run(self, between: Between, uniforms: Tensor) -> Tensor:
        """The texts read off after each pass, (R, passes, N); ``uniforms`` (R, passes + 1, N)."""
        logits = self.start(between, uniforms[:, 0])
        texts = []
        for i in range(self.settings.passes):
            logits = self.backward(logits, between)
            check(sizes(logits), "the logits that the gradient steps leave")
            logits = self.forward(logits, between)
            texts.append(self.read(logits, uniforms[:, i + 1]))
        return torch.stack(texts, 1)

    def _excluded(self, device: torch.device) -> Tensor:
        return torch.tensor(self.excluded, dtype=torch.long, device=device)


def norm(logits: Tensor) -> Tensor:
    """The Euclidean norm of each row's logits (R, n, V) as (R, 1, 1)."""
    return logits.square().sum((1, 2), keepdim=True).sqrt()
