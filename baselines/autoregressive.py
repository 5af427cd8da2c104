"""What the autoregressive baselines share: heads, limits, and samples in batches across targets.

Free of torch until something is loaded, so that a baseline's file may hold its card.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from models.base import Generator, TargetSamples, sample_rng
from tasks.base import LAYOUTS, Target, Task
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.composition import Composition
from tasks.controls import AllOf, Control

if TYPE_CHECKING:
    import torch

    from models.jobs import Job, Made
    from models.nets.backbones import CausalLM
    from models.nets.codec import Codec


@dataclass(frozen=True)
class Heads:
    """What one sample starts from. ``head``: the ids that the model starts from (prompt and bos);
    ``others``: those of the networks beside it, in their order."""

    head: tuple[int, ...]
    others: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Heads:
        """From the ids of the model, and of each network beside it."""
        return cls(tuple(rows[0]), tuple(map(tuple, rows[1:])))

    @property
    def lengths(self) -> tuple[int, ...]:
        """Samples run together only where these are equal, so that nothing is padded."""
        return (len(self.head), *map(len, self.others))

    def room(self, positions: Sequence[int]) -> int:
        """Tokens that fit behind them, where each network reads so many."""
        return min(n - length for n, length in zip(positions, self.lengths, strict=True))


#: generated ids and network evaluations, and where a method estimates it the sample's log_z
Decoded = tuple[list[int], float] | tuple[list[int], float, float]


class Decode(Protocol):
    def __call__(self, jobs: list[Job[Heads]], /, *, limit: int) -> list[Decoded]:
        """Decodes jobs whose heads are equally long, spending at most ``limit`` tokens on each."""


def split(task: Task, control: Control) -> list[tuple[Task, Control]]:
    """The single tasks of ``task`` with their controls."""
    if isinstance(task, Composition) and isinstance(control, AllOf):
        return list(zip(task.parts, control.controls, strict=True))
    return [(task, control)]


def prompts(task: Task, control: Control, codecs: Sequence[Codec]) -> list[list[int]]:
    """The head of each part of the control, by the codec of the network that reads it, in the
    layout for which that codec has tokens: the one that the network was trained with."""
    read = zip(codecs, split(task, control), strict=True)
    return [codec.head(_written(part, asked, codec)) for codec, (part, asked) in read]


def _written(task: Task, control: Control, codec: Codec) -> list[str]:
    written = [task.laid(layout).prompt(control) for layout in LAYOUTS]
    return next((one for one in written if codec.reads(one)), written[0])


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


def uniforms(
    method: str, jobs: Sequence[Job[Heads]], seed: int, limit: int, *uses: str
) -> torch.Tensor:
    """Each job's random numbers from its own stream, or from a further one of it that ``uses``
    names: (jobs, limit), fp64, in [0, 1)."""
    import torch

    streams = [sample_rng(seed, method, job.target.id, job.index, *uses) for job in jobs]
    return torch.stack([torch.rand(limit, dtype=torch.float64, generator=one) for one in streams])


class Autoregressive(Generator):
    """A causal model, with or without networks beside it that read prompts of their own;
    subclasses say what each reads first and how a group of jobs decodes."""

    def __init__(self, model: CausalLM, codec: Codec, task: Task, settings: Any) -> None:
        self.model, self.codec, self.task, self.settings = model, codec, task, settings

    @abstractmethod
    def _heads(self, control: Control) -> list[list[int]]:
        """What the model, and then each network beside it, reads before the text."""

    def _positions(self) -> list[int]:
        """How many tokens each of them can read."""
        return [self.model.positions]

    @abstractmethod
    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        """Decodes jobs whose heads are equally long, spending at most ``limit`` tokens on each."""

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
        heads = {target.id: Heads.of(self._heads(target.control)) for target in targets}
        positions, max_words = self._positions(), self.settings.max_words
        rooms = [heads[target.id].room(positions) - 1 for target in targets]
        check_lengths(targets, rooms, max_words)
        return continuations(
            targets,
            samples_per_target,
            partial(self._decode, seed=seed),
            batch,
            progress,
            heads=heads,
            positions=positions,
            limit=self.codec.limit(max_words),
            codec=self.codec,
            device=self.model.device,
        )


def continuations(
    targets: Sequence[Target],
    samples: int,
    decode: Decode,
    batch: int,
    progress: Progress,
    *,
    heads: Mapping[str, Heads],
    positions: Sequence[int],
    limit: int,
    codec: Codec,
    device: torch.device,
) -> Iterator[TargetSamples]:
    """:func:`models.jobs.run` of samples that go on behind their targets' ``heads`` (by target id),
    those with heads of equal lengths together; on an accelerator at most ``DEVICE_ROWS``. Each
    spends at most ``limit`` tokens, and what is left of the ``positions`` behind its heads."""
    from models.jobs import Made, run
    from models.nets.decoding import rows_at_once

    def made(jobs: list[Job[Heads]], report: Progress) -> list[Made]:
        decoded = decode(jobs, limit=min(limit, jobs[0].given.room(positions)))
        return [Made(codec.words(ids), codec.tokens(ids), *costs) for ids, *costs in decoded]

    return run(
        targets,
        samples,
        made,
        rows_at_once(batch, device),
        progress,
        given=lambda target, index: heads[target.id],
        alike=lambda job: job.given.lengths,
    )
