"""What the autoregressive baselines share: heads, limits, and samples in batches across targets."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from models.base import Generator, Sample, TargetSamples, sample_rng
from models.nets.codec import Codec
from models.nets.decoding import next_group
from tasks.base import Target, Task
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.composition import Composition
from tasks.controls import AllOf, Control

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel


@dataclass(frozen=True)
class Job:
    """One sample to decode. ``head``: the ids that the model starts from (prompt and bos);
    ``others``: those of the networks beside it, in their order."""

    position: int
    target: Target
    index: int
    head: tuple[int, ...]
    others: tuple[tuple[int, ...], ...] = ()

    @property
    def lengths(self) -> tuple[int, ...]:
        """Jobs run together only where these are equal, so that nothing is padded."""
        return (len(self.head), *map(len, self.others))


Decode = Callable[[list[Job]], list[tuple[list[int], float]]]
"""Generated ids and network evaluations of jobs whose heads are equally long."""


def split(task: Task, control: Control) -> list[tuple[Task, Control]]:
    """The single tasks of ``task`` with their controls."""
    if isinstance(task, Composition) and isinstance(control, AllOf):
        return list(zip(task.parts, control.controls, strict=True))
    return [(task, control)]


def prompts(task: Task, control: Control, codecs: Sequence[Codec]) -> list[list[int]]:
    """The head of each part of the control, by the codec of the network that reads it."""
    read = zip(codecs, split(task, control), strict=True)
    return [codec.head(part.prompt(asked)) for codec, (part, asked) in read]


def check_vocabularies(folders: Sequence[Path], codecs: Sequence[Codec]) -> None:
    """Raises ``UserError`` unless the networks of ``folders`` share their words."""
    for folder, codec in zip(folders, codecs, strict=True):
        if codec.with_prompt([]).digest != codecs[0].with_prompt([]).digest:
            raise UserError(
                f"the networks in {folders[0]} and {folder} were trained on different vocabularies"
            )


def check_lengths(targets: Sequence[Target], rooms: Sequence[int], max_words: int) -> None:
    """Raises ``UserError`` naming the first target whose text would not fit in ``max_words``, or
    in its entry of ``rooms``, the words that the networks can read behind their heads."""
    for target, room in zip(targets, rooms, strict=True):
        needed = target.control.needed_words
        if needed > min(max_words, room):
            raise UserError(
                f"target {target.id} needs {needed} words, but this model decodes at most "
                f"{min(max_words, room)} (max_words {max_words}, room for {room} after its prompt)"
            )


def uniforms(method: str, jobs: Sequence[Job], seed: int, limit: int) -> torch.Tensor:
    """Each job's random numbers from its own stream: (jobs, limit), fp64, in [0, 1)."""
    rows = [
        torch.rand(
            limit, dtype=torch.float64, generator=sample_rng(seed, method, job.target.id, job.index)
        )
        for job in jobs
    ]
    return torch.stack(rows)


class Autoregressive(Generator):
    """A causal model, with or without networks beside it that read prompts of their own;
    subclasses say what each reads first and how a group of jobs decodes."""

    def __init__(self, model: GPT2LMHeadModel, codec: Codec, task: Task, settings: Any) -> None:
        self.model, self.codec, self.task, self.settings = model, codec, task, settings

    @abstractmethod
    def _heads(self, control: Control) -> list[list[int]]:
        """What the model, and then each network beside it, reads before the text."""

    def _positions(self) -> list[int]:
        """How many tokens each of them can read."""
        return [self.model.config.n_positions]

    @abstractmethod
    def _decode(self, jobs: list[Job], seed: int, limit: int) -> list[tuple[list[int], float]]:
        """As :data:`Decode`, spending at most ``limit`` tokens on a text."""

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """Raises ``UserError`` for a target that needs more words than the networks can read, or
        whose prompt holds a token that they were not trained with."""
        heads = [self._heads(target.control) for target in targets]
        positions, max_words = self._positions(), self.settings.max_words

        def room(lengths: Sequence[int]) -> int:
            return min(n - length for n, length in zip(positions, lengths, strict=True))

        check_lengths(targets, [room([*map(len, head)]) - 1 for head in heads], max_words)
        most = self.codec.limit(max_words)

        def decode(jobs: list[Job]) -> list[tuple[list[int], float]]:
            return self._decode(jobs, seed, min(most, room(jobs[0].lengths)))

        first, others = [head[0] for head in heads], [head[1:] for head in heads]
        rest = self.codec, batch, self.model.device, progress
        yield from run(targets, samples_per_target, first, decode, *rest, others)


def run(
    targets: Sequence[Target],
    samples: int,
    heads: Sequence[Sequence[int]],
    decode: Decode,
    codec: Codec,
    batch: int,
    device: torch.device,
    progress: Progress,
    others: Sequence[Sequence[Sequence[int]]] | None = None,
) -> Iterator[TargetSamples]:
    """Decodes ``samples`` samples a target, ``batch`` at once, those with heads of like lengths
    together; yields each target once it is complete, in order. ``heads`` and ``others``: for each
    target, what the model and the networks beside it start from."""
    beside = [()] * len(targets) if others is None else others
    waiting = [
        Job(position, target, index, tuple(heads[position]), tuple(map(tuple, beside[position])))
        for position, target in enumerate(targets)
        for index in range(samples)
    ]
    total, sent = len(waiting), 0
    found: list[list[Sample]] = [[] for _ in targets]
    while waiting:
        chosen = next_group([job.lengths for job in waiting], batch, device)
        jobs = [waiting[i] for i in chosen]
        began = time.perf_counter()
        decoded = decode(jobs)
        seconds = (time.perf_counter() - began) / len(jobs)
        for job, (ids, nfe) in zip(jobs, decoded, strict=True):
            found[job.position].append(
                Sample(job.index, codec.words(ids), codec.tokens(ids), nfe, seconds)
            )
        taken = set(chosen)
        waiting = [job for i, job in enumerate(waiting) if i not in taken]
        progress(total - len(waiting), total, "samples")
        while sent < len(targets) and len(found[sent]) == samples:
            ordered = sorted(found[sent], key=lambda sample: sample.index)
            yield TargetSamples(targets[sent].id, tuple(ordered))
            sent += 1
