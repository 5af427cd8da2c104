"""Decoding block by block, each a diffusion of logits behind the words so far (Han et al. 2023,
sections 3.2 and 3.3).

Shapes: B batch, L length, K places of a block, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from models.diffusion.classifiers.kinds import GUIDED_BY
from models.diffusion.loop import Noise, uniform, walk
from models.diffusion.words.decoding import Maker
from models.diffusion.words.guide import filled
from models.diffusion.words.noising import WordGuide
from models.jobs import Job, Made
from models.ssd_lm.config import SimplexSettings
from models.ssd_lm.network import SimplexEncoder
from models.ssd_lm.process import Simplex, drawn, nucleus
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.common.progress import Progress
from tasks.controls import Control
from tasks.vocabulary import END, PAD, START, Vocabulary

#: ids that are no words
FRAME = [START, END, PAD]


class Blocks:
    """What decodes texts with one network; ``guides``: makers of one for each control of a target
    that a classifier guides."""

    def __init__(
        self,
        network: SimplexEncoder,
        vocabulary: Vocabulary,
        guides: Sequence[Maker],
        settings: SimplexSettings,
    ) -> None:
        self.network, self.vocabulary, self.settings = network, vocabulary, settings
        self.guides = guides
        self.process = Simplex(settings.steps, network.config.scale, len(vocabulary))

    def check(self, targets: Sequence[Target]) -> None:
        """Raises ``UserError`` for a target with more words than the network has positions."""
        room = self.network.config.length - 2
        for target in targets:
            needed = target.control.exact_words or target.control.needed_words
            if needed > room:
                raise UserError(f"target {target.id} needs {needed} words; this network has {room}")

    @torch.no_grad()
    def decode(self, jobs: list[Job[None]], streams: Any, report: Progress) -> list[Made]:
        """Network evaluations: one a step of a block, and gradients of classifiers. A text whose
        END is found has no further blocks."""
        config, device = self.network.config, self.network.device
        controls = [job.target.control for job in jobs]
        allowed = torch.stack([self.allowed(control) for control in controls])
        ids = torch.full((len(jobs), config.length), PAD)
        ids[:, 0] = START
        spent = [0.0] * len(jobs)
        for start in range(1, config.length, config.places):
            rows = (~(ids[:, :start] == END).any(1)).nonzero()[:, 0].tolist()
            if not rows:
                break
            names = [(jobs[row].target.id, jobs[row].index) for row in rows]
            stop = min(start + config.places, config.length)
            told = Told(self, ids[rows], allowed[rows, start:stop].to(device), start)
            told.guides = self._guides([controls[row] for row in rows])

            def rngs(use: str, names: list[tuple[str, int]] = names, at: int = start) -> Any:
                return [streams(*name, f"{use} {at}") for name in names]

            def on_step(t: int, at: int = start) -> None:
                report(at, config.length)

            shape = (stop - start, len(self.vocabulary))
            told.uniforms = Noise(rngs("words"), shape[:1], uniform)
            walk(
                told.estimate,
                self.process,
                Noise(rngs("block"), shape, device=device, steps=self.settings.steps),
                device,
                project=told.project,
                on_step=on_step,
            )
            ids[rows, start:stop] = told.words.cpu()
            for row in rows:
                spent[row] += self.settings.steps * (1.0 + len(self.guides))
        texts = [self.vocabulary.decode(row) for row in ids.tolist()]
        return [
            Made(self.vocabulary.strip(text), text, nfe)
            for text, nfe in zip(texts, spent, strict=True)
        ]

    def allowed(self, control: Control) -> Tensor:
        """(L, V): the ids that a position may hold: words alone as far as the control has them, END
        behind them where it says how many there are."""
        length, words = self.network.config.length, len(self.vocabulary)
        held = torch.ones(length, words, dtype=torch.bool)
        held[:, START] = False
        held[1 : 1 + max(1, control.exact_words or control.needed_words), FRAME] = False
        if control.exact_words is not None:
            held[control.exact_words + 1 :] = False
            held[control.exact_words + 1, END] = True
            held[control.exact_words + 2 :, PAD] = True
        return held

    def _guides(self, controls: Sequence[Control]) -> list[tuple[WordGuide, float]]:
        """Of one batch: those parts of its controls that classifiers guide."""
        if not self.guides:
            return []
        parts = [[part for part in control.parts if part.kind in GUIDED_BY] for control in controls]
        return [
            (WordGuide(maker.make(column), maker.steps), maker.weight)
            for maker, column in zip(self.guides, zip(*parts, strict=True), strict=True)
        ]


class Told:
    """A block of a batch of texts ``ids`` (B, L) from ``start`` on, whose places may hold what is
    ``allowed`` (B, K, V)."""

    uniforms: Any
    guides: Sequence[tuple[WordGuide, float]] = ()

    def __init__(self, blocks: Blocks, ids: Tensor, allowed: Tensor, start: int) -> None:
        self.network, self.settings = blocks.network, blocks.settings
        self.process, self.allowed = blocks.process, allowed
        self.ids, self.start = ids.to(allowed.device), start
        #: the likeliest words (B, K) of the last estimate, or those that were drawn from it
        self.words = torch.empty(0)

    def estimate(self, x: Tensor, t: int, previous: Tensor | None) -> Tensor:
        """What the network says of the block, (B, K, V), moved by guidance."""
        rows = torch.full((len(x),), self.start, device=x.device)
        time = torch.full((len(x),), (t + 1) / self.process.steps, device=x.device)
        told = previous
        if previous is not None:
            told = self.network.mean(previous) if self.network.again is not None else None
        logits = self.network.block(self.ids, x, rows, time, told) / self.settings.temperature
        for guide, weight in self.guides:
            logits = logits + weight * self.gradient(guide, logits)
        return logits

    def gradient(self, guide: WordGuide, logits: Tensor) -> Tensor:
        """That of log p(control | words) in the logits, of words that are read by their mean
        embedding."""
        with torch.enable_grad():
            y = logits.detach().requires_grad_(True)
            table = guide.table.float()[: y.shape[-1]]  # the last row is a mask's
            read = self.masked(y).softmax(-1) @ table
            text = table[self.ids].detach()
            stop = self.start + logits.shape[1]
            text = torch.cat([text[:, : self.start], read, text[:, stop:]], 1)
            which = filled(torch.arange(len(text), device=text.device))
            said = guide.take(which)(text[which], text.new_zeros(len(which)))
            (found,) = torch.autograd.grad(said[: len(text)].sum(), y)
        return found

    def masked(self, logits: Tensor) -> Tensor:
        return logits.masked_fill(~self.allowed, -torch.inf)

    def project(self, logits: Tensor) -> Tensor:
        """Logits of words again: those of the nucleus, or of one word drawn from it."""
        left = self.masked(logits)
        if self.settings.projection == "draw":
            u = self.uniforms().to(left.device)
            self.words = drawn(left, self.settings.top_p, u)
            return self.process.hot(self.words)
        self.words = left.argmax(-1)
        return self.process.scale * (2 * nucleus(left, self.settings.top_p).float() - 1)
