"""The cards of Langevin sampling, an experiment, and the role of the network that it samples."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from models.base import CONTROL, Card, Role
from models.nets.config import EncoderConfig, TrainConfig, size
from models.nets.recipes import NATS, text_role
from tasks import load_task, parts
from tasks.base import Task
from tasks.common.errors import UserError
from tasks.common.ranges import Checked, ranged
from tasks.controls import Length

PAPER = "Jayaram and Thickstun 2021, Parallel and Flexible Sampling from Autoregressive Models"


@dataclass(frozen=True)
class NoisyLMConfig(Checked):
    """A causal language model of noised embeddings, for Langevin sampling (experimental)."""

    #: tokens of a sequence, START, END and PAD included
    length: int = size(64, least=3)
    network: EncoderConfig = field(default_factory=EncoderConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    #: dimension of the embeddings, whose norm is its square root
    embedding: int = size(16)
    #: standard deviations of the least and of the most noise
    least: float = ranged(0.3, above=0, most=1e6)
    most: float = ranged(10.0, above=0, most=1e6)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least >= self.most:
            raise UserError(
                f"noisy_lm.least={self.least} is no less than noisy_lm.most={self.most}"
            )


@dataclass(frozen=True)
class LangevinSettings(Checked):
    """Annealed Langevin dynamics; the published number of levels and of updates."""

    #: levels of noise, each a constant share of the one before
    levels: int = ranged(19, least=1, most=10**5)
    #: gradient steps at each of them
    updates: int = ranged(300, least=1, most=10**6)
    #: size of a step, in variances of the level's noise; at 2 and above no step settles
    step: float = ranged(0.1, above=0, below=2)


def build(config: NoisyLMConfig, vocabulary: Any) -> Any:
    from baselines.langevin.network import NoisyLM

    return NoisyLM(config, len(vocabulary)), {"kind": NOISY_LM.name}


def objective(network: Any, ids: Any, held: Any, batches: Any) -> Any:
    from baselines.langevin.network import CleanWords

    return CleanWords(network, ids, held, batches)


NOISY_LM: Role = text_role(
    "noisy_lm",
    NoisyLMConfig,
    build,
    objective,
    title="the language model of noised embeddings",
    curve=("valid_nats",),
    curve_label=NATS,
)


@dataclass(frozen=True)
class LangevinCard(Card):
    def refuses(self, task: Task) -> str | None:
        """Nothing steers it; the number of words alone can be pinned."""
        kinds = [load_task(part).control for part in parts(task.name)]
        if task.table in self.tables and any(kind is not Length for kind in kinds):
            return "an experiment: it samples texts of a given number of words, without control"
        return super().refuses(task)

    def room(self, config: Any, task: Task) -> int | None:
        return int(getattr(config, NOISY_LM.name).length) - 2


def by_preset(preset: str, config: Any) -> LangevinSettings:
    """A fifteenth of the updates but under the paper's settings: 380 gradients a sample."""
    published = LangevinSettings()
    return published if preset == "paper" else replace(published, updates=20)


CARD = LangevinCard(
    "langevin",
    "baselines.langevin.method:Langevin",
    label="AR + Langevin (experimental)",
    paper=PAPER,
    order=160,
    Settings=LangevinSettings,
    uses=(NOISY_LM.name,),
    brings=(NOISY_LM,),
    tables=frozenset({CONTROL}),
    group="experimental",
    steps="updates",
    ranges={"step": ("0.05", "0.1", "0.3"), "levels": ("10", "19", "40")},
    preset=by_preset,
)
FREE = Card(
    "langevin_free",
    "baselines.langevin.method:Free",
    label="AR + Langevin (experimental), no control",
    paper=PAPER,
    order=2010,
    Settings=LangevinSettings,
    uses=(NOISY_LM.name,),
    brings=(NOISY_LM,),
    tables=frozenset(),
    floor=True,
    preset=by_preset,
)
CARDS = (CARD, FREE)
