"""Texts under classifier-free guidance, by networks of latents that read prompts.

Shapes: B batch, P tokens of a prompt, L length of a text, D embedding dimension.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.base import of_parts
from models.diffusion.config import SamplingConfig
from models.diffusion.contrast import mixed
from models.diffusion.latents.card import PromptedCard
from models.diffusion.latents.diffusion import Diffusion, refuse_block
from models.diffusion.latents.guided import Free
from models.diffusion.latents.prompted_head import PromptedHead, load_prompted
from models.diffusion.latents.prompting import PromptedLatentSettings
from models.diffusion.latents.way import Streams, Way
from models.diffusion.prompts import Front, begins, emptied, fronts
from models.jobs import Job, Made
from tasks.base import Target, Task
from tasks.common.errors import UserError
from tasks.common.progress import Progress
from tasks.vocabulary import Vocabulary


class Contrast:
    """The *steer* hook of ``diffusion``: the x_0 estimates of ``networks`` behind ``prompts``, one
    (B, P) for each, go beyond those of the same networks behind empty ones,

        mean_k x_0(x_t) + (1 + w) sum_k (x_0(x_t, control_k) - x_0(x_t)),

    which of one control is (1 + w) x_0(x_t, control) - w x_0(x_t), and of several the score under
    controls that are independent of each other given the text (Liu et al. 2022, equation 11)."""

    def __init__(
        self,
        diffusion: Diffusion,
        networks: Sequence[PromptedHead],
        prompts: Sequence[Tensor],
        weight: float,
    ) -> None:
        self.diffusion, self.networks, self.weight = diffusion, tuple(networks), weight
        every = torch.ones(len(prompts[0]), dtype=torch.bool, device=prompts[0].device)
        #: behind its control and behind none, for each network
        self.told = [
            torch.cat([one, emptied(one, every, made.prompts.mask)])
            for one, made in zip(prompts, networks, strict=True)
        ]
        #: how often texts were read
        self.evaluations = 0

    def __call__(self, x: Tensor, t: int) -> tuple[Tensor, Tensor]:
        """The estimate under the controls, and what guidance adds to it."""
        twice = torch.cat([x, x])
        pairs = zip(self.networks, self.told, strict=True)
        read = [self.diffusion.x0_of(network, twice, t, told) for network, told in pairs]
        under, empty = zip(*(both.chunk(2) for both in read))
        self.evaluations += 2 * len(read)
        found = torch.stack(under).mean(0)
        return found, mixed(under, empty, 1 + self.weight) - found


class Behind(Way[list[int]]):
    """Whole texts behind the prompts of their controls; ``networks``: one for each part. The last
    step, which reads off the words, is not guided, and of a composition the first part's."""

    def __init__(
        self,
        networks: Sequence[PromptedHead],
        sampling: SamplingConfig,
        vocabulary: Vocabulary,
        front: Front,
        weight: float,
        device: torch.device,
    ) -> None:
        every = [Diffusion(network, sampling, device) for network in networks]
        self.diffusion, self.vocabulary = every[0], vocabulary
        #: as they decode
        self.networks: list[Any] = [one.network for one in every]
        self.front, self.weight = front, weight
        self.mask = networks[0].prompts.mask

    def check(self, targets: Sequence[Target]) -> None:
        """Raises ``UserError`` for a target with more words than the networks have positions, or
        with a prompt that they have not read."""
        Free(self.diffusion, self.vocabulary).check(targets)
        for target in targets:
            try:
                self.front(target)
            except UserError as error:
                raise UserError(f"target {target.id}: {error}") from None

    def given(self, target: Target, index: int, streams: Streams) -> list[int]:
        """The prompts of its parts, one behind the other."""
        return self.front(target)

    def alike(self, job: Job[list[int]]) -> object:
        """Prompts of one call are equally long."""
        return (len(job.given), *begins(job.given, self.mask))

    def decode(
        self, jobs: list[Job[list[int]]], streams: Streams, progress: Progress
    ) -> list[Made]:
        """Network evaluations: one a step, or two for each part where a step is guided."""
        prompts, contrast = self._told([job.given for job in jobs])
        x = self.diffusion.latents(
            [streams(job.target.id, job.index) for job in jobs],
            known=prompts,
            steer=contrast,
            progress=progress,
        )
        steps = self.diffusion.schedule.steps
        nfe = float(steps if contrast is None else contrast.evaluations + 1)
        rows = [self.vocabulary.decode(row) for row in self.diffusion.ids(x)]
        return [Made(self.vocabulary.strip(row), row, nfe) for row in rows]

    def whole(self, target: Target) -> dict[str, Any]:
        prompts, contrast = self._told([self.front(target)])
        return {"known": prompts, "steer": contrast}

    def _told(self, rows: list[list[int]]) -> tuple[Tensor, Contrast | None]:
        """The first part's prompts, and guidance, for prompts of the same lengths."""
        ids = torch.tensor(rows, device=self.diffusion.device)
        edges = [*begins(rows[0], self.mask), ids.shape[1]]
        prompts = [ids[:, i:j] for i, j in itertools.pairwise(edges)]
        if not self.weight and len(prompts) == 1:
            return prompts[0], None
        return prompts[0], Contrast(self.diffusion, self.networks, prompts, self.weight)


def load_behind(
    card: PromptedCard,
    folders: Mapping[str, Path],
    task: Task,
    settings: PromptedLatentSettings,
    device: torch.device,
) -> Behind:
    """Raises ``UserError`` for networks that are damaged or were not trained from one network."""
    places = [folders[role] for role in of_parts(card.prompted, task)]
    networks, words = zip(*map(partial(load_prompted, device=device), places))
    first = networks[0]
    for place, network in zip(places, networks):
        refuse_block(network)
        if network.config != first.config or not _alike(network, first):
            raise UserError(f"the networks in {places[0]} and {place} are of different latents")
    front = fronts(task, networks)
    return Behind(networks, settings.sampling, words[0], front, settings.weight, device)


def _alike(one: PromptedHead, other: PromptedHead) -> bool:
    """Whether their words have the same embeddings, and their levels the same law."""
    tables = one.embedding.weight, other.embedding.weight
    if tables[0].shape != tables[1].shape or not torch.equal(*tables):
        return False
    laws = [network.warp.density() for network in (one, other) if network.warp is not None]
    return not laws or torch.equal(laws[0], laws[-1])
