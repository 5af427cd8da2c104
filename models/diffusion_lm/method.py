"""Diffusion-LM as a generator: the paper's method, and the floor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from models.base import Card
from models.diffusion.classifiers.kinds import GUIDED_BY, control_kinds
from models.diffusion.classifiers.training import MakeGuide
from models.diffusion.latents.decoding import InfillingConfig
from models.diffusion.latents.diffusion import Diffusion, refuse_block
from models.diffusion.latents.guided import Fluent, Free, Guided, LengthGuide
from models.diffusion.latents.guides import guide_of
from models.diffusion.latents.loading import filling
from models.diffusion.latents.method import Decoding
from models.diffusion.latents.training import load_diffusion
from models.diffusion_lm.card import (
    DIFFUSION_LM,
    FAST,
    FLUENCY,
    SELF_GUIDED,
    UNCONDITIONAL,
    DiffusionLMCard,
)
from models.diffusion_lm.config import guidance_for
from tasks.base import Task


class Unconditional(Decoding):
    """Samples without any control: the floor that a task's score is compared with."""

    card: ClassVar[Card] = UNCONDITIONAL

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        denoiser, vocabulary = load_diffusion(folders["diffusion"], device)
        return cls(Free(Diffusion(denoiser, settings.sampling, device), vocabulary))


class FluencyAlone(Decoding):
    """Diffusion-LM under the constants of a task's guidance and without its control: what is left
    of the floor at guidance's own temperature. Network evaluations: one a step."""

    card: ClassVar[Card] = FLUENCY

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        denoiser, vocabulary = load_diffusion(folders["diffusion"], device)
        diffusion = Diffusion(denoiser, settings.sampling, device)
        return cls(Fluent(diffusion, vocabulary, guidance_for(settings, task.name)))


class DiffusionLM(Decoding):
    """Diffusion-LM (Li et al., 2022): guided by gradients (section 5.1), or where a task's samples
    fill a gap, with the contexts pinned (section 6.1)."""

    card: ClassVar[DiffusionLMCard] = DIFFUSION_LM

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        if task.fills:
            given = settings.infilling or InfillingConfig()
            return cls(filling("diffusion", folders, given, device))
        denoiser, vocabulary = load_diffusion(folders["diffusion"], device)
        refuse_block(denoiser)
        diffusion = Diffusion(denoiser, settings.sampling, device)
        config = cls.card.guidance(settings, task.name)
        guides: list[MakeGuide] = []
        for kind in control_kinds(task.name).values():
            if kind in SELF_GUIDED:
                guides.append(partial(LengthGuide, diffusion, config=config))
            else:
                guides.append(guide_of(kind, folders[GUIDED_BY[kind].role], diffusion, vocabulary))
        return cls(Guided(diffusion, vocabulary, config, guides))


class DiffusionLMFast(DiffusionLM):
    """Diffusion-LM decoded in fewer network evaluations, a row of its own beside the published
    one."""

    card: ClassVar[DiffusionLMCard] = FAST
