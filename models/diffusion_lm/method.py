"""Diffusion-LM as a generator: guided (the paper's method) and unconditional (the floor)."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from models.base import Card, Generator, Sample, TargetSamples, sample_rng
from models.diffusion.classifiers.recipe import role_for
from models.diffusion.classifiers.training import GUIDES, load_classifier, refuse_block
from models.diffusion.config import GuidanceConfig, SamplingConfig
from models.diffusion.guidance import Guidance, LogProb, add
from models.diffusion.loop import Noise, sample
from models.diffusion.schedule import Schedule, decoding_schedule
from models.diffusion_lm.card import DIFFUSION_LM, UNCONDITIONAL
from models.diffusion_lm.config import (
    guidance_for,
)
from models.diffusion_lm.denoiser import Denoiser
from models.diffusion_lm.training import load_diffusion
from models.nets.precision import matrix_dtype
from tasks import parts
from tasks.base import Target, Task
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.controls import AllOf, Control, Length
from tasks.vocabulary import END, START, Vocabulary

#: guided by the denoising network itself
WITHOUT_CLASSIFIER = ("length",)
#: the guide of one control, row by row of a batch
MakeGuide = Callable[[Sequence[Control]], LogProb]


class Diffusion:
    """A trained network on a decoding schedule: latents in, token ids out."""

    def __init__(self, denoiser: Denoiser, sampling: SamplingConfig, device: torch.device) -> None:
        self.sampling, self.device = sampling, device
        self.schedule: Schedule = decoding_schedule(
            denoiser.schedule, sampling.steps, sampling.spacing
        )
        #: fp32, for the embeddings and for rounding
        self.denoiser = denoiser
        #: matrix products in bf16 where that is faster; latents, schedule arithmetic and rounding
        #: stay in fp32
        self.network = copy.deepcopy(denoiser).to(matrix_dtype(device))
        self.shape = (denoiser.config.length, denoiser.config.embedding)

    def x0(self, x: Tensor, t: int, known: Tensor | None = None) -> Tensor:
        """The unclamped x_0 estimate at decoding step ``t``, differentiable in x; ``known`` as in
        :meth:`models.diffusion_lm.denoiser.Denoiser.x0`."""
        rows = torch.full((len(x),), int(self.schedule.train_index[t]), device=self.device)
        times = torch.full((len(x),), float(self.schedule.model_time[t]), device=self.device)
        return self.network.x0(x, rows, times, known)

    def run(
        self,
        rngs: Sequence[torch.Generator],
        guidance: Guidance | None,
        progress: Progress = silent,
    ) -> Tensor:
        """Token ids (B, L), one row for each random stream."""
        total = self.schedule.steps
        with torch.no_grad():
            x = sample(
                self.x0,
                self.schedule,
                Noise(rngs, self.shape),
                self.sampling,
                self.device,
                project=self.denoiser.nearest if self.sampling.clamp else None,
                correct=guidance,
                on_step=lambda t: progress(total - t, total),
            )
            return self.denoiser.logits(x).argmax(-1).cpu()


class LengthGuide:
    """Length control without a classifier (reference notes, section 2.6): the log-density, up to a
    constant, of START at the first position and END right after the last word, under a Gaussian
    around the unclamped x_0 estimate whose variance is the step's std, as in the released code."""

    def __init__(
        self, diffusion: Diffusion, controls: Sequence[Control], config: GuidanceConfig
    ) -> None:
        words = []
        for control in controls:
            if not isinstance(control, Length):
                raise UserError(f"length control cannot read {control}")
            words.append(control.words)
        self.diffusion, self.config = diffusion, config
        self.end = torch.tensor(words, device=diffusion.device) + 1
        table = diffusion.denoiser.embedding.weight.float()
        self.start_embedding, self.end_embedding = table[START], table[END]

    def __call__(self, x: Tensor, s: int) -> Tensor:
        # The released code names x_{t-1}'s noise level by t, not t-1.
        t = s + 1 if self.config.length_time == "t" else s
        x0 = self.diffusion.x0(x, t)
        rows = torch.arange(len(x), device=x.device)
        squares = (x0[:, 0] - self.start_embedding).square().sum(-1)
        squares = squares + (x0[rows, self.end] - self.end_embedding).square().sum(-1)
        return -squares / float(self.diffusion.schedule.posterior_std[s + 1])


