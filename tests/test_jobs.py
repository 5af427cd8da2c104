"""Jobs in batches: what runs together, what comes out when, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from models.base import TargetSamples
from models.jobs import Job, Made, run
from tasks.base import Target
from tasks.common.progress import Progress, silent
from tasks.controls import Length

TARGETS = [Target(name, Length(n)) for name, n in (("a", 3), ("b", 5), ("c", 3), ("d", 7))]


class Recorder:
    """Decodes a job to its own name, and notes what ran together."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[str, int]]] = []

    def __call__(self, jobs: list[Job[int]], progress: Progress) -> list[Made]:
        self.batches.append([(job.target.id, job.index) for job in jobs])
        progress(1, 2)
        return [
            Made((job.target.id, str(job.index)), (str(job.given),), float(job.given))
            for job in jobs
        ]


def made(
    targets: Sequence[Target] = TARGETS,
    samples: int = 3,
    batch: int = 4,
    decode: Any = None,
    progress: Progress = silent,
) -> list[TargetSamples]:
    return list(
        run(
            targets,
            samples,
            decode or Recorder(),
            batch,
            progress,
            given=lambda target, index: target.control.needed_words,
            alike=lambda job: job.given,
        )
    )


def texts(found: Sequence[TargetSamples]) -> dict[str, list[tuple[Any, ...]]]:
    return {
        one.target_id: [(s.index, s.words, s.tokens, s.nfe) for s in one.samples] for one in found
    }


def test_jobs_that_are_alike_run_together() -> None:
    decode = Recorder()
    made(decode=decode)
    assert decode.batches == [
        [("a", 0), ("a", 1), ("a", 2), ("c", 0)],
        [("b", 0), ("b", 1), ("b", 2)],
        [("c", 1), ("c", 2)],
        [("d", 0), ("d", 1), ("d", 2)],
    ]


@pytest.mark.parametrize("batch", [0, 1, 2, 5, 64])
def test_neither_batch_nor_order_changes_a_sample(batch: int) -> None:
    whole = texts(made())
    assert list(whole) == ["a", "b", "c", "d"]
    assert whole["c"] == [(i, ("c", str(i)), ("3",), 3.0) for i in range(3)]
    assert texts(made(batch=batch)) == whole
    turned = texts(made(TARGETS[::-1], batch=batch))
    assert turned == whole and list(turned) == ["d", "c", "b", "a"]


def test_a_target_comes_as_soon_as_it_and_those_before_it_are_complete() -> None:
    decode = Recorder()
    found = run(
        TARGETS,
        2,
        decode,
        2,
        given=lambda target, index: target.control.needed_words,
        alike=lambda job: job.given,
    )
    assert decode.batches == []  # nothing runs before it is asked for
    assert next(found).target_id == "a" and len(decode.batches) == 1
    # b comes before c, whose jobs are like a's and ran next in line
    assert next(found).target_id == "b" and len(decode.batches) == 2
    found.close()  # an interrupted run decodes no more
    assert len(decode.batches) == 2
    with pytest.raises(StopIteration):
        next(found)


def test_what_is_complete_stays_so_where_a_batch_fails() -> None:
    decode = Recorder()

    def fail_at_d(jobs: list[Job[int]], progress: Progress) -> list[Made]:
        if jobs[0].target.id == "d":
            raise RuntimeError("no")
        return decode(jobs, progress)

    found = run(
        TARGETS,
        1,
        fail_at_d,
        64,
        given=lambda target, index: target.control.needed_words,
        alike=lambda job: job.given,
    )
    assert [next(found).target_id for _ in range(3)] == ["a", "b", "c"]
    with pytest.raises(RuntimeError):
        next(found)


def test_one_job_may_make_several_samples() -> None:
    def decode(jobs: list[Job[None]], progress: Progress) -> list[Made]:
        return [
            Made((f"{job.target.id}{job.index + k}",), (), 1.0) for job in jobs for k in range(2)
        ]

    found = list(run(TARGETS[:2], 4, decode, 3, given=lambda target, index: None, each=2))
    assert [[s.words[0] for s in one.samples] for one in found] == [
        ["a0", "a1", "a2", "a3"],
        ["b0", "b1", "b2", "b3"],
    ]
    assert [[s.index for s in one.samples] for one in found] == [[0, 1, 2, 3]] * 2


def test_progress_counts_samples_inside_a_batch_too() -> None:
    seen: list[tuple[float, float, str]] = []

    def progress(done: float, total: float, note: str = "") -> None:
        seen.append((done, total, note))

    made(samples=1, batch=64, progress=progress)
    assert seen == [(d, 4, "samples") for d in (1.0, 2, 2.5, 3, 3.5, 4)]


def test_a_batch_shares_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 16.0, 20.0, 21.0])
    monkeypatch.setattr("models.jobs.time.perf_counter", lambda: next(clock))
    found = made(TARGETS[:2], samples=3, batch=64)
    assert [[s.seconds for s in one.samples] for one in found] == [[2.0] * 3, [1 / 3] * 3]


def test_nothing_is_made_of_no_samples() -> None:
    decode = Recorder()
    assert made(samples=0, decode=decode) == [] and decode.batches == []
    assert made([], decode=decode) == [] and decode.batches == []


def test_a_decoder_that_loses_a_job_is_noticed() -> None:
    with pytest.raises(ValueError, match="shorter"):
        made(decode=lambda jobs, progress: [])
