"""What the autoregressive baselines share: running samples in batches across targets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from models.base import Sample, TargetSamples, sample_rng
from models.codec import Codec
from models.decoding import next_group
from tasks.base import Target
from tasks.errors import UserError
from tasks.progress import Progress


@dataclass(frozen=True)
class Job:
    """One sample to decode. ``head``: the ids it starts from (prompt and bos)."""

    position: int
    target: Target
    index: int
    head: tuple[int, ...]


Decode = Callable[[list[Job]], list[tuple[list[int], float]]]
"""Generated ids and network evaluations of jobs whose heads are equally long."""


def check_lengths(
    targets: Sequence[Target], heads: Sequence[Sequence[int]], max_words: int, positions: int
) -> None:
    """Raises ``UserError`` naming the first target whose text would not fit: in ``max_words``, or
    behind its head and before eos in the network's ``positions``."""
    for target, head in zip(targets, heads, strict=True):
        needed, room = target.control.needed_words, positions - len(head) - 1
        if needed > min(max_words, room):
            raise UserError(
                f"target {target.id} needs {needed} words, but this model decodes at most "
                f"{min(max_words, room)} (max_words {max_words}, {positions} positions)"
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


def run(
    targets: Sequence[Target],
    samples: int,
    heads: Sequence[Sequence[int]],
    decode: Decode,
    codec: Codec,
    batch: int,
    device: torch.device,
    progress: Progress,
) -> Iterator[TargetSamples]:
    """Decodes ``samples`` samples a target, ``batch`` at once, those with heads of one length
    together; yields each target once it is complete, in order."""
    waiting = [
        Job(position, target, index, tuple(heads[position]))
        for position, target in enumerate(targets)
        for index in range(samples)
    ]
    total, sent = len(waiting), 0
    found: list[list[Sample]] = [[] for _ in targets]
    while waiting:
        chosen = next_group([len(job.head) for job in waiting], batch, device)
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
