"""The one interface that every way of generating text under control sits behind."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from tasks.base import Target, Task, Words
from tasks.common.progress import Progress, silent


@dataclass(frozen=True)
class Sample:
    """One generated text.

    ``words``: the text after post-processing (START, END and PAD stripped). ``tokens``: the raw
    output tokens. ``nfe``: network evaluations spent on this sample (a gradient counts as one
    evaluation of the network it differentiates). ``seconds``: its share of the wall time.
    """

    index: int
    words: Words
    tokens: Words
    nfe: float
    seconds: float


@dataclass(frozen=True)
class TargetSamples:
    """All samples of one target, in index order. ``chosen``: the index of the one that the method
    answers with, where it picks among candidates (infilling); None where each sample counts."""

    target_id: str
    samples: tuple[Sample, ...]
    chosen: int | None = None


def stream_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on all its arguments and on nothing else."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def sample_rng(seed: int, method: str, target_id: str, index: int) -> torch.Generator:
    """The random stream of one sample, on the CPU whatever the device.

    It depends on (seed, method, target, index) alone, so neither the batch size, the order of
    targets, a shard nor a resume changes a sample.
    """
    return torch.Generator().manual_seed(stream_seed(seed, method, target_id, index))


class Generator(ABC):
    """A way to generate text under a control.

    A subclass is one file plus one line in ``baselines/__init__.py``. ``Settings`` is a frozen
    dataclass of its decoding options, all with defaults.
    """

    name: ClassVar[str]
    Settings: ClassVar[type]

    @classmethod
    def refuses(cls, task: str) -> str | None:
        """Why this method has no cell for ``task`` ("no positional control"), or None."""
        return None

    @classmethod
    def resolve(cls, settings: Any, task: str) -> Any:
        """``settings`` with every default that depends on the task filled in, as stored with the
        samples. ``load`` accepts either."""
        return settings

    @classmethod
    @abstractmethod
    def artefacts(cls, task: str) -> tuple[str, ...]:
        """Roles of the trained artefacts that it needs for ``task``, in load order.

        Known roles: ``diffusion``, ``lm``, and of that task, or of another one named after a colon
        (``discriminator:length``): ``classifier`` (on noisy latents), ``discriminator``,
        ``finetuned``, ``attribute_head``.
        """

    @classmethod
    def needs(cls, task: str, settings: Any) -> tuple[str, ...]:
        """Those of :meth:`artefacts` that these decoding options leave in use."""
        return cls.artefacts(task)

    @classmethod
    @abstractmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Generator:
        """Loads the artefacts (role -> folder). Raises ``UserError`` if they do not fit together
        (another vocabulary, padding mode or step count) or are damaged."""

    @abstractmethod
    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """Yields each target's samples as soon as they are complete, in the order of ``targets``.

        ``batch``: how many samples run at once; it changes the speed and never a sample.
        """
