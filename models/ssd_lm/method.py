"""SSD-LM and TESS as generators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

import torch

from models.base import Generator, TargetSamples, sample_rng
from models.diffusion.words.decoding import makers
from models.jobs import run
from models.nets.artefact import load_network
from models.nets.precision import matrix_dtype
from models.ssd_lm.card import SSD_LM_CARD, TESS_CARD, SimplexCard
from models.ssd_lm.config import SimplexConfig, SimplexSettings
from models.ssd_lm.decoding import Blocks
from models.ssd_lm.network import build
from tasks.base import Target, Task
from tasks.common.progress import Progress, silent
from tasks.vocabulary import Vocabulary


@dataclass(frozen=True)
class Texts:
    """What classifiers know of a network's texts."""

    vocabulary: Vocabulary
    longest: int


class SSDLM(Generator):
    """Semi-autoregressive: a block of words is diffused behind those before it."""

    card: ClassVar[SimplexCard] = SSD_LM_CARD

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks

    @classmethod
    def load(
        cls,
        folders: Mapping[str, Path],
        task: Task,
        settings: SimplexSettings,
        device: torch.device,
    ) -> Self:
        """Raises ``UserError`` for artefacts that are damaged or do not fit together."""
        read = ("vocabulary", Vocabulary.load)
        network, config, words = load_network(
            folders[cls.card.network], SimplexConfig, build, words=read
        )
        guides = makers(folders, task, settings.guidance, Texts(words, config.length), device)
        return cls(Blocks(network.to(device, matrix_dtype(device)), words, guides, settings))

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """As for every method. Raises ``UserError`` for a target that does not fit."""
        self.blocks.check(targets)
        streams = partial(sample_rng, seed, self.name)
        yield from run(
            targets,
            samples_per_target,
            lambda jobs, report: self.blocks.decode(jobs, streams, report),
            batch,
            progress,
            given=lambda target, index: None,
        )


class TESS(SSDLM):
    """The whole text at once, told what it said of itself the step before."""

    card: ClassVar[SimplexCard] = TESS_CARD
