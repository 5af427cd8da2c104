"""Guidance of words: where a step changes words, they are drawn again, weighed by how likely they
make the control (classifier guidance of discrete diffusion, Schiff et al. 2024, section 3.2).

    p(v | x_t, control) ~ p(v | x_t) p(control | x_t with v)^weight

at each position that changes, on its own, over ``candidates`` words v that stand for all of them.
Whether it changes is not guided, so a word that is there already is no candidate. For an absorbing
chain whose positions are chosen before the words, and a consistent classifier, weight 1 is Bayes'
rule (enumerated in the tests). Shapes: B batch, L length, V ids, M positions that a step changes, K
candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.loop import Draw
from models.diffusion.words.config import WordGuidanceConfig
from models.nets.decoding import draw
from models.nets.precision import LEAST_ROWS
from tasks.vocabulary import PAD, START

#: texts that a classifier reads at once: on a CPU as many as its caches hold the states of, with
#: the same results (measured at 2 layers of 192: a text takes a sixth to a third less time)
ROWS, CPU_ROWS = 256, 64


class Guide(Protocol):
    """log p(one control of each row | text), of embedded words."""

    @property
    def table(self) -> Tensor:
        """(V, D): the embeddings that it reads words by."""

    def take(self, rows: Tensor) -> Guide:
        """The same of the rows ``rows`` (N,)."""

    def __call__(self, x: Tensor, noise: Tensor) -> Tensor:
        """x (B, L, D), shares ``noise`` (B,) of whose words are noise -> (B,), fp32."""


class Guides:
    """The guides of a batch of ``rows`` texts, one for each control of a target, with their
    weights: log-probabilities of composed controls add up (Li et al. 2022, section 7.2).

    ``length``: tokens of the texts that classifiers read, PAD included; shorter ones get more.
    ``front``: how many tokens of a prompt stand before a text, which no classifier reads.
    ``evaluations`` (B,): texts that classifiers have read, and gradients, for each row.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Guide, float]],
        rows: int,
        length: int = 0,
        front: int = 0,
    ) -> None:
        self.parts, self.length, self.front = parts, length, front
        self.evaluations = torch.zeros(rows, dtype=torch.float64)

    def log_prob(self, x: Tensor, rows: Tensor, noise: Tensor) -> Tensor:
        """The weighed sum for texts x (N, L) under the controls of ``rows`` (N,), of shares of
        noise (N,); (N,), float64."""
        out = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        size = CPU_ROWS if x.device.type == "cpu" else ROWS
        for first in range(0, len(x), size):
            part = slice(first, first + size)
            texts, which = self._whole(x[part]), filled(rows[part])
            share = filled(noise[part])
            for guide, weight in self.parts:
                read = guide.take(which)(guide.table[texts], share).double()
                out[part] += weight * read[: len(x[part])]
        self._count(rows, 1)
        return out

    def first_order(
        self, x: Tensor, rows: Tensor, places: Tensor, words: int, noise: Tensor
    ) -> Tensor:
        """What each of ``words`` ids would add to that sum at a position of the texts ``rows`` (M,)
        of x (B, L), of shares of noise (B,), to first order around x: (M, words), fp32. One
        gradient a text."""
        here, index = rows.unique(return_inverse=True)
        places = places - self.front
        texts, which = self._whole(x[here]), filled(here)
        share = filled(noise[here])
        total = torch.zeros(len(rows), words, device=x.device)
        for guide, weight in self.parts:
            with torch.enable_grad():
                embedded = guide.table[texts].detach().requires_grad_(True)
                (gradient,) = torch.autograd.grad(
                    guide.take(which)(embedded, share).sum(), embedded
                )
            at = gradient[index, places]
            now = (at * embedded.detach()[index, places]).sum(-1, keepdim=True)
            gain = F.linear(filled(at), guide.table[:words])[: len(at)]
            total += weight * (gain - now).float()
        self._count(here, 1)
        return total

    def _whole(self, x: Tensor) -> Tensor:
        """Texts (N, L), which were cut behind their END, as classifiers know them."""
        x = x[:, self.front :]
        return filled(F.pad(x, (0, max(0, self.length - x.shape[1])), value=PAD))

    def _count(self, rows: Tensor, times: int) -> None:
        more = torch.full((len(rows),), float(times * len(self.parts)), dtype=torch.float64)
        self.evaluations.index_add_(0, rows.cpu(), more)


