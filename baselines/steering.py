"""What ways to steer a language model share: its networks, its prompts, and a contrast of networks
at each token. Free of torch until something is loaded, so that a method's file may hold its card.

Shapes: R rows, W words (the ids that all networks share), P parts of a composition, 1 otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from baselines.autoregressive import Autoregressive, Heads, check_vocabularies, prompts, uniforms
from models.base import Card, of_parts
from models.nets.recipes import DISCRIMINATOR, FINETUNED
from tasks.base import Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from baselines.autoregressive import Decoded
    from models.jobs import Job
    from models.nets.backbones import CausalLM
    from models.nets.codec import Codec
    from models.nets.decoding import Experts, Reweighting
    from tasks.controls import Control

#: roles of the networks beside the model
EXPERT, JUDGE = FINETUNED.name, DISCRIMINATOR.name


@dataclass(frozen=True)
class SteeringCard(Card):
    """A language model and, for each part of a task, the network of ``role`` beside it, if any."""

    group: str = "steering"
    role: str = EXPERT

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        assert task is not None
        return ("lm", *(of_parts(self.role, task) if self.role else ()))


class Steered(Autoregressive):
    """A language model that reads no control, and networks beside it, each of which reads the
    prompt of its own part: fine-tuned models or discriminators, as the card says."""

    card: ClassVar[SteeringCard]

    def __init__(
        self,
        model: Any,
        codec: Codec,
        others: Sequence[Any],
        codecs: Sequence[Codec],
        task: Task,
        settings: Any,
    ) -> None:
        super().__init__(model, codec, task, settings)
        self.others, self.codecs = others, codecs

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        """Raises ``UserError`` where the networks were trained on different vocabularies."""
        from models.nets.causal import load_lm

        used = [folders[role] for role in cls.card.needs(task, settings)]
        model, codec, _ = load_lm(used[0], device)
        loaded = [cls.beside(folder, device) for folder in used[1:]]
        others, codecs = [network for network, _ in loaded], [one for _, one in loaded]
        check_vocabularies(used, [codec, *codecs])
        return cls(model, codec, others, codecs, task, settings)

    @classmethod
    def beside(cls, folder: Path, device: torch.device) -> tuple[Any, Codec]:
        """A network beside the model, and its codec."""
        from models.nets.causal import load_lm
        from models.nets.discriminator import load_discriminator

        read: Any = load_discriminator if cls.card.role == JUDGE else load_lm
        network, codec, _ = read(folder, device)
        return network, codec

    def _heads(self, control: Control) -> list[list[int]]:
        return [
            self.codec.head(()),
            *(prompts(self.task, control, self.codecs) if self.codecs else ()),
        ]

    def _positions(self) -> list[int]:
        return [*super()._positions(), *(getattr(n, "decoder", n).positions for n in self.others)]

    def prompts(self, jobs: Sequence[Job[Heads]]) -> list[list[tuple[int, ...]]]:
        """What each network beside the model reads first, a row for each job."""
        return [[job.given.others[i] for job in jobs] for i in range(len(self.others))]

    def sampled(
        self,
        model: CausalLM,
        codec: Codec,
        heads: Sequence[Sequence[int]],
        u: Tensor,
        reweighting: Reweighting | None = None,
    ) -> list[list[int]]:
        """Texts of ``model``, which reads ``codec``, behind ``heads``, by random numbers ``u``."""
        from models.nets.decoding import sample

        return sample(
            model,
            heads,
            u,
            codec.eos,
            codec.forbidden,
            temperature=self.settings.temperature,
            top_k=self.settings.top_k,
            top_p=self.settings.top_p,
            reweighting=reweighting,
        )


@contextmanager
def naming_owners(owners: Sequence[Job[Heads]]) -> Iterator[None]:
    """Numbers that are not finite in this block are those of the target whose row they stand in;
    rows beyond ``owners`` repeat the first."""
    from models.nets.finite import NotFinite

    try:
        yield
    except NotFinite as error:
        row = error.row or 0
        raise error.of(owners[row if row < len(owners) else 0].target.id) from None


class Contrast(ABC):
    """A :class:`models.nets.decoding.Reweighting` by what ``experts`` say beside the model."""

    def __init__(self, experts: Experts) -> None:
        self.experts = experts

    @abstractmethod
    def mix(self, base: Tensor, said: Tensor) -> Tensor:
        """log p of the next word under the model (R, W) and under each expert (P, R, W), fp64 ->
        log-weights (R, W). What the model rules out is -inf in ``base``, and comes out whatever is
        said of it."""

    def logits(self, logits: Tensor) -> Tensor:
        import torch

        base = logits[:, : self.experts.words].double().log_softmax(-1)
        out = base == -torch.inf
        rest = [one.double().masked_fill(out, -torch.inf) for one in self.experts.read()]
        said = torch.stack(rest).log_softmax(-1).masked_fill(out, 0.0)
        mixed = torch.full_like(logits, -torch.inf, dtype=torch.float64)
        mixed[:, : self.experts.words] = self.mix(base, said).masked_fill(out, -torch.inf)
        return mixed

    def keep(self, rows: Tensor) -> None:
        self.experts.keep(rows)

    def advance(self, tokens: Tensor) -> None:
        self.experts.advance(tokens)


class Contrasted(Steered):
    """Samples under a :class:`Contrast`. The key that the card calls ``tradeoff`` is its weight; at
    0 nothing but the model is asked. Network evaluations: one of each network a token."""

    @abstractmethod
    def contrast(self, experts: Experts) -> Contrast:
        """What reweights one batch."""

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        from models.nets.decoding import Experts

        steered, passes = None, 1
        if getattr(self.settings, self.card.tradeoff) != 0:
            experts = Experts(self.others, self.prompts(jobs), self.codec.text_size)
            steered, passes = self.contrast(experts), 1 + len(self.others)
        u = uniforms(self.name, jobs, seed, limit)
        texts = self.sampled(self.model, self.codec, [job.given.head for job in jobs], u, steered)
        return [(ids, float(len(ids) * passes)) for ids in texts]
