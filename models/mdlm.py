"""Masked diffusion (MDLM, Sahoo et al. 2024): words are masked one by one and read back.

Shapes: B batch, L length, V words; the mask is id V. A text is START, its words, END, PAD; under
length control all of it but the words is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from models.base import Card, Generator, TargetSamples, sample_rng
from models.jobs import Job, Made, run
from models.nets.config import EncoderConfig, TrainConfig, size
from models.nets.recipes import text_role
from tasks.base import Target, Task
from tasks.common.progress import Progress, silent
from tasks.common.ranges import Checked, ranged
from tasks.controls import Length
from tasks.vocabulary import END, PAD, START, Vocabulary

if TYPE_CHECKING:
    import torch

    from models.nets.encoder import WordEncoder
    from tasks.common.batching import BatchPlan


@dataclass(frozen=True)
class MaskedConfig(Checked):
    """The denoising network of masked diffusion, which is not told the time (section 5.3)."""

    #: tokens of a sequence, START, END and PAD included
    length: int = size(64, least=4)
    network: EncoderConfig = field(default_factory=EncoderConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(ema=0.9999))


@dataclass(frozen=True)
class MDLMSettings(Checked):
    #: steps of ancestral sampling (section 4.2), one network evaluation each
    steps: int = ranged(64, least=1, most=10**6)


@dataclass(frozen=True)
class Bound:
    """The continuous-time bound in nats a token, alpha_t = 1 - t: the mean over t of the masked
    positions' cross-entropy over t (equation 10), at low-discrepancy times (section 3.5)."""

    module: WordEncoder
    train: torch.Tensor
    held: torch.Tensor
    plan: BatchPlan

    def each(self, ids: torch.Tensor, seed: int | None = None) -> torch.Tensor:
        import torch
        from torch.nn import functional as F

        rng = None if seed is None else torch.Generator().manual_seed(seed)
        t = (torch.arange(len(ids)) / len(ids) + torch.rand(1, generator=rng)) % 1 + 1e-4
        masked = torch.rand(ids.shape, generator=rng) < t[:, None]
        x = ids.masked_fill(masked, self.module.words - 1).to(self.module.device)
        logits = self.module(x)[..., :-1].transpose(1, 2)  # zero masking: the mask is no word
        nll = F.cross_entropy(logits, ids.to(x.device), reduction="none") * masked.to(x.device)
        return nll.sum(1) / t.to(x.device) / ids.shape[1]

    def loss(self, step: int) -> tuple[torch.Tensor, Mapping[str, Any]]:
        return self.each(self.train[self.plan(step)]).mean(), {}

    def validate(self) -> Mapping[str, float]:
        return {"bound": float(self.each(self.held, seed=0).mean())}


def build(config: MaskedConfig, vocabulary: Vocabulary) -> tuple[WordEncoder, dict[str, Any]]:
    from models.nets.encoder import WordEncoder

    return WordEncoder(config.network, config.length, len(vocabulary) + 1), {"kind": "masked"}


@dataclass(frozen=True)
class MDLMCard(Card):
    def refuses(self, task: Task) -> str | None:
        return None if task.control is Length else f"no guidance is defined for {task.name}"

    def room(self, config: Any, task: Task) -> int | None:
        return int(config.masked.length) - 2


ROLE = text_role(
    "masked", MaskedConfig, build, Bound, title="MDLM", curve=("valid_bound",), curve_label="nats"
)
CARD = MDLMCard(
    "mdlm", "models.mdlm:MDLM", "MDLM", 65, 6, MDLMSettings, ("masked",), (ROLE,), frozenset()
)


class MDLM(Generator):
    card: ClassVar[Card] = CARD

    def __init__(self, module: WordEncoder, words: Vocabulary, steps: int) -> None:
        self.module, self.vocabulary, self.steps = module, words, steps

    @classmethod
    def load(cls, folders: Mapping[str, Path], task: Task, settings: Any, device: Any) -> Self:
        from models.nets.artefact import load_network

        read, folder = ("vocabulary", Vocabulary.load), folders["masked"]
        module, _, words = load_network(folder, MaskedConfig, build, words=read)
        return cls(module.to(device), words, settings.steps)

    def generate(
        self, targets: Sequence[Target], samples_per_target: int, seed: int, batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:  # fmt: skip
        decode = self._decoding(seed)
        return run(targets, samples_per_target, decode, batch, progress, given=self._row)

    def _row(self, target: Target, index: int) -> list[int]:
        n, room = target.control.needed_words, self.module.positions - 2
        return [START, *[len(self.vocabulary)] * n, END, *[PAD] * (room - n)]

    def _decoding(self, seed: int) -> Any:
        import torch

        from models.diffusion.loop import Noise, uniform, walk
        from models.diffusion.tokens import absorbing, linear

        mask, device, steps = len(self.vocabulary), self.module.device, self.steps
        process = absorbing(linear(steps), mask + 1, mask)
        no_words = torch.tensor([START, END, PAD, mask], device=device)

        @torch.inference_mode()
        def decode(jobs: list[Job[list[int]]], report: Progress) -> list[Made]:
            given = torch.tensor([job.given for job in jobs], device=device)
            rngs = [sample_rng(seed, self.name, job.target.id, job.index) for job in jobs]
            ids = walk(
                lambda x, t, _: self.module(x).index_fill(-1, no_words, -torch.inf),
                process, Noise(rngs, given.shape[1:], uniform), device,
                pin=lambda x, s: torch.where(given == mask, x, given),
                on_step=lambda t: report(steps - t, steps),
            )  # fmt: skip
            texts = map(self.vocabulary.decode, ids.tolist())
            return [Made(self.vocabulary.strip(text), text, float(steps)) for text in texts]

        return decode
