"""The cards of Langevin sampling, an experiment, and the role of the network that it samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from baselines.langevin.settings import LangevinSettings, NoisyLMConfig
from models.base import CONTROL, Card, Role
from models.nets.recipes import NATS, text_role
from tasks import load_task, parts
from tasks.base import Task
from tasks.controls import Length

PAPER = "Jayaram and Thickstun 2021, Parallel and Flexible Sampling from Autoregressive Models"


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
