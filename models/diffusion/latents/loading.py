"""What a family that came after Diffusion-LM decodes with, from its artefacts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch

from models.diffusion.classifiers.base import Summed
from models.diffusion.classifiers.kinds import GUIDED_BY, control_kinds
from models.diffusion.latents.card import LatentCard, owns
from models.diffusion.latents.decoding import InfillingConfig, LatentSettings
from models.diffusion.latents.diffusion import Diffusion, refuse_block
from models.diffusion.latents.guides import guide_of
from models.diffusion.latents.infilling import Infilling
from models.diffusion.latents.own_words import TagsOfWords, length, stated
from models.diffusion.latents.steered import Steered
from models.diffusion.latents.steering import Part
from models.diffusion.latents.training import load_diffusion
from models.diffusion.pinning import read_lengths
from models.nets.unk import repairer
from models.word_tags import read_tags
from tasks.base import Task
from tasks.controls import FieldValue, Length, TagSequence


def filling(
    network: str, folders: Mapping[str, Path], config: InfillingConfig, device: torch.device
) -> Infilling:
    """Of the network in the role ``network``. Raises ``UserError`` for artefacts that are damaged,
    or settings that it cannot decode with."""
    denoiser, vocabulary = load_diffusion(folders[network], device)
    refuse_block(denoiser)
    lengths = read_lengths(folders["lengths"]) if config.middle == "variable" else None
    repair = repairer(config.unk, config.repair_model, device)
    diffusion = Diffusion(denoiser, config.sampling, device)
    return Infilling(diffusion, vocabulary, config, lengths, repair)


def steered(
    card: LatentCard,
    folders: Mapping[str, Path],
    task: Task,
    settings: LatentSettings,
    device: torch.device,
) -> Steered:
    """Raises ``UserError`` for artefacts that are damaged or do not fit together."""
    denoiser, vocabulary = load_diffusion(folders[card.network], device)
    refuse_block(denoiser)
    diffusion = Diffusion(denoiser, settings.sampling, device)
    guides = []
    for part, kind in control_kinds(task.name).items():
        if not owns(kind, settings):
            folder = folders[card.classifier(GUIDED_BY[kind])]
            made = guide_of(kind, folder, diffusion, vocabulary)
            guides.append(Part(classifier=Summed(made)))
        elif kind == TagSequence.kind:
            table = read_tags(folders[card.tags(task, part)], len(vocabulary))
            guides.append(Part(own=TagsOfWords(table, vocabulary, device)))
        elif kind == FieldValue.kind:
            guides.append(Part(own=partial(stated, vocabulary=vocabulary, device=device)))
        else:
            assert kind == Length.kind
            guides.append(Part(own=partial(length, device=device)))
    return Steered(diffusion, vocabulary, settings.guidance, guides)
