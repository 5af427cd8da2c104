"""Decoding under gradient guidance (Li et al. 2022, section 5.1), and without any control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from models.diffusion.classifiers.training import MakeGuide
from models.diffusion.config import GuidanceConfig
from models.diffusion.guidance import Guidance, LogProb, OfControls, add
from models.diffusion.latents.diffusion import Diffusion
from models.diffusion.latents.steering import Steering
from models.diffusion.latents.way import Streams, Way
from models.jobs import Job, Made
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.common.progress import Progress
from tasks.controls import AllOf, Control, Length
from tasks.vocabulary import END, START, Vocabulary

#: the level of latents without noise
CLEAN = -1


def hooks(guidance: Guidance | Steering | None) -> dict[str, Any]:
    """Where guidance takes hold: of latents that are drawn, or of estimates."""
    if guidance is None:
        return {}
    return {"steer" if isinstance(guidance, Steering) else "correct": guidance}


class Free(Way[None]):
    """Whole texts without any control: the floor that a task's score is compared with."""

    def __init__(self, diffusion: Diffusion, vocabulary: Vocabulary) -> None:
        self.diffusion, self.vocabulary = diffusion, vocabulary

    def check(self, targets: Sequence[Target]) -> None:
        """Raises ``UserError`` for a target with more words than the network has positions."""
        longest = self.diffusion.shape[0] - 2
        for target in targets:
            words = target.control.needed_words
            if words > longest:
                raise UserError(
                    f"target {target.id} needs {words} words; this Diffusion-LM has {longest}"
                )

    def given(self, target: Target, index: int, streams: Streams) -> None:
        """Nothing: a text starts from noise alone."""

    def guidance(self, controls: Sequence[Control]) -> Guidance | Steering | None:
        """What guides the rows of one batch."""
        return None

    def whole(self, target: Target) -> dict[str, Any]:
        guidance = self.guidance([target.control])
        return {**hooks(guidance), "leave": self.diffusion.settling(1, guidance)}

    def decode(self, jobs: list[Job[None]], streams: Streams, progress: Progress) -> list[Made]:
        """Network evaluations: one a step, and those of the guides' gradients."""
        rngs = [streams(job.target.id, job.index) for job in jobs]
        guidance = self.guidance([job.target.control for job in jobs])
        leave = self.diffusion.settling(len(jobs), guidance)
        x = self.diffusion.latents(rngs, **hooks(guidance), leave=leave, progress=progress)
        whole = float(self.diffusion.schedule.steps + (guidance.evaluations if guidance else 0))
        costs = leave.costs(len(jobs), whole) if leave else [whole] * len(jobs)
        rows = [self.vocabulary.decode(row) for row in self.diffusion.ids(x)]
        made = zip(rows, costs, strict=True)
        return [Made(self.vocabulary.strip(row), row, nfe) for row, nfe in made]


class Guided(Free):
    """Under a composition, the parts' log-probabilities add up (section 7.2); ``guides``: one maker
    for each part, in the order of the controls of ``AllOf``."""

    def __init__(
        self,
        diffusion: Diffusion,
        vocabulary: Vocabulary,
        config: GuidanceConfig,
        guides: Sequence[MakeGuide],
    ) -> None:
        super().__init__(diffusion, vocabulary)
        self.config, self.guides = config, tuple(guides)

    def guidance(self, controls: Sequence[Control]) -> Guidance:
        networks = len(self.guides)
        if self.config.through == "estimate":
            networks += any(not isinstance(one, LengthGuide) for one in self.guide(controls))
        log_prob = OfControls(self.log_prob, controls)
        return Guidance(log_prob, self.config, networks, self.diffusion.schedule)

    def log_prob(self, controls: Sequence[Control]) -> LogProb:
        """Of all parts of the rows of one batch."""
        guides = self.guide(controls)
        # length control reads an estimate of its own, as released
        own = [guide for guide in guides if isinstance(guide, LengthGuide)]
        read = [guide for guide in guides if not isinstance(guide, LengthGuide)]
        if self.config.through == "latent" or not read:
            return add(guides)
        return add([ThroughEstimate(add(read), self.diffusion.x0), *own])

    def guide(self, controls: Sequence[Control]) -> list[LogProb]:
        """The guides of one batch, one for each part."""
        if len(self.guides) == 1:
            return [self.guides[0](controls)]
        rows = [control.controls if isinstance(control, AllOf) else () for control in controls]
        if any(len(row) != len(self.guides) for row in rows):
            raise UserError(f"a composition of {len(self.guides)} tasks takes as many controls")
        return [make(part) for make, part in zip(self.guides, zip(*rows), strict=True)]


class Fluent(Guided):
    """Guided by the fluency term alone, which pulls what is drawn to the mean of its move: texts
    without control at the temperature that guidance has."""

    def __init__(
        self, diffusion: Diffusion, vocabulary: Vocabulary, config: GuidanceConfig
    ) -> None:
        super().__init__(diffusion, vocabulary, config, ())

    def guidance(self, controls: Sequence[Control]) -> Guidance:
        return Guidance(OfControls(_indifferent, controls), self.config, 0, self.diffusion.schedule)


def _indifferent(controls: Sequence[Control]) -> LogProb:
    return lambda x, s: (0.0 * x).sum((1, 2))


class ThroughEstimate:
    """log p(control | x_0(x_s)): ``guide`` at its clean level reads the unclamped estimate of x_0
    from x_s, ``x0``, differentiable in x_s (the gradient of Diffusion Posterior Sampling, Chung et
    al. 2023, equation 7, with a classifier in the likelihood's place). The paper's own guidance
    reads x_s, with a classifier that was trained on its noise."""

    def __init__(self, guide: LogProb, x0: LogProb) -> None:
        self.guide, self.x0 = guide, x0

    def __call__(self, x: Tensor, s: int) -> Tensor:
        return self.guide(self.x0(x, s), CLEAN)


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
