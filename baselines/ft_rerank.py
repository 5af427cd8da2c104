"""Likelihood reranking: n texts of the fine-tuned model, of which the one is kept that the language
model finds the likeliest, by its mean log-probability a token (sample and rank, Adiwardana et al.
2020).

The language model reads no control, so that the ranking is by fluency alone; control is the
fine-tuned model's. Likely texts are short and alike, so that diversity stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from baselines.several import RANGES, Ranked, SeveralSettings
from baselines.steering import SteeringCard
from models.nets.recipes import FINETUNED
from tasks import parts
from tasks.base import Task

if TYPE_CHECKING:
    from baselines.autoregressive import Heads
    from models.jobs import Job
    from models.nets.backbones import CausalLM
    from models.nets.codec import Codec


class FTRerankSettings(SeveralSettings):
    """Likelihood reranking; n = 1 is the fine-tuned model."""


@dataclass(frozen=True)
class RerankCard(SteeringCard):
    def refuses(self, task: Task) -> str | None:
        if len(parts(task.name)) > 1:
            return "it draws from one model, which is fine-tuned on single controls"
        return super().refuses(task)


CARD = RerankCard(
    "ft_rerank",
    "baselines.ft_rerank:FTRerank",
    label="FT, reranked",
    paper="Adiwardana et al. 2020, Towards a Human-like Open-Domain Chatbot",
    order=135,
    Settings=FTRerankSettings,
    brings=(FINETUNED,),
    trained=True,
    tradeoff="n",
    ranges=RANGES,
)


class FTRerank(Ranked):
    """Network evaluations: the tokens of all n texts, and one of the language model a text."""

    card: ClassVar[SteeringCard] = CARD
    readers = 1

    @property
    def source(self) -> tuple[CausalLM, Codec]:
        return self.others[0], self.codecs[0]

    def start(self, heads: Heads) -> tuple[int, ...]:
        return heads.others[0]

    def scores(self, jobs: Sequence[Job[Heads]], texts: Sequence[list[int]]) -> list[float]:
        """Mean log-probability a token, the end token included, in nats."""
        import torch

        from models.nets.causal import token_nll
        from models.nets.decoding import stack

        pairs = zip(jobs, texts, strict=True)
        ids = stack([[*job.given.head, *text] for job, text in pairs], self.model.device)
        mask = torch.ones(len(ids), ids.shape[1] - 1, dtype=torch.bool, device=ids.device)
        mask[:, : len(jobs[0].given.head) - 1] = False
        with torch.inference_mode():
            nll = token_nll(self.model, ids, mask).view(len(ids), -1).double().mean(1)
        return [-float(x) for x in nll[: len(texts)]]
