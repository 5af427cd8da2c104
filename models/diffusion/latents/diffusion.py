"""A trained network of Diffusion-LM on a decoding schedule."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.diffusion.classifiers.base import Space
from models.diffusion.config import ClassifierConfig, SamplingConfig
from models.diffusion.gaussian import Gaussian, Normal
from models.diffusion.latents.network import Network
from models.diffusion.latents.settling import Settling
from models.diffusion.latents.training import load_diffusion
from models.diffusion.loop import Correct, Noise, Pin, Project, walk
from models.diffusion.multistep import Multistep
from models.diffusion.schedule import Schedule
from models.nets.compiling import compile_encoder
from models.nets.finite import best, check
from models.nets.precision import matrix_dtype
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.vocabulary import Vocabulary

#: (x_t, t) -> the x_0 estimate of that step and what is added to it, both like x_t
Steer = Callable[[Tensor, int], tuple[Tensor, Tensor]]


class Diffusion:
    """A trained network on a decoding schedule: noise in, latents out."""

    def __init__(self, denoiser: Network, sampling: SamplingConfig, device: torch.device) -> None:
        self.sampling, self.device = sampling, device
        self.schedule: Schedule = denoiser.decoding(sampling.steps, sampling.spacing)
        self.process = Gaussian(self.schedule, sampling.sampler, sampling.eta)
        #: fp32, for the embeddings and for rounding
        self.denoiser = denoiser
        #: matrix products in bf16 where that is faster; latents, schedule arithmetic and rounding
        #: stay in fp32
        self.network = copy.deepcopy(denoiser).to(matrix_dtype(device))
        if sampling.score_temperature != 1:
            self.network.sharpen(sampling.score_temperature)
        #: the estimate that a network with self-conditioning is told at the step under way
        self._previous: Tensor | None = None
        #: what it is told without noise, as in :meth:`Network.x0`
        self._known: Tensor | None = None
        compile_encoder(self.network, device, sampling.compile)
        self.shape = (denoiser.config.length, denoiser.config.embedding)

    def solver(self) -> Gaussian | Multistep:
        """The steps of one walk."""
        second = self.sampling.sampler in ("dpmpp_2m", "dpmpp_2m_sde")
        return Multistep(self.process) if second else self.process

    def settling(self, rows: int, guidance: Any) -> Settling | None:
        """What ends ``rows`` texts early, where the settings ask for it; ``guidance`` (or None)
        counts its evaluations and lets go of rows."""
        if not self.sampling.settled:
            return None

        def words(x: Tensor) -> Tensor:
            return self.denoiser.logits(x).argmax(-1)

        def evaluations() -> int:
            return int(guidance.evaluations) if guidance is not None else 0

        made = Settling(rows, self.sampling.settled, self.schedule, words, evaluations)
        if guidance is not None:
            made.holders.append(guidance)
        return made

    def keep(self, rows: Tensor) -> None:
        """Of the batch under way, from now on the rows ``rows`` (N,) alone."""
        if self._previous is not None:
            self._previous = self._previous[rows]
        if self._known is not None:
            self._known = self._known[rows]

    def x0(self, x: Tensor, t: int) -> Tensor:
        """The unclamped x_0 estimate at decoding step ``t``, differentiable in x."""
        return self.network.x0(x, *self._told(x, t), self._known, self._previous)

    def x0_of(self, network: Network, x: Tensor, t: int, known: Tensor) -> Tensor:
        """:meth:`x0` of another network of the same latents, told ``known``; x: the rows under way
        a whole number of times, one behind the other."""
        previous = self._previous
        if previous is not None:
            previous = previous.repeat(len(x) // len(previous), 1, 1)
        return network.x0(x, *self._told(x, t), known, previous)

    def word_logits(self, x: Tensor, t: int) -> Tensor:
        """log p(w | x_t) up to a constant, (B, L, V), at decoding step ``t``, differentiable in
        x."""
        return self.network.word_logits(x, *self._told(x, t), self._previous, self._known)

    def said(self, x: Tensor, t: int) -> tuple[Tensor, Tensor]:
        """:meth:`x0` and :meth:`word_logits` in one evaluation."""
        return self.network.said(x, *self._told(x, t), self._previous, self._known)

    def _told(self, x: Tensor, t: int) -> tuple[Tensor, Tensor]:
        """The training step and the time of decoding step ``t``, for each row of x."""
        rows = torch.full((len(x),), int(self.schedule.train_index[t]), device=self.device)
        times = torch.full((len(x),), float(self.schedule.model_time[t]), device=self.device)
        return rows, times

    def latents(
        self,
        rngs: Sequence[torch.Generator],
        *,
        length: int | None = None,
        known: Tensor | None = None,
        clamp: Project | None = None,
        steer: Steer | None = None,
        correct: Correct[Normal] | None = None,
        pin: Pin | None = None,
        leave: Settling | None = None,
        progress: Progress = silent,
    ) -> Tensor:
        """The final latents (B, L, D), one row for each random stream. ``length``: L, by default
        all that the network has; ``known``: what the network is told, as in :meth:`Network.x0`;
        ``clamp``: what clamping does to an estimate, by default each latent's nearest word;
        ``steer``: gives the estimates, moved by guidance; ``leave``: ends texts before the last
        step."""
        steps, shape = self.schedule.steps, (length or self.shape[0], self.shape[1])
        clamping = (clamp or self.denoiser.nearest) if self.sampling.clamp else None
        again = self.network.config.self_conditioning > 0
        self._previous, self._known = None, known
        moved: list[Tensor] = []

        def estimate(x: Tensor, t: int, previous: Tensor | None) -> Tensor:
            self._previous = previous if again else None
            if t == 0 and self.network.config.plain_words:
                # the text is made of the likeliest words, and not of those nearest to their mean
                return self.denoiser.embedding(self.word_logits(x, t).argmax(-1)).float()
            if steer is not None and t:
                found, by = steer(x, t)
                moved[:] = [by]
            else:
                found = self.x0(x, t)
            self._previous = found if again else None
            return found

        def project(found: Tensor) -> Tensor:
            found = found + moved.pop() if moved else found
            return found if clamping is None else clamping(found)

        solver = self.solver()
        noise = Noise(rngs, shape, device=self.device, steps=steps)
        if leave is not None:
            leave.holders += [self, noise, *([solver] if isinstance(solver, Multistep) else [])]
        with torch.no_grad():
            return walk(
                estimate,
                solver,
                noise,
                self.device,
                project=clamping if steer is None else project,
                correct=correct,
                pin=pin,
                leave=leave,
                on_step=lambda t: progress(steps - t, steps),
            )

    def ids(self, latents: Tensor, forbidden: Sequence[int] = ()) -> list[list[int]]:
        """The likeliest words (B, L) of latents (B, L, D), none of them ``forbidden``."""
        with torch.no_grad():
            logits = self.denoiser.logits(latents)
            logits[..., list(forbidden)] = -torch.inf
            check(best(logits), "the words' logits")
            rows: list[list[int]] = logits.argmax(-1).tolist()
            return rows


def space(denoiser: Network, vocabulary: Vocabulary, steps: int) -> Space:
    """What classifiers that guide this network in ``steps`` decoding steps read. Raises
    ``UserError`` where it cannot be controlled, or ``steps`` do not divide its own."""
    refuse_block(denoiser)
    process = Gaussian(denoiser.decoding(steps))
    table = denoiser.embedding.weight.float()
    return Space(process, table, vocabulary, denoiser.config.length, table.device)


def load_space(folder: Path, config: ClassifierConfig, device: torch.device) -> Space:
    """:func:`space` of the network stored in ``folder``, for classifiers of these settings."""
    return space(*load_diffusion(folder, device), config.steps)


def refuse_block(denoiser: Network) -> None:
    """A network trained on cut windows has never seen the START ... END PAD that controls name."""
    if denoiser.config.padding != "pad":
        raise UserError(
            "this Diffusion-LM was trained with padding=block and cannot be controlled: "
            "train one with diffusion.padding=pad"
        )
