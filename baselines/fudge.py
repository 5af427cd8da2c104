"""FUDGE: a frozen language model steered by a future discriminator (Yang and Klein 2021).

At each step the language model's 200 best tokens get lambda * log p(control | prefix + token) added
to their logits, and the next token is drawn among the 10 best (paper, section 6.3 and appendix B).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from transformers import GPT2LMHeadModel

from baselines.autoregressive import Job, check_lengths, run, uniforms
from baselines.settings import FudgeSettings
from models.base import Generator, TargetSamples
from models.causal_lm import load_lm
from models.codec import Codec
from models.decoding import sample
from models.discriminator import Discriminator, PrefixScorer, load_discriminator
from tasks.base import Target, Task
from tasks.errors import UserError
from tasks.progress import Progress, silent

#: lambda of the paper's Table 6; FUDGE's original paper and the table's other tasks lie between
LAMBDA: Mapping[str, float] = {"syntax_spans": 20.0, "length": 2.0}
OTHER_TASKS = 8.0


class Fudge(Generator):
    """FUDGE over a language model trained from scratch.

    Network evaluations of a sample: for each token one of the language model and ``pre_top_k`` of
    the discriminator, as the paper counts them (appendix C).
    """

    name: ClassVar[str] = "fudge"
    Settings: ClassVar[type] = FudgeSettings

    def __init__(
        self,
        model: GPT2LMHeadModel,
        codec: Codec,
        discriminator: Discriminator,
        prompts: Codec,
        task: Task,
        settings: FudgeSettings,
    ) -> None:
        self.model, self.codec, self.task, self.settings = model, codec, task, settings
        self.discriminator, self.prompts = discriminator, prompts
        self.lam = self.resolve(settings, task.name).lam

    @classmethod
    def resolve(cls, settings: Any, task: str) -> Any:
        chosen = LAMBDA.get(task, OTHER_TASKS) if settings.lam is None else settings.lam
        return dataclasses.replace(settings, lam=chosen)

    @classmethod
    def artefacts(cls, task: str) -> tuple[str, ...]:
        return ("lm", "discriminator")

    @classmethod
    def load(
        cls,
        folders: Mapping[str, Path],
        task: Task,
        settings: FudgeSettings,
        device: torch.device,
    ) -> Self:
        model, codec, _ = load_lm(folders["lm"], device)
        discriminator, prompts, _ = load_discriminator(folders["discriminator"], device)
        if codec.with_prompt([]).digest != prompts.with_prompt([]).digest:
            raise UserError(
                f"the language model in {folders['lm']} and the discriminator in "
                f"{folders['discriminator']} were trained on different vocabularies"
            )
        return cls(model, codec, discriminator, prompts, task, settings)

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """Raises ``UserError`` for a target that needs more words than the networks can read, or
        whose prompt holds a token that the discriminator was not trained with."""
        heads = [self.prompts.head(self.task.prompt(target.control)) for target in targets]
        positions = min(self.model.config.n_positions, self.discriminator.body.config.n_positions)
        max_words = self.settings.max_words
        check_lengths(targets, heads, max_words, positions)
        most = self.codec.limit(max_words)

        def decode(jobs: list[Job]) -> list[tuple[list[int], float]]:
            return self._decode(jobs, seed, min(most, positions - len(jobs[0].head)))

        device = self.model.device
        yield from run(
            targets, samples_per_target, heads, decode, self.codec, batch, device, progress
        )

    @torch.inference_mode()
    def _decode(self, jobs: list[Job], seed: int, limit: int) -> list[tuple[list[int], float]]:
        settings = self.settings
        scorer = PrefixScorer(
            self.discriminator, [job.head for job in jobs], self.lam, settings.pre_top_k
        )
        texts = sample(
            self.model,
            [self.codec.head(())] * len(jobs),
            uniforms(self.name, jobs, seed, limit),
            self.codec.eos,
            self.codec.forbidden,
            settings.temperature,
            settings.post_top_k,
            reweighting=scorer,
        )
        judged = min(settings.pre_top_k, self.model.config.vocab_size)
        return [(ids, float(len(ids) * (1 + judged))) for ids in texts]
