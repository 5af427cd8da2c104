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

Control classifiers can guide the same words too (classifier guidance, Schiff et al. 2024): each
reads the text without its prompts, and what it says of a word is added to the guided word's.

Shapes: B batch, P prompts, L length of prompts and text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from models.base import BOTH, CONTROL, PROMPTED, Card, of_parts
from models.diffusion.classifiers.kinds import GUIDED_BY, control_kinds
from models.diffusion.words.card import CLASSIFIER, FRAMED, classifier_role
from models.diffusion.words.config import OrderSettings, StepSettings, WordGuidanceConfig
from models.diffusion.words.method import WordDiffusion
from models.diffusion.words.prompted import NETWORK, PromptedConfig
from models.diffusion.words.prompted import PROMPTED as NETWORK_ROLE
from models.diffusion.words.role import build
from tasks.base import Task
from tasks.common.ranges import ranged

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class CFGSettings(OrderSettings, StepSettings):
    """The orders of masked diffusion, and how far the control's word is taken."""

    #: p(word | empty)^(1 - gamma) p(word | control)^gamma: 0 unconditional, 1 conditional, above
    #: that sharpened; 0 and 1 cost one evaluation a step, others two
    gamma: float = ranged(2.0, least=0, most=1e3)


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
    brings=(NETWORK_ROLE,),
    tables=frozenset({CONTROL}),
    group="discrete",
    trained=True,
    corner=("masked diffusion", PROMPTED),
    tradeoff="gamma",
    steps="steps",
    ranges={"gamma": ("1", "2", "3"), "temperature": ("0.7", "1")},
)


@dataclass(frozen=True)
class GuidedCFGSettings(CFGSettings):
    """Prompts, and control classifiers that read what is written."""

    guidance: WordGuidanceConfig = field(default_factory=WordGuidanceConfig)


@dataclass(frozen=True)
class GuidedCFGCard(CFGCard):
    def refuses(self, task: Task) -> str | None:
        """Where there is nothing that a classifier could guide."""
        kinds = control_kinds(task.name)
        framed = [part for part, kind in kinds.items() if kind in FRAMED]
        lacking = [part for part in kinds if kinds[part] not in GUIDED_BY and part not in framed]
        lacking = framed if len(framed) == len(kinds) else lacking
        if task.table in self.tables and lacking:
            return f"no classifier guides {' and '.join(lacking)}"
        return super().refuses(task)

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        assert task is not None
        kinds = filter(None, map(GUIDED_BY.get, control_kinds(task.name).values()))
        return (*super().needs(task, settings), *dict.fromkeys(map(classifier_role, kinds)))


GUIDED_CARD = GuidedCFGCard(
    "mdlm_cfg_guided",
    "models.mdlm_cfg:MDLMCFGGuided",
    label="MDLM, CFG + guidance",
    paper=CARD.paper,
    order=69,
    Settings=GuidedCFGSettings,
    brings=(NETWORK_ROLE, CLASSIFIER),
    tables=frozenset({CONTROL}),
    group="two_by_two",
    trained=True,
    corner=("masked diffusion", BOTH),
    tradeoff="guidance.weight",
    steps="steps",
    ranges={"guidance.weight": ("0.5", "1", "2"), "gamma": ("1", "2")},
)
CARDS = (CARD, GUIDED_CARD)


class MDLMCFG(WordDiffusion):
    card: ClassVar[Card] = CARD  # type: ignore[assignment]

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        """Raises ``UserError`` for networks of different vocabularies or lengths."""
        from models.diffusion.prompts import fronts
        from models.diffusion.words.contrast import Guided
        from models.diffusion.words.decoding import Decoder, makers
        from models.diffusion.words.frame import Frames
        from models.diffusion.words.prompts import load_prompted
        from models.diffusion.words.reader import Reader

        places = [folders[role] for role in of_parts(NETWORK, task)]
        networks, words = load_prompted(places, PromptedConfig, partial(build, NETWORK), device)
        guided = Guided(networks, settings.gamma)
        reader = Reader(guided, len(words), guided.passes)
        frames = Frames(places[0], words, networks[0].length)
        guidance = getattr(settings, "guidance", None)
        guides = makers(folders, task, guidance, frames, device) if guidance is not None else []
        return cls(Decoder(reader, words, frames, guides, front=fronts(task, networks)), settings)

    def process(self, free: Tensor) -> Any:
        from models.diffusion.words.orders import unmasking

        return unmasking(self.decoder.reader.words, free, self.settings)


class MDLMCFGGuided(MDLMCFG):
    """Both at once. Network evaluations: those of the networks that read prompts, and the texts and
    gradients of the classifiers."""

    card: ClassVar[Card] = GUIDED_CARD
