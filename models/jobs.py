"""Samples in batches across targets: the one loop behind every generator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from models.base import Sample, TargetSamples
from models.nets.finite import NotFinite
from tasks.base import Target, Words
from tasks.common.progress import Progress, silent

G = TypeVar("G")


@dataclass(frozen=True)
class Job(Generic[G]):
    """The sample ``index`` of a target, to be made; with several samples a job, the first of them.
    ``given``: what the method prepared for it."""

    position: int
    target: Target
    index: int
    given: G


@dataclass(frozen=True)
class Made:
    """One text that a method made: as in :class:`models.base.Sample`."""

    words: Words
    tokens: Words
    nfe: float
    log_z: float | None = None


#: makes the texts of jobs, in their order; reports the share of them that is done
Decode = Callable[[list[Job[G]], Progress], Sequence[Made]]


def run(
    targets: Sequence[Target],
    samples: int,
    decode: Decode[G],
    batch: int,
    progress: Progress = silent,
    *,
    given: Callable[[Target, int], G],
    alike: Callable[[Job[G]], object] = lambda job: None,
    each: int = 1,
) -> Iterator[TargetSamples]:
    """``samples`` samples of each target, those of a target as soon as all are there, in the order
    of ``targets``; nothing where ``samples`` is 0.

    Up to ``batch`` jobs that are ``alike`` (equal keys, such as their lengths) run at once: the
    first that waits and the next ones like it. ``given`` prepares the job of a target and a sample,
    all of them before the first batch. ``each``: how many samples one job makes. A sample's seconds
    are its share of its batch's time. ``progress`` counts samples, inside a batch too.
    """
    waiting = [
        Job(position, target, index, given(target, index))
        for position, target in enumerate(targets)
        for index in range(0, samples, each)
    ]
    done: list[list[Sample]] = [[] for _ in targets]
    total, sent = len(waiting) * each, 0
    while waiting:
        key = alike(waiting[0])
        places = [i for i, job in enumerate(waiting) if alike(job) == key][: max(1, batch)]
        jobs = [waiting[i] for i in places]
        part = _Part(progress, total - len(waiting) * each, len(jobs) * each, total)
        began = time.perf_counter()
        made = _decoded(decode, jobs, part)
        seconds = (time.perf_counter() - began) / part.size
        part(1, 1)
        ordered = [(job, job.index + k) for job in jobs for k in range(each)]
        for (job, index), one in zip(ordered, made, strict=True):
            sample = Sample(index, one.words, one.tokens, one.nfe, seconds, one.log_z)
            done[job.position].append(sample)
        taken = set(places)
        waiting = [job for i, job in enumerate(waiting) if i not in taken]
        while sent < len(targets) and len(done[sent]) == samples:
            row = sorted(done[sent], key=lambda sample: sample.index)
            yield TargetSamples(targets[sent].id, tuple(row))
            sent += 1


def _decoded(decode: Decode[G], jobs: list[Job[G]], part: Progress) -> Sequence[Made]:
    """``decode``; numbers that are not finite are those of the target whose row they stand in."""
    try:
        return decode(jobs, part)
    except NotFinite as error:
        row = error.row or 0  # rows beyond the jobs repeat the first
        raise error.of(jobs[row if row < len(jobs) else 0].target.id) from None


@dataclass(frozen=True)
class _Part:
    """The progress of a batch of ``size`` samples, as that of all ``total``, ``before`` of which
    are done."""

    progress: Progress
    before: int
    size: int
    total: int

    def __call__(self, done: float, total: float, note: str = "") -> None:
        self.progress(self.before + self.size * done / total, self.total, note or "samples")