def filled(rows: Tensor) -> Tensor:
    """Rows up to a multiple of ``LEAST_ROWS``, the first one again and again, so that a row's
    result does not depend on how many there are."""
    lacking = -len(rows) % LEAST_ROWS
    return torch.cat([rows, rows[:1].expand(lacking, *rows.shape[1:])]) if lacking else rows


class Candidates:
    """The *correct* hook of :func:`models.diffusion.loop.walk` for words, exact over candidates.
    ``noise``: uniforms (B, 2, L), which propose words and draw them again."""

    def __init__(self, guides: Guides, config: WordGuidanceConfig, noise: Draw) -> None:
        self.guides, self.config, self.noise = guides, config, noise

    def __call__(self, drawn: Tensor, move: Any, s: int) -> Tensor:
        """``move``: has ``x`` (B, L), the text before, ``logits`` (B, L, V) of what it may become,
        and the share of it that is then ``noise`` (B,). Positions that became none of the V (a
        mask again) stay as they are drawn."""
        x, words = move.x, move.logits.shape[-1]
        proposed, again = self.noise().to(x.device).unbind(1)
        row, place = ((drawn != x) & (drawn < words)).nonzero(as_tuple=True)
        if not len(row):
            return drawn
        logits = move.logits[row, place].float()
        # that the word changes is decided: it is drawn among the others
        other = torch.arange(words, device=x.device) != x[row, place][:, None]
        logits = logits.masked_fill(~other, -torch.inf).log_softmax(-1)
        among = self._proposals(move, row, place, logits, proposed[row, place])
        which = row.repeat_interleave(among.shape[1])
        variants = x[which]
        at = place.repeat_interleave(among.shape[1])
        variants[torch.arange(len(which), device=x.device), at] = among.flatten()
        gain = self.guides.log_prob(variants, which, move.noise[which]).view(among.shape)
        if self.config.proposals != "drawn":
            gain = gain + logits.gather(1, among).double()
        chosen = draw(gain, again[row, place])
        out = drawn.clone()
        out[row, place] = among.gather(1, chosen[:, None])[:, 0]
        return out

    def _proposals(
        self, move: Any, row: Tensor, place: Tensor, logits: Tensor, u: Tensor
    ) -> Tensor:
        """Candidates (M, K), no two of a position alike unless they are draws."""
        words, many = logits.shape[-1], self.config.candidates
        if self.config.proposals == "drawn":
            # systematic: K points at equal distances, so that words come in proportion
            points = (torch.arange(many, device=u.device) + u[:, None]) / many
            mass = logits.double().softmax(-1).cumsum(-1)
            found = torch.searchsorted(mass, points * mass[:, -1:], right=True)
            return found.clamp(max=words - 1)
        many = min(many, words)
        if self.config.proposals == "likely":
            return logits.topk(many, -1).indices
        first = logits.topk(-(-many // 2), -1).indices
        gain = self.guides.first_order(move.x, row, place, words, move.noise)
        score = (logits + gain).scatter(1, first, -torch.inf)
        best, rest = score.topk(many - first.shape[1], -1)
        # of fewer words than are asked for none comes twice: START stands in, which is never drawn
        return torch.cat([first, rest.masked_fill(best == -torch.inf, START)], 1)


class FirstOrder:
    """The *bend* hook of :func:`models.diffusion.loop.walk` for words: every word of every position
    that may change gets what it would add to first order, one gradient a step and control of each
    text that has such a position."""

    def __init__(self, guides: Guides) -> None:
        self.guides = guides

    def __call__(self, move: Any, x: Tensor, s: int) -> Any:
        rows, places = move.open.nonzero(as_tuple=True)
        if not len(rows):
            return move
        logits = move.logits.clone()
        gain = self.guides.first_order(x, rows, places, logits.shape[-1], move.noise)
        logits[rows, places] += gain.to(logits.dtype)
        return move._replace(logits=logits)
