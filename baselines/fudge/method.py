"""FUDGE: a frozen language model steered by future discriminators (Yang and Klein 2021).

At each step the language model's 200 best tokens get lambda * log p(control | prefix + token) added
to their logits, and the next token is drawn among the 10 best (paper, section 6.3 and appendix B).
Under a composition each part's discriminator adds its own term (the paper does not say how it
composed; a sum is what independent controls give, and what Yang and Klein do with several words).
With prior=rate the probability is that under the control's own rate (:mod:`baselines.fudge.prior`),
and with lambda 1 and all tokens kept a perfect discriminator gives p(text | control) exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import torch

from baselines.autoregressive import (
    Autoregressive,
    Decoded,
    Heads,
    check_vocabularies,
    prompts,
    split,
    uniforms,
)
from baselines.fudge.card import CARD, FT_FUDGE, TEXTS, lambdas
from baselines.fudge.prior import Rates
from baselines.fudge.settings import FudgeSettings
from models.base import Card
from models.jobs import Job
from models.nets.backbones import CausalLM
from models.nets.causal import load_lm
from models.nets.codec import Codec
from models.nets.decoding import sample
from models.nets.discriminator import Discriminator, PrefixScorer, Steering, load_discriminator
from tasks.base import Task
from tasks.composition import Composition
from tasks.controls import Control
from tasks.corpora.stored import read_corpus


class Fudge(Autoregressive):
    """FUDGE over a language model trained from scratch.

    Network evaluations of a sample: for each token one of the language model and ``pre_top_k`` of
    each discriminator, as the paper counts them (appendix C).
    """

    card: ClassVar[Card] = CARD

    def __init__(
        self,
        model: CausalLM,
        codec: Codec,
        discriminators: Sequence[Discriminator],
        codecs: Sequence[Codec],
        task: Task,
        settings: FudgeSettings,
        *,
        rates: Sequence[Rates] = (),
    ) -> None:
        """``rates``: those of each part's controls, where ``settings.prior`` asks for them."""
        super().__init__(model, codec, task, settings)
        self.discriminators, self.codecs, self.rates = discriminators, codecs, rates
        self.lams = lambdas(settings, task.name)

    @classmethod
    def load(
        cls,
        folders: Mapping[str, Path],
        task: Task,
        settings: FudgeSettings,
        device: torch.device,
    ) -> Self:
        """Raises ``UserError`` where the networks were trained on different vocabularies."""
        roles = cls.card.needs(task, settings)
        used = [folders[role] for role in roles if role != TEXTS]
        model, codec, _ = load_lm(used[0], device)
        loaded = [load_discriminator(folder, device)[:2] for folder in used[1:]]
        discriminators, codecs = zip(*loaded, strict=True)
        check_vocabularies(used, [codec, *codecs])
        rates: list[Rates] = []
        if TEXTS in roles:
            texts = read_corpus(folders[TEXTS]).train
            singles = task.parts if isinstance(task, Composition) else (task,)
            rates = [Rates(part, texts) for part in singles]
        return cls(model, codec, discriminators, codecs, task, settings, rates=rates)

    def _heads(self, control: Control) -> list[list[int]]:
        return [self.codec.head(()), *prompts(self.task, control, self.codecs)]

    def _positions(self) -> list[int]:
        readers = [one.decoder.positions for one in self.discriminators]
        return [*super()._positions(), *readers]

    def _odds(self, jobs: list[Job[Heads]], part: int) -> list[float] | None:
        """Of each job's control of that part, before the first word."""
        if not self.rates:
            return None
        controls = [split(self.task, job.target.control)[part][1] for job in jobs]
        return [self.rates[part].log_odds(control) for control in controls]

    @torch.inference_mode()
    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        settings = self.settings
        scorers = [
            PrefixScorer(network, [job.given.others[i] for job in jobs], self._odds(jobs, i))
            for i, network in enumerate(self.discriminators)
        ]
        texts = sample(
            self.model,
            [job.given.head for job in jobs],
            uniforms(self.name, jobs, seed, limit),
            self.codec.eos,
            self.codec.forbidden,
            temperature=settings.temperature,
            top_k=settings.post_top_k,
            reweighting=Steering(scorers, self.lams, settings.pre_top_k),
        )
        judged = min(settings.pre_top_k, self.model.vocabulary) * len(scorers)
        return [(ids, float(len(ids) * (1 + judged))) for ids in texts]


class FTFudge(Fudge):
    """FUDGE over a model that is fine-tuned on the control and reads it as a prompt: prompting and
    guidance at once. With lambda 0 it is the fine-tuned model, of which the best ``post_top_k``
    tokens are drawn."""

    card: ClassVar[Card] = FT_FUDGE

    def _heads(self, control: Control) -> list[list[int]]:
        own = prompts(self.task, control, [self.codec])
        return [*own, *prompts(self.task, control, self.codecs)]
