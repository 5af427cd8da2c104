"""Classifier-free guidance of masked diffusion (Ho and Salimans 2022; of words Schiff et al. 2024,
D-CFG, and Nisonoff et al. 2025).

One network for each task is trained on texts behind the prompts of their controls, the very prompts
that a language model is fine-tuned on; some prompts are emptied, so that the same network knows
p(word | text) as well. Words are drawn from

    p^gamma(v | x_t, c)  ~  p(v | x_t, empty)^(1 - gamma)  p(v | x_t, c)^gamma

position by position: gamma = 0 is unconditional, 1 conditional, and above 1 sharpens what the
control changes (gamma is 1 + w of Ho and Salimans). Order and number of the positions that a step
decides are those of masked diffusion, so that nothing else changes. Controls c_1 ... c_K of a
composition, each with the network of its own task, add up their contrasts,

    log p(v | x_t, c_1 ... c_K) = m(v) + gamma sum_k log p_k(v | x_t, c_k) / p_k(v | x_t, empty)

up to a constant, where m is the mean of log p_k(v | x_t, empty). At gamma = 1 that is Bayes' rule
where the controls are independent given the word and the text.

Shapes: B batch, L length of prompts and text, V words and the mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from models.base import CONTROL, Card, of_parts
from models.diffusion.words.config import OrderSettings, StepSettings, WordsConfig
from models.diffusion.words.masked import Bound
from models.diffusion.words.method import WordDiffusion
from models.diffusion.words.role import build, words_role
from tasks.base import Task
from tasks.common.ranges import ranged, share

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from models.diffusion.words.prompts import PromptedEncoder


@dataclass(frozen=True)
class PromptedConfig(WordsConfig):
    """The network of masked diffusion, for each task one that reads prompts."""

    #: share of training texts whose prompt is emptied, so that texts without a control are learnt
    drop: float = share(0.1)


class Dropping(Bound):
    """The bound of masked diffusion on -log p(words | prompt), some prompts emptied; held-out texts
    keep theirs."""

    config: PromptedConfig

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        import torch

        from models.diffusion.words.prompts import emptied

        ids, free = super().batch(step)
        return emptied(ids, torch.rand(len(ids)) < self.config.drop, self.mask), free

    def free(self, ids: Tensor, middle: Tensor | None, rng: torch.Generator | None) -> Tensor:
        """No token of a prompt is noised."""
        return super().free(ids, None, rng) & (ids < self.mask)


@dataclass(frozen=True)
class CFGSettings(OrderSettings, StepSettings):
    """The orders of masked diffusion, and how far the control's word is taken."""

    #: p(word | empty)^(1 - gamma) p(word | control)^gamma: 0 unconditional, 1 conditional, above
    #: that sharpened; 0 and 1 cost one evaluation a step, others two
    gamma: float = ranged(2.0, least=0, most=1e3)


NETWORK = "masked_prompted"
PROMPTED = words_role(
    NETWORK,
    PromptedConfig,
    "models.mdlm_cfg:Dropping",
    title="masked diffusion behind prompts",
    bounds=False,
    prompts=True,
)


@dataclass(frozen=True)
class CFGCard(Card):
    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        """One network for each part of a composition."""
        assert task is not None
        return of_parts(NETWORK, task)

    def room(self, config: Any, task: Task) -> int | None:
        return int(getattr(config, NETWORK).length) - 2


CARD = CFGCard(
    "mdlm_cfg",
    "models.mdlm_cfg:MDLMCFG",
    label="MDLM, CFG",
    paper="Ho and Salimans 2022, Classifier-Free Diffusion Guidance; Schiff et al. 2024",
    order=68,
    Settings=CFGSettings,
    brings=(PROMPTED,),
    tables=frozenset({CONTROL}),
    group="discrete",
    trained=True,
    tradeoff="gamma",
    steps="steps",
    ranges={"gamma": ("1", "2", "3"), "temperature": ("0.7", "1")},
)


def mixed(said: Sequence[Tensor], empty: Sequence[Tensor], gamma: float) -> Tensor:
    """Logits (..., V) of guided words, up to a constant a position, from those of each part under
    its control and under no control; what a control rules out stays out."""
    import torch

    total = torch.stack(tuple(empty)).mean(0) if len(empty) > 1 else empty[0]
    impossible = torch.zeros_like(total, dtype=torch.bool)
    for control, none in zip(said, empty, strict=True):
        impossible = impossible | (control == -torch.inf)
        total = total + gamma * (control - none)
    return total.masked_fill(impossible, -torch.inf)


class Guided:
    """The networks of a composition's parts, or of a task, as one that decoding reads: texts behind
    the prompts of all parts -> guided logits (B, L, V), 0 where prompts stand. Whatever ``gamma``
    leaves out is not read."""

    def __init__(self, networks: Sequence[PromptedEncoder], gamma: float) -> None:
        self.networks, self.gamma = networks, gamma
        self.device, self.time = networks[0].device, networks[0].time
        #: whether texts are read under their controls, and under none
        self.under = gamma != 0, gamma != 1 or len(networks) > 1

    @property
    def passes(self) -> int:
        return len(self.networks) * sum(self.under)

    def __call__(self, ids: Tensor, time: Tensor) -> Tensor:
        import torch
        from torch.nn import functional as F

        from models.diffusion.words.prompts import emptied, starts

        mask = self.networks[0].mask
        *begins, text = edges = starts(ids[0].tolist(), mask)
        said, empty = [], []
        for network, begin, end in zip(self.networks, begins, edges[1:], strict=True):
            given = torch.cat([ids[:, begin:end], ids[:, text:]], 1)
            whole = torch.ones(len(ids), dtype=torch.bool, device=ids.device)
            rows = [given] if self.under[0] else []
            rows += [emptied(given, whole, mask)] if self.under[1] else []
            read = network(torch.cat(rows), time.repeat(len(rows)))[:, end - begin :]
            parts = read.split(len(ids))
            said.append(parts[0])
            empty.append(parts[-1])
        both = all(self.under)
        out = mixed(said, empty, self.gamma) if both else torch.stack(said).mean(0)
        return F.pad(out, (0, 0, text, 0))


class MDLMCFG(WordDiffusion):
    card: ClassVar[Card] = CARD  # type: ignore[assignment]

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        """Raises ``UserError`` for networks of different vocabularies or lengths."""
        from models.diffusion.words.decoding import Decoder
        from models.diffusion.words.frame import Frames
        from models.diffusion.words.prompts import fronts, load_prompted
        from models.diffusion.words.reader import Reader

        places = [folders[role] for role in cls.card.needs(task, settings)]
        networks, words = load_prompted(places, PromptedConfig, partial(build, NETWORK), device)
        guided = Guided(networks, settings.gamma)
        reader = Reader(guided, len(words), guided.passes)
        frames = Frames(places[0], words, networks[0].length)
        return cls(Decoder(reader, words, frames, front=fronts(task, networks)), settings)

    def process(self, free: Tensor) -> Any:
        from models.diffusion.words.orders import unmasking

        return unmasking(self.decoder.reader.words, free, self.settings)
