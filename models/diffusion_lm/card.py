"""Diffusion-LM's card, the floor's, and the recipes of what they load."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.base import CONTROL, INFILLING, Card, Plan, Role
from models.diffusion.classifiers.kinds import GUIDED_BY, control_kinds
from models.diffusion.classifiers.recipe import classifiers
from models.diffusion.config import GuidanceConfig
from models.diffusion.latents.decoding import InfillingConfig, check_decoding
from models.diffusion.latents.role import latent_role
from models.diffusion_lm.config import (
    DiffusionLMSettings,
    UnconditionalSettings,
    fast,
    fast_guidance,
    guidance_for,
)
from tasks.base import Task
from tasks.common.files import write_text
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe
from tasks.controls import Length
from tasks.corpora.stored import read_corpus
from tasks.infilling import middle_lengths

LENGTHS = "lengths.json"
#: kinds of controls that the denoising network itself guides
SELF_GUIDED = (Length.kind,)


def lengths(plan: Plan, task: str) -> Recipe:
    """How many words the middle sentences of stories have."""

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        counts = middle_lengths(list(read_corpus(deps["corpus"]).train))
        record = {"counts": {str(n): counts[n] for n in sorted(counts)}}
        write_text(folder / LENGTHS, json.dumps(record))

    title = "count the words of middle sentences"
    return recipe("lengths", title, build, {}, deps={"corpus": plan.role("corpus")}, cheap=True)


DIFFUSION = latent_role("diffusion", title="Diffusion-LM", curve_label="L_simple, held out")


@dataclass(frozen=True)
class DiffusionLMCard(Card):
    """Guided under control tasks, pinned under those that fill."""

    def refuses(self, task: Task) -> str | None:
        if task.fills:
            return None
        guided = {*GUIDED_BY, *SELF_GUIDED}
        lacking = [part for part, kind in control_kinds(task.name).items() if kind not in guided]
        return f"no guidance is defined for {' and '.join(lacking)}" if lacking else None

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        """One classifier for each part that needs one; spans and trees share theirs."""
        assert task is not None
        if task.fills:
            return ("diffusion", "lengths")
        kinds = filter(None, map(GUIDED_BY.get, control_kinds(task.name).values()))
        return ("diffusion", *dict.fromkeys(kind.role for kind in kinds))

    def resolve(self, settings: Any, task: Task | None) -> Any:
        assert task is not None
        if task.fills:  # nothing else of the settings plays a part in it
            return DiffusionLMSettings(infilling=settings.infilling or InfillingConfig())
        guidance = self.guidance(settings, task.name)
        return dataclasses.replace(settings, guidance=guidance, infilling=None)

    def guidance(self, settings: DiffusionLMSettings, task: str) -> GuidanceConfig:
        """The constants of guidance under ``task``."""
        return guidance_for(settings, task)

    def check(self, config: Any, task: Task | None) -> None:
        assert task is not None
        settings: DiffusionLMSettings = getattr(config, self.name)
        if task.fills:
            sampling = (settings.infilling or InfillingConfig()).sampling
            check_decoding(config.diffusion, sampling, f"{self.name}.infilling.sampling")
            return
        check_decoding(config.diffusion, settings.sampling, f"{self.name}.sampling")

    def room(self, config: Any, task: Task) -> int | None:
        return int(config.diffusion.length) - 2


DIFFUSION_LM = DiffusionLMCard(
    "diffusion_lm",
    "models.diffusion_lm.method:DiffusionLM",
    label="Diffusion-LM",
    paper="Li et al. 2022, Diffusion-LM Improves Controllable Text Generation",
    order=60,
    colour=0,
    Settings=DiffusionLMSettings,
    brings=(
        DIFFUSION,
        Role("lengths", "models.diffusion_lm.card:lengths"),
        classifiers("diffusion", "models.diffusion.latents.diffusion:load_space"),
    ),
    tables=frozenset({CONTROL, INFILLING}),
    reference=True,
    tradeoff="guidance.fluency",
    step_size="guidance.lr",
    steps="sampling.steps",
    free={"profile": "custom"},
    ranges={
        "guidance.fluency": ("0.1", "0.01", "0.001", "0.0005"),
        "guidance.lr": ("0.05", "0.1", "0.15", "0.2"),
    },
)


@dataclass(frozen=True)
class FastCard(DiffusionLMCard):
    """Guided in fewer steps, under the same profiles."""

    def refuses(self, task: Task) -> str | None:
        return Card.refuses(self, task) if task.fills else super().refuses(task)

    def guidance(self, settings: DiffusionLMSettings, task: str) -> GuidanceConfig:
        return fast_guidance(settings, task)


FAST = FastCard(
    "diffusion_lm_fast",
    "models.diffusion_lm.method:DiffusionLMFast",
    label="Diffusion-LM, fast",
    paper="Li et al. 2022, section 5.1, in a quarter of the steps and one update in each",
    order=62,
    Settings=DiffusionLMSettings,
    group="fast",
    tradeoff="guidance.stretch",
    step_size="guidance.stretch",
    steps="sampling.steps",
    ranges={
        "sampling.steps": ("50", "25"),
        "guidance.merge": ("1", "3"),
        "guidance.every": ("1", "2"),
        "guidance.stretch": ("1", "2"),
    },
    preset=lambda preset, config: fast(config.diffusion_lm),
)


@dataclass(frozen=True)
class FluencyCard(DiffusionLMCard):
    """The same constants, and no classifier."""

    def refuses(self, task: Task) -> str | None:
        if task.fills:
            return "it reads no contexts, and fills nothing in"
        return super().refuses(task)

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        return ("diffusion",)


FLUENCY = FluencyCard(
    "fluency_alone",
    "models.diffusion_lm.method:FluencyAlone",
    label="Diffusion-LM, fluency alone",
    paper="Li et al. 2022, section 5.1, without the term of the control",
    order=61,
    Settings=DiffusionLMSettings,
    group="references",
    tradeoff="guidance.fluency",
    step_size="guidance.lr",
    steps="sampling.steps",
    free={"profile": "custom"},
    # decodes as the method whose floor it is
    preset=lambda preset, config: config.diffusion_lm,
)


@dataclass(frozen=True)
class UnconditionalCard(Card):
    """No guidance, and nothing pinned."""

    def check(self, config: Any, task: Task | None) -> None:
        sampling = getattr(config, self.name).sampling
        check_decoding(config.diffusion, sampling, f"{self.name}.sampling")


UNCONDITIONAL = UnconditionalCard(
    "unconditional",
    "models.diffusion_lm.method:Unconditional",
    order=2000,
    Settings=UnconditionalSettings,
    uses=("diffusion",),
    tables=frozenset(),
    floor=True,
)
CARDS = (DIFFUSION_LM, FAST, FLUENCY, UNCONDITIONAL)
