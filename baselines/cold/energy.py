"""COLD's energy of soft middles, and its gradient (Qin et al. 2022, sections 3.2 and 4.1).

A middle is its logits y (R, N, A) over the A words that may be chosen, q_n = softmax(y_n). The
four terms, each of every row and in nats, with the released constants that weigh them:

- ``left``, weight (1 - 0.5) * 0.6 (``constraint-weight``, ``lr-nll-portion``): fluency from left to
  right, the mean over n of -sum_v p(v | O1, y_<n) log q_n(v), where p is the language model's
  distribution over its ``topk`` best words and the keywords, renormalised;
- ``right``, weight (1 - 0.5) * (1 - 0.6): fluency from right to left, likewise under the backward
  model given O2 and y_>n, over all words (``rl-topk`` 0);
- ``ahead``, weight 0.5: mean negative log-likelihood of O2's tokens behind O1 and y;
- ``overlap``, weight 0.5 * 0.05 (``abductive-c2-weight``): mean over the keywords k of
  -sum_n w_n log q_n(k), w = softmax over n of log q_n(k), the log-probabilities clamped at -20: a
  soft 1-gram match, which is 0 where one position is certain to be k and no other can be.

This is our reading of the released code, which differs in three points: its weights w come with
Gumbel noise; its ``ahead`` reads the last token of O1 only; and its backward model's logits are
lowered where the word equals the next one. Its soft tokens are read as here under
``straight_through``: the fluency terms' networks read the likeliest allowed words as they are (a
temperature of 0.001, hence no gradient, so that fluency moves y through q alone), and ``ahead``
reads softmax(y / 0.3), differentiated as if it were softmax(y + constant). Without
``straight_through`` all networks read softmax(y / temperature), and gradients are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.cold.reader import Reader
from baselines.cold.settings import ColdSettings
from baselines.soft import full

#: log-probabilities of keywords are clamped here, as in the released code
LEAST = -20.0


@dataclass(frozen=True)
class Group:
    """Items that run together, one a row; ``NONE`` (-1) stands where there is no token.

    ``left`` (R, M): bos and O1, padded in front. ``backward`` (R, M'): bos and O2 reversed, padded
    in front. ``right`` (R, K): O2, padded behind. ``keywords`` (R, K): as indices of the words that
    may be chosen, padded behind.
    """

    left: Tensor
    backward: Tensor
    right: Tensor
    keywords: Tensor


@dataclass(frozen=True)
class Terms:
    """The four terms of each row, (R,); zeros where their weight is 0."""

    left: Tensor
    right: Tensor
    ahead: Tensor
    overlap: Tensor


def weights(settings: ColdSettings) -> dict[str, float]:
    """The weight of each of :class:`Terms`."""
    fluency = 1 - settings.constraint
    return {
        "left": fluency * settings.left_right,
        "right": fluency * (1 - settings.left_right),
        "ahead": settings.constraint,
        "overlap": settings.constraint * settings.keywords,
    }


def product(x: Tensor, matrix: Tensor) -> Tensor:
    """(R, n, a) @ (a, b) as one product in the dtype of ``matrix``, at least fp32. Left to itself,
    torch takes one for each row where ``x`` is not contiguous, at several times the cost."""
    flat = full(x.reshape(-1, x.shape[-1]).to(matrix.dtype) @ matrix)
    return flat.view(*x.shape[:-1], -1)


class Energy:
    """The energy of one group's middles. ``words`` (A,): ids that may be chosen.

    It keeps, between calls of :meth:`gradient`, the language model's best words of the last call,
    among which the next one's discrete tokens are chosen (as released).
    """

    def __init__(
        self,
        forward: Reader,
        backward: Reader,
        group: Group,
        words: Tensor,
        settings: ColdSettings,
    ) -> None:
        self.forward, self.backward, self.group, self.settings = forward, backward, group, settings
        self.words, self.weights = words, weights(settings)
        self.tables = [reader.soft.embed_ids(words) for reader in (forward, backward)]
        self.heads = [reader.soft.model.head[words].T for reader in (forward, backward)]
        with torch.no_grad():
            self.left = forward.start(group.left)
            self.reversed = backward.start(group.backward)
        self.known = group.keywords >= 0
        self.best: Tensor | None = None

    @property
    def evaluations(self) -> int:
        """Networks that one gradient evaluates."""
        return 1 + (self.weights["right"] > 0) + (self.weights["ahead"] > 0)

    def next_words(self, hidden: Tensor) -> Tensor:
        """Hidden states (R, n, D) of the left-to-right model -> logits (R, n, A)."""
        return product(hidden, self.heads[0])

    def choose(self, y: Tensor, best: Tensor | None) -> Tensor:
        """The likeliest words under ``y`` (R, n, A), as indices (R, n), among ``best`` (R, n, k)
        and the keywords; among all where ``best`` is None."""
        if best is None:
            return y.argmax(-1)
        scores = y.gather(2, best)
        if self.settings.keywords_allowed:
            at = self._keywords(best.shape[1])
            known = self.known[:, None].expand_as(at)
            more = y.gather(2, at).masked_fill(~known, -torch.inf)
            best, scores = torch.cat([best, at], 2), torch.cat([scores, more], 2)
        return best.gather(2, scores.argmax(-1, keepdim=True))[:, :, 0]

    def candidates(self, logits: Tensor) -> Tensor | None:
        """The ``top_k`` best of ``logits`` (R, n, A) as indices (R, n, k); None for all of them."""
        k = self.settings.top_k
        return None if not 0 < k < logits.shape[-1] else logits.topk(k, dim=-1).indices

    def terms(self, y: Tensor) -> Terms:
        """The terms of ``y`` (R, N, A), differentiable in it; updates ``best``."""
        settings, log_q = self.settings, y.log_softmax(-1)
        if settings.straight_through:
            chosen = self.choose(y.detach(), self.best)
            with torch.no_grad():
                read = [F.embedding(chosen, table) for table in self.tables]
                targets = self._targets(*read)
            scaled = (y / settings.temperature - y).detach() + y
        else:
            scaled = y / settings.temperature
            read = [product(scaled.softmax(-1), table).to(table.dtype) for table in self.tables]
            targets = self._targets(*read)
        left, right = (
            y.new_zeros(len(y)) if target is None else -(target * log_q).sum(-1).mean(-1)
            for target in targets
        )
        return Terms(left, right, self._ahead(scaled), self._overlap(log_q))

    def total(self, terms: Terms) -> Tensor:
        """The energy of each row, (R,)."""
        parts = [self.weights[f.name] * getattr(terms, f.name) for f in fields(Terms)]
        return torch.stack(parts).sum(0)

    def gradient(self, y: Tensor) -> Tensor:
        """The gradient of each row's energy with respect to its own logits, like ``y``."""
        with torch.enable_grad():
            leaf = y.detach().requires_grad_()
            total = self.total(self.terms(leaf)).sum()
            return torch.autograd.grad(total, leaf)[0]

    def _targets(self, read: Tensor, reversed_: Tensor) -> tuple[Tensor, Tensor | None]:
        """What both models expect at each position, given the embeddings of the others: the
        distributions (R, N, A) that y is to follow."""
        hidden, _ = self.forward.read(read[:, :-1], self.left)
        logits = self.next_words(hidden)
        self.best = self.candidates(logits.detach())
        if self.best is not None:
            logits = logits.masked_fill(~self._supported(logits, self.best), -torch.inf)
        if not self.weights["right"]:
            return logits.softmax(-1), None
        hidden, _ = self.backward.read(reversed_.flip(1)[:, :-1], self.reversed)
        return logits.softmax(-1), product(hidden.flip(1), self.heads[1]).softmax(-1)

    def _supported(self, logits: Tensor, best: Tensor) -> Tensor:
        """Which words the left-to-right model's distribution keeps, (R, N, A)."""
        kept = torch.zeros_like(logits, dtype=torch.bool).scatter(2, best, True)
        if self.settings.keywords_allowed:
            at = self._keywords(logits.shape[1])
            kept = kept.scatter(2, torch.where(self.known[:, None], at, best[:, :, :1]), True)
        return kept

    def _keywords(self, n: int) -> Tensor:
        """The keywords at each of ``n`` positions, (R, n, K); 0 where there is none."""
        return self.group.keywords.clamp(min=0)[:, None].expand(-1, n, -1)

    def _ahead(self, scaled: Tensor) -> Tensor:
        if not self.weights["ahead"]:
            return scaled.new_zeros(len(scaled))
        right, n = self.group.right, scaled.shape[1]
        soft = product(scaled.softmax(-1), self.tables[0])
        context = self.forward.soft.embed_ids(right[:, :-1].clamp(min=0))
        embeds = torch.cat([soft.to(context.dtype), context], 1)
        hidden, _ = self.forward.read(embeds, self.left)
        logits = product(hidden[:, n:], self.forward.soft.model.head.T)
        each = F.cross_entropy(
            logits.flatten(0, 1), right.clamp(min=0).flatten(), reduction="none"
        ).view_as(right)
        return each.masked_fill(right < 0, 0.0).sum(1) / (right >= 0).sum(1)

    def _overlap(self, log_q: Tensor) -> Tensor:
        each = log_q.gather(2, self._keywords(log_q.shape[1])).clamp(min=LEAST)  # (R, N, K)
        match = -(each.softmax(1) * each).sum(1).masked_fill(~self.known, 0.0)
        return match.sum(1) / self.known.sum(1).clamp(min=1)
