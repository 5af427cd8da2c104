"""One cell of a table on disk: ``results/SET/TASK/METHOD/``.

``config.json`` says exactly what it is, ``samples.jsonl`` grows target by target,
``timing.jsonl`` says how long each took, and ``annotations.jsonl`` and ``scores.jsonl`` follow from
the samples alone. Samples that several processes make lie in ``shards/`` until they are merged.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.running.judge import SUBWORDS
from eval.running.schema import (
    CellConfig,
    SampleLine,
    ScoreFits,
    ScoreLine,
    TargetLine,
    TimingLine,
    sample_fits,
)
from tasks.base import Annotation, Score, Target, Words
from tasks.common import schema
from tasks.common.errors import UserError
from tasks.common.files import canonical, json_text, write_text
from tasks.common.jsonl import append, mend
from tasks.common.schema import read_json
from tasks.controls import Control, Withheld, from_json, to_json, to_stored
from tasks.metrics.text import visible_words
from tasks.vocabulary import ENDED, to_end

if TYPE_CHECKING:
    from models.base import TargetSamples

CONFIG, SAMPLES, ANNOTATIONS = "config.json", "samples.jsonl", "annotations.jsonl"
SCORES, TARGETS, TIMING, SHARDS = "scores.jsonl", "targets.jsonl", "timing.jsonl", "shards"
#: of a sample: its log_z, null where that is minus infinity
LOG_Z = "log_z"


def log_z(record: Mapping[str, Any]) -> float:
    """As :class:`models.base.Sample` has it."""
    return -math.inf if record[LOG_Z] is None else float(record[LOG_Z])


def _stored_log_z(value: float) -> dict[str, float | None]:
    return {LOG_Z: value if math.isfinite(value) else None}


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 0) of ``count`` equal parts of a cell's targets."""

    index: int
    count: int

    @property
    def name(self) -> str:
        return f"{self.index}-of-{self.count}"

    def of(self, targets: Sequence[Target]) -> Sequence[Target]:
        n = len(targets)
        return targets[self.index * n // self.count : (self.index + 1) * n // self.count]


@dataclass(frozen=True)
class Cell:
    """A folder and the identity of what belongs in it: equal identities mean equal samples."""

    folder: Path
    identity: Mapping[str, Any]

    def config(self) -> dict[str, Any]:
        """What ``config.json`` holds; empty where there is none."""
        return read_config(self.folder / CONFIG)

    @property
    def other(self) -> str | None:
        """The entry in which the stored identity differs from this one; None where none does, or
        nothing is stored."""
        stored = self.config().get("identity")
        if stored is None:
            return None
        return first_difference(stored, json.loads(json.dumps(self.identity)))

    def check(self, overwrite: bool) -> None:
        """Refuses a folder with another identity; with ``overwrite``, empties it instead."""
        name = self.other
        if name is None:
            return
        if not overwrite:
            raise UserError(
                f"{self.folder} holds a result of other settings, {name}: keep it and choose a "
                "new folder with out=..., or replace it with overwrite=true"
            )
        for file in (CONFIG, SAMPLES, TIMING, ANNOTATIONS, SCORES, TARGETS):
            (self.folder / file).unlink(missing_ok=True)
        shutil.rmtree(self.folder / SHARDS, ignore_errors=True)

    def write_config(self, **more: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        record = {"identity": self.identity, **more}
        write_text(self.folder / CONFIG, json_text(record, indent=1))

    @property
    def digest(self) -> str:
        """Of the identity."""
        return hashlib.sha256(canonical(self.identity).encode()).hexdigest()[:16]

    @property
    def shards(self) -> Path:
        """Where shards of this identity lie: those of other settings never mix with them."""
        return self.folder / SHARDS / self.digest

    def shard(self, shard: Shard) -> Cell:
        """A folder of this cell's that one process fills while others fill others."""
        return Cell(self.shards / shard.name, self.identity)

    def samples(self) -> dict[str, list[dict[str, Any]]]:
        """Complete targets -> their sample records, in index order, shards included. Records of an
        incomplete target, which a kill may leave, are not among them."""
        # shards first: :meth:`arrange` writes the merged file before it removes them, so that a
        # reader beside it sees every sample in one place or in both
        samples: dict[str, list[dict[str, Any]]] = {}
        for folder in [*sorted(self.shards.glob("*")), self.folder]:
            samples |= _complete(sample_lines(folder))
        return samples

    def stored(self, targets: Sequence[Target]) -> Iterator[TargetSamples]:
        """Those of :meth:`samples`, in the order of ``targets``, as they were added but for their
        times."""
        from models.base import Sample, TargetSamples

        samples = self.samples()
        for target in targets:
            if target.id in samples:
                records = samples[target.id]
                rows = [
                    Sample(
                        r["index"], tuple(r["words"]), tuple(r["tokens"]), r["nfe"], 0.0,
                        log_z=log_z(r) if LOG_Z in r else None,
                    )
                    for r in records
                ]  # fmt: skip
                yield TargetSamples(target.id, tuple(rows), records[0].get("chosen"))

    def arrange(self, targets: Sequence[Target]) -> None:
        """Leaves all complete samples in one ``samples.jsonl``, in the order of ``targets``, the
        bytes that one undisturbed process writes; and their times likewise. For the holder of the
        cell's lease."""
        for name in (TIMING, SAMPLES):
            mend(self.folder / name)
        samples, folders = self.samples(), [*sorted(self.shards.glob("*")), self.folder]
        records = [record for target in targets for record in samples.get(target.id, ())]
        if records != sample_lines(self.folder):
            times = {r["target"]: r for folder in folders for r in read_timing(folder)}
            write_lines(self.folder / TIMING, [times[t.id] for t in targets if t.id in times])
            write_lines(self.folder / SAMPLES, records)
        shutil.rmtree(self.shards, ignore_errors=True)
        if (self.folder / SHARDS).is_dir() and not any((self.folder / SHARDS).iterdir()):
            (self.folder / SHARDS).rmdir()

    def add(self, done: TargetSamples) -> None:
        """Appends all samples of one target at once. Their wall times stand in a file of their own:
        equal settings give equal samples, byte for byte, and never equal times. For the holder of
        the cell's lease."""
        for name in (TIMING, SAMPLES):
            mend(self.folder / name)
        append(
            self.folder / TIMING,
            [{"target": done.target_id, "seconds": [round(s.seconds, 5) for s in done.samples]}],
        )
        append(
            self.folder / SAMPLES,
            [
                {
                    "target": done.target_id,
                    "index": sample.index,
                    "of": len(done.samples),
                    "words": list(sample.words),
                    "tokens": list(sample.tokens),
                    "nfe": sample.nfe,
                    **({} if done.chosen is None else {"chosen": done.chosen}),
                    **({} if sample.log_z is None else _stored_log_z(sample.log_z)),
                }
                for sample in done.samples
            ],
        )

    def missing(self, targets: Sequence[Target]) -> list[Target]:
        """The targets without complete samples."""
        done = self.samples()
        return [target for target in targets if target.id not in done]

    def scored_by(self, wanted: Mapping[str, str], of: Cell | None = None) -> bool:
        """Whether ``scores.jsonl`` is of these judges (role -> identity), which read no words
        behind END. A teacher of subwords that read the texts too takes nothing from what the others
        said. ``of``: the cell that has the samples, where that is another."""
        if not (self.folder / SCORES).exists():
            return False
        config = self.config()
        judges = config.get("judges") or {}
        known = {role: name for role, name in judges.items() if role in wanted or role != SUBWORDS}
        return known == dict(wanted) and not judged_whole(config, sample_lines((of or self).folder))


def read_config(path: Path) -> dict[str, Any]:
    """What a ``config.json`` holds; empty where there is none."""
    stored: dict[str, Any] = read_json(path, CellConfig) if path.exists() else {}
    return stored


def sample_lines(folder: Path) -> list[dict[str, Any]]:
    """The records of a cell's samples as they are stored."""
    return schema.read_lines(folder / SAMPLES, SampleLine, sample_fits)


def judged_whole(config: Mapping[str, Any], samples: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the scores of ``samples`` count words behind END, as those that earlier versions
    made do; ``config``: what the cell says of itself."""
    return "cut" not in config and any(ENDED in record["words"] for record in samples)


def read_timing(folder: Path) -> list[dict[str, Any]]:
    """Seconds of the samples of each target."""
    return schema.read_lines(folder / TIMING, TimingLine)


def _complete(stored: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    samples: dict[str, list[dict[str, Any]]] = {}
    for record in stored:
        samples.setdefault(record["target"], []).append(record)
    return {
        target: records
        for target, records in samples.items()
        if [r["index"] for r in records] == list(range(records[0].get("of", 0)))
    }


def read_samples(folder: Path) -> list[dict[str, Any]]:
    """The records of a cell's samples, each with its share of the wall time as ``seconds``, where
    that is known."""
    times = {record["target"]: record["seconds"] for record in read_timing(folder)}
    records = sample_lines(folder)
    for record in records:
        seconds = times.get(record["target"], ())
        if record["index"] < len(seconds):
            record["seconds"] = seconds[record["index"]]
    return records


def read_scores(path: Path, line: type = ScoreLine) -> list[dict[str, Any]]:
    """The records of a ``scores.jsonl``; ``line``: what one holds."""
    return schema.read_lines(path, line, ScoreFits())


def is_answer(record: Mapping[str, Any]) -> bool:
    """Whether a sample is the one to show of its target: the candidate that the method chose, or
    the first sample where it chooses none."""
    return bool(record["index"] == record.get("chosen", 0))


def external(folder: Path) -> list[str]:
    """The cells in a task's folder whose samples another program made (``eval.score``)."""
    configs = {path.parent.name: read_config(path) for path in sorted(folder.glob(f"*/{CONFIG}"))}
    return [name for name, config in configs.items() if "external" in config.get("identity", {})]


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """A whole JSON-lines file at once, renamed into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(json_text(r) + "\n" for r in records))


#: what an identity does not say of a setting
DEFAULT = "the default"


def first_difference(old: Any, new: Any, name: str = "") -> str | None:
    """Dotted name of the first entry that differs, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(k for k in old if k not in new)]:
            both = old.get(key, DEFAULT), new.get(key, DEFAULT)
            difference = first_difference(*both, f"{name}.{key}" if name else key)
            if difference:
                return difference
        return None
    return None if old == new else f"{name} (stored: {old}, now: {new})"


def withheld(control: Control) -> Withheld:
    """What stands in results for a control that quotes a corpus."""
    text = canonical(to_json(control))
    return Withheld(hashlib.sha256(text.encode()).hexdigest()[:16])


def write_targets(path: Path, targets: Sequence[Target], withhold: bool = False) -> None:
    """Ids and controls. The human text behind a target stays with the corpus, whose licence may
    not allow it to go where results go; with ``withhold`` so do the controls, which quote it."""
    records = []
    for target in targets:
        control = withheld(target.control) if withhold else target.control
        record: dict[str, Any] = {"id": target.id, "control": to_stored(control)}
        if target.released is not None:
            record["released"] = to_stored(target.released)
        records.append(record)
    write_lines(path, records)


def read_targets(path: Path) -> list[Target]:
    """Raises ``UserError`` naming file and line for a target that is none, or stands twice."""
    seen = set[str]()

    def wrong(record: dict[str, Any]) -> str | None:
        if record["id"] in seen:
            return f"target {record['id']} stands twice"
        seen.add(record["id"])
        try:
            targets.append(_target(record))
        except UserError as error:
            return str(error)
        return None

    targets = list[Target]()
    schema.read_lines(path, TargetLine, wrong)
    return targets


def _target(record: Mapping[str, Any]) -> Target:
    released = from_json(record["released"]) if "released" in record else None
    return Target(record["id"], from_json(record["control"]), released=released)


@dataclass(frozen=True)
class Judged:
    """A sample's target, its index and what the judges say of it up to END. ``whole``: what they
    say of all of its words, where there are more."""

    target: Target
    index: int
    annotation: Annotation
    whole: Annotation | None = None


def score_records(
    judged: Iterable[Judged], score: Callable[[Target, Annotation], Mapping[str, Score]]
) -> list[dict[str, Any]]:
    """One record a sample: the task's metrics, as ``score`` gives them, and the teacher's
    figures; of one that goes on behind END the metrics of the whole too (``released``)."""
    return [
        {
            "target": one.target.id,
            "index": one.index,
            "scores": score(one.target, one.annotation),
            **({} if one.whole is None else {"released": score(one.target, one.whole)}),
            **fluency_facts(one.annotation),
        }
        for one in judged
    ]


def fluency_facts(annotation: Annotation) -> dict[str, Any]:
    """What the teachers say of a text, as stored: nats and tokens of the first, and, where there is
    a teacher of subwords, its nats and the words that they are of, the end counted as one."""
    facts: dict[str, Any] = {"nll": annotation.nll, "tokens": annotation.tokens}
    if annotation.subword_nll is not None:
        words = len(visible_words(annotation.words)) + 1
        facts |= {"subword_nll": annotation.subword_nll, "subword_words": words}
    return facts


def outside(texts: Iterable[Words], known: Container[str]) -> dict[str, int]:
    """How many of the words of ``texts`` are not ``known``, those that are white space aside."""
    words = [word for text in texts for word in visible_words(text)]
    return {"unknown": sum(word not in known for word in words), "words": len(words)}


def copied(texts: Sequence[Words], training: Container[Words]) -> dict[str, int]:
    """How many of ``texts`` stand among the ``training`` texts word for word."""
    return {"copied": sum(text in training for text in texts), "texts": len(texts)}


def cut(texts: Sequence[Words]) -> dict[str, int]:
    """How many of ``texts`` go on behind END."""
    return {"cut": sum(to_end(text) != text for text in texts), "texts": len(texts)}


def as_ratio(score: float | Sequence[float]) -> tuple[float, float]:
    """Numerator and denominator of a stored or fresh score; a plain one is over 1."""
    if isinstance(score, Sequence):
        return float(score[0]), float(score[1])
    return float(score), 1.0


def share(score: float | Sequence[float]) -> float:
    """The value of one score; an empty ratio is 0."""
    over, under = as_ratio(score)
    return over / under if under else 0.0
