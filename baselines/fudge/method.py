"""FUDGE: a frozen language model steered by future discriminators (Yang and Klein 2021).

At each step the language model's 200 best tokens get lambda * log p(control | prefix + token) added
to their logits, and the next token is drawn among the 10 best (paper, section 6.3 and appendix B).
Under a composition each part's discriminator adds its own term (the paper does not say how it
composed; a sum is what independent controls give, and what Yang and Klein do with several words).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch

from baselines.autoregressive import (
    NO_PROMPT,
    Autoregressive,
    Job,
    check_vocabularies,
    prompts,
    roles,
    uniforms,
)
from baselines.fudge.settings import FudgeSettings
from models.nets.causal import load_lm
from models.nets.codec import Codec
from models.nets.decoding import sample
from models.nets.discriminator import Discriminator, PrefixScorer, Steering, load_discriminator
from tasks import parts
from tasks.base import Task
from tasks.common.errors import UserError
from tasks.controls import Control

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel

#: lambda of the paper's Table 6
LAMBDA: Mapping[str, float] = {
    "semantic_content": 8.0,
    "parts_of_speech": 20.0,
    "syntax_tree": 20.0,
    "syntax_spans": 20.0,
    "length": 2.0,
}
#: for tasks that are not in it: the middle of the values that the paper tried
OTHER_TASKS = 8.0


class Fudge(Autoregressive):
    """FUDGE over a language model trained from scratch.

    Network evaluations of a sample: for each token one of the language model and ``pre_top_k`` of
    each discriminator, as the paper counts them (appendix C).
    """

    name: ClassVar[str] = "fudge"
    Settings: ClassVar[type] = FudgeSettings

    def __init__(
        self,
        model: GPT2LMHeadModel,
        codec: Codec,
        discriminators: Sequence[Discriminator],
        codecs: Sequence[Codec],
        task: Task,
        settings: FudgeSettings,
    ) -> None:
        super().__init__(model, codec, task, settings)
        self.discriminators, self.codecs = discriminators, codecs
        self.lams = lambdas(settings, task.name)

    @classmethod
    def resolve(cls, settings: Any, task: str) -> Any:
        lams = lambdas(settings, task)
        if len(lams) == 1:
            return dataclasses.replace(settings, lam=lams[0], lams=None)
        return dataclasses.replace(settings, lam=None, lams=lams)

    @classmethod
    def refuses(cls, task: str) -> str | None:
        return NO_PROMPT if task == "infilling" else None

    @classmethod
    def artefacts(cls, task: str) -> tuple[str, ...]:
        return ("lm", *roles("discriminator", task))

    @classmethod
    def load(
        cls,
        folders: Mapping[str, Path],
        task: Task,
        settings: FudgeSettings,
        device: torch.device,
    ) -> Self:
        """Raises ``UserError`` where the networks were trained on different vocabularies."""
        used = [folders[role] for role in cls.artefacts(task.name)]
        model, codec, _ = load_lm(used[0], device)
        found = [load_discriminator(folder, device)[:2] for folder in used[1:]]
        discriminators, codecs = zip(*found, strict=True)
        check_vocabularies(used, [codec, *codecs])
        return cls(model, codec, discriminators, codecs, task, settings)

    def _heads(self, control: Control) -> list[list[int]]:
        return [self.codec.head(()), *prompts(self.task, control, self.codecs)]

    def _positions(self) -> list[int]:
        readers = [one.body.config.n_positions for one in self.discriminators]
        return [*super()._positions(), *readers]

    @torch.inference_mode()
    def _decode(self, jobs: list[Job], seed: int, limit: int) -> list[tuple[list[int], float]]:
        settings = self.settings
        scorers = [
            PrefixScorer(network, [job.others[i] for job in jobs])
            for i, network in enumerate(self.discriminators)
        ]
        texts = sample(
            self.model,
            [job.head for job in jobs],
            uniforms(self.name, jobs, seed, limit),
            self.codec.eos,
            self.codec.forbidden,
            settings.temperature,
            settings.post_top_k,
            reweighting=Steering(scorers, self.lams, settings.pre_top_k),
        )
        judged = min(settings.pre_top_k, self.model.config.vocab_size) * len(scorers)
        return [(ids, float(len(ids) * (1 + judged))) for ids in texts]


def lambdas(settings: FudgeSettings, task: str) -> tuple[float, ...]:
    """The weight of each part's discriminator. Raises ``UserError`` if there are other numbers of
    weights and parts."""
    names = parts(task)
    if len(names) > 1 and settings.lams is not None:
        if len(settings.lams) != len(names):
            raise UserError(f"fudge.lams has {len(settings.lams)} weights; {task} has {len(names)}")
        return settings.lams
    if settings.lam is not None:
        return (settings.lam,) * len(names)
    return tuple(LAMBDA.get(name, OTHER_TASKS) for name in names)
