"""Parallel sampling of an autoregressive model by Langevin dynamics (Jayaram and Thickstun 2021):
an experiment, which asks what going from coarse to fine is worth without a diffusion's training.

A text is a sequence y of embeddings under Gaussian noise of standard deviation s. Each of its
positions is a mixture over the words that the network predicts from the noised ones before it,

    p_s(y) = prod_i sum_w p(w | y_<i, s) N(y_i; e_w, s^2 I),

and all positions move at once, by y <- y + eta grad log p_s(y) + sqrt(2 eta) z with eta = step s^2,
at one level after the other, from the most noise to the least. A position is pulled to what is
predicted there, and to where what stands behind it becomes likely. At last each position has its
likeliest word. Of a control only the number of words can be asked for: START, END and PAD are then
pinned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from baselines.langevin.annealed import anneal
from baselines.langevin.card import CARD, FREE, build
from baselines.langevin.settings import NoisyLMConfig
from models.base import Card, Generator, TargetSamples, sample_rng
from models.diffusion.loop import Noise
from models.jobs import Job, Made, run
from models.nets.artefact import load_network
from models.nets.decoding import until
from models.nets.finite import NotFinite
from models.nets.precision import pad_rows
from tasks.base import Target, Task
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.vocabulary import END, PAD, START, UNK, Vocabulary


class Langevin(Generator):
    """Network evaluations of a sample: one for each gradient, and one for its words."""

    card: ClassVar[Card] = CARD
    #: what is no word of a text
    never: ClassVar[tuple[int, ...]] = (START, END, PAD, UNK)

    def __init__(self, network: Any, vocabulary: Vocabulary, settings: Any) -> None:
        self.network, self.vocabulary, self.settings = network, vocabulary, settings
        config = network.config
        self.length, count = config.length, settings.levels
        ratio = config.least / config.most
        self.levels = [config.most * ratio ** (i / max(1, count - 1)) for i in range(count)]

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        read = ("vocabulary", Vocabulary.load)
        network, _, words = load_network(folders["noisy_lm"], NoisyLMConfig, build, words=read)
        return cls(network.to(device), words, settings)

    def frame(self, target: Target) -> list[int]:
        """The ids of a text, PAD where it is free, and behind its end."""
        words = target.control.exact_words
        if words is None or words > self.length - 2:
            raise UserError(
                f"target {target.id} needs {words or 'any number of'} words; this network has "
                f"{self.length - 2}"
            )
        return ([START, *[PAD] * words, END] + [PAD] * self.length)[: self.length]

    def free(self, target: Target) -> list[bool]:
        words = target.control.exact_words or 0
        return [0 < i <= words for i in range(self.length)]

    def generate(
        self, targets: Sequence[Target], samples_per_target: int, seed: int, batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:  # fmt: skip
        """Raises ``UserError`` for a target with more words than the network reads."""
        rows = {target.id: (self.frame(target), self.free(target)) for target in targets}
        return run(
            targets, samples_per_target, partial(self._decode, seed), batch, progress,
            given=lambda target, index: rows[target.id],
        )  # fmt: skip

    def _decode(
        self, seed: int, jobs: list[Job[tuple[list[int], list[bool]]]], report: Progress
    ) -> list[Made]:
        device, count = self.network.device, len(jobs)
        ids = pad_rows(torch.tensor([job.given[0] for job in jobs])).to(device)
        free = pad_rows(torch.tensor([job.given[1] for job in jobs])).to(device)
        rngs = [sample_rng(seed, self.name, job.target.id, job.index) for job in jobs]
        noise = Noise(rngs, (self.length, self.network.config.embedding))
        try:
            words = anneal(
                self.network, ids, free, self.levels, self.settings, lambda: pad_rows(noise()),
                silent=self.never, on_step=report,
            )  # fmt: skip
        except NotFinite as error:
            raise error.among(count) from None
        nfe = float(len(self.levels) * self.settings.updates + 1)
        made = []
        for row in words[:count].tolist():
            text = self.vocabulary.decode(until(row, END))
            made.append(Made(self.vocabulary.strip(text), self.vocabulary.decode(row), nfe))
        return made


class Free(Langevin):
    """Texts of any length: all but START is free, and a text ends at its first END."""

    card: ClassVar[Card] = FREE
    never: ClassVar[tuple[int, ...]] = (START,)

    def frame(self, target: Target) -> list[int]:
        return [START, *[PAD] * (self.length - 1)]

    def free(self, target: Target) -> list[bool]:
        return [i > 0 for i in range(self.length)]
