"""The cards of SSD-LM (Han et al. 2023) and TESS (Mahabadi et al. 2024), and their networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from models.base import CONTROL, Card, Role
from models.diffusion.words.card import CLASSIFIER, GuidedCard
from models.nets.presets import sized
from models.nets.recipes import NATS, text_role
from models.ssd_lm.config import SimplexConfig, SimplexSettings, by_preset
from tasks.base import Task


def _build(config: Any, vocabulary: Any) -> Any:
    from models.ssd_lm.network import build

    return build(config, vocabulary)


def _objective(network: Any, train: Any, held: Any, plan: Any) -> Any:
    from models.ssd_lm.network import BlockObjective

    return BlockObjective(network, train, held, plan)


def simplex_role(name: str, title: str, preset: Any) -> Role:
    return text_role(
        name, SimplexConfig, _build, _objective, title=title, preset=preset,
        curve=("valid_nll",), curve_label=NATS, embedding="word_embedding.weight",
    )  # fmt: skip


@dataclass(frozen=True)
class SimplexCard(GuidedCard):
    """Guided by the classifiers of words, which are told that what they read has no noise."""

    Settings: type = SimplexSettings
    tables: frozenset[str] = frozenset({CONTROL})
    group: str = "continuous"

    def refuses(self, task: Task) -> str | None:
        return Card.refuses(self, task) if task.fills else super().refuses(task)


RANGES = {"guidance.weight": ("30", "100", "300"), "temperature": ("0.7", "1")}
SSD_LM_CARD = SimplexCard(
    "ssd_lm",
    "models.ssd_lm.method:SSDLM",
    label="SSD-LM",
    paper="Han et al. 2023, SSD-LM",
    order=167,
    brings=(
        simplex_role("ssd_lm_network", "SSD-LM", partial(by_preset, block=16)),
        CLASSIFIER,
    ),
    ranges=RANGES,
    network="ssd_lm_network",
)


def whole(preset: str, run: Any) -> SimplexConfig:
    """One block, the text; half of the texts are read twice."""
    return by_preset(preset, run, block=sized(preset).length - 1, self_conditioning=0.5)


TESS_CARD = SimplexCard(
    "tess",
    "models.ssd_lm.method:TESS",
    label="TESS",
    paper="Mahabadi et al. 2024, TESS: Text-to-Text Self-Conditioned Simplex Diffusion",
    order=168,
    brings=(simplex_role("tess_network", "TESS", whole), CLASSIFIER),
    ranges=RANGES,
    network="tess_network",
)
CARDS = (SSD_LM_CARD, TESS_CARD)