class _Batched(Generator):
    """What the guided and the unconditional generator share: jobs, batches, bookkeeping."""

    vocabulary: Vocabulary
    diffusion: Diffusion

    def guidance(self, controls: Sequence[Control]) -> Guidance | None:
        """The guidance of one batch, row by row."""
        return None

    def refuse_long(self, targets: Sequence[Target]) -> None:
        """Raises ``UserError`` for a target with more words than the network has positions."""
        longest = self.diffusion.shape[0] - 2
        for target in targets:
            words = target.control.needed_words
            if words > longest:
                raise UserError(
                    f"target {target.id} needs {words} words; this Diffusion-LM has {longest}"
                )

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        self.refuse_long(targets)
        jobs = [(target, i) for target in targets for i in range(samples_per_target)]
        done: list[Sample] = []
        finished = 0
        for first in range(0, len(jobs), batch):
            chunk = jobs[first : first + batch]
            started = time.monotonic()
            rngs = [sample_rng(seed, self.name, target.id, i) for target, i in chunk]
            guidance = self.guidance([target.control for target, _ in chunk])

            def report(done: float, total: float, note: str = "") -> None:
                progress(first + len(chunk) * done / total, len(jobs), note)  # noqa: B023

            ids = self.diffusion.run(rngs, guidance, report)
            seconds = (time.monotonic() - started) / len(chunk)
            nfe = self.diffusion.schedule.steps + (guidance.evaluations if guidance else 0)
            for (_, index), row in zip(chunk, ids.tolist(), strict=True):
                tokens = self.vocabulary.decode(row)
                words = self.vocabulary.strip(tokens)
                done.append(Sample(index, words, tokens, float(nfe), seconds))
            while finished < len(targets) and len(done) >= samples_per_target:
                yield TargetSamples(targets[finished].id, tuple(done[:samples_per_target]))
                del done[:samples_per_target]
                finished += 1


class DiffusionLM(_Batched):
    """Diffusion-LM under gradient guidance (Li et al., 2022, section 5.1).

    Under a composition, the parts' log-probabilities add up (section 7.2); ``guides``: one maker
    for each part, in the order of the controls of ``AllOf``.
    """

    card: ClassVar[Card] = DIFFUSION_LM

    def __init__(
        self,
        diffusion: Diffusion,
        vocabulary: Vocabulary,
        config: GuidanceConfig,
        guides: Sequence[MakeGuide],
    ) -> None:
        self.diffusion, self.vocabulary, self.config = diffusion, vocabulary, config
        self.guides = tuple(guides)

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Any:
        """A ``DiffusionLM``; for infilling, a :class:`models.diffusion_lm.infilling.Infilling`."""
        if task.fills:
            from models.diffusion_lm.infilling import Infilling

            return Infilling.load(folders, task, settings, device)
        denoiser, vocabulary = load_diffusion(folders["diffusion"], device)
        refuse_block(denoiser)
        diffusion = Diffusion(denoiser, settings.sampling, device)
        config = guidance_for(settings, task.name)
        guides: list[MakeGuide] = []
        for part in parts(task.name):
            if part in WITHOUT_CLASSIFIER:
                guides.append(partial(LengthGuide, diffusion, config=config))
                continue
            trained, guide = GUIDES[part]
            network, labels = load_classifier(
                trained,
                folders[role_for(part)],
                denoiser,
                vocabulary,
                settings.sampling.steps,
                device,
            )
            guides.append(partial(guide, network.to(matrix_dtype(device)), labels))
        return cls(diffusion, vocabulary, config, guides)

    def guidance(self, controls: Sequence[Control]) -> Guidance:
        return Guidance(add(self.guide(controls)), self.config, len(self.guides))

    def guide(self, controls: Sequence[Control]) -> list[LogProb]:
        """The guides of one batch, one for each part."""
        if len(self.guides) == 1:
            return [self.guides[0](controls)]
        rows = [control.controls if isinstance(control, AllOf) else () for control in controls]
        if any(len(row) != len(self.guides) for row in rows):
            raise UserError(f"a composition of {len(self.guides)} tasks takes as many controls")
        return [make(part) for make, part in zip(self.guides, zip(*rows), strict=True)]


class Unconditional(_Batched):
    """Samples without any control: the floor that a task's score is compared with."""

    card: ClassVar[Card] = UNCONDITIONAL

    def __init__(self, diffusion: Diffusion, vocabulary: Vocabulary) -> None:
        self.diffusion, self.vocabulary = diffusion, vocabulary

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Unconditional:
        denoiser, vocabulary = load_diffusion(folders["diffusion"], device)
        return cls(Diffusion(denoiser, settings.sampling, device), vocabulary)
