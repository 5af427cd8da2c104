"""One cell of a table on disk: ``results/SET/TASK/METHOD/``.

``config.json`` says exactly what it is, ``samples.jsonl`` grows target by target, and
``annotations.jsonl`` and ``scores.jsonl`` follow from the samples alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.jsonl import append, read
from eval.store import write_text
from tasks.base import Annotation, Target, Task, Words
from tasks.controls import from_json, to_json
from tasks.errors import UserError

if TYPE_CHECKING:
    from models.base import TargetSamples

CONFIG, SAMPLES, ANNOTATIONS = "config.json", "samples.jsonl", "annotations.jsonl"
SCORES, TARGETS = "scores.jsonl", "targets.jsonl"


@dataclass(frozen=True)
class Cell:
    """A folder and the identity of what belongs in it: equal identities mean equal samples."""

    folder: Path
    identity: Mapping[str, Any]

    def config(self) -> dict[str, Any]:
        """What ``config.json`` holds; empty where there is none."""
        path = self.folder / CONFIG
        if not path.exists():
            return {}
        try:
            stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return stored
        except json.JSONDecodeError as error:
            raise UserError(
                f"{path} is damaged ({error}): delete the folder {path.parent}"
            ) from None

    def check(self, overwrite: bool) -> None:
        """Refuses a folder with another identity; with ``overwrite``, empties it instead."""
        stored = self.config().get("identity")
        if stored is None:
            return
        name = first_difference(stored, json.loads(json.dumps(self.identity)))
        if name is None:
            return
        if not overwrite:
            raise UserError(
                f"{self.folder} holds a result with another {name}: keep it and choose a new "
                "folder with out=..., or replace it with overwrite=true"
            )
        for file in (CONFIG, SAMPLES, ANNOTATIONS, SCORES, TARGETS):
            (self.folder / file).unlink(missing_ok=True)

    def write_config(self, **more: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        record = {"identity": self.identity, **more}
        write_text(self.folder / CONFIG, json.dumps(record, indent=1, ensure_ascii=False))

    def samples(self) -> dict[str, list[dict[str, Any]]]:
        """Complete targets -> their sample records, in index order. Records of an incomplete
        target, which a kill may leave, are not among them."""
        found: dict[str, list[dict[str, Any]]] = {}
        for record in read(self.folder / SAMPLES):
            found.setdefault(record["target"], []).append(record)
        return {
            target: records
            for target, records in found.items()
            if [r["index"] for r in records] == list(range(records[0]["of"]))
        }

    def drop_incomplete(self) -> None:
        """Rewrites ``samples.jsonl`` without the records that :meth:`samples` leaves out."""
        path = self.folder / SAMPLES
        whole = [record for records in self.samples().values() for record in records]
        if len(whole) != len(read(path)):
            write_lines(path, whole)

    def add(self, done: TargetSamples) -> None:
        """Appends all samples of one target at once."""
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
                    "seconds": round(sample.seconds, 5),
                }
                for sample in done.samples
            ],
        )

    def missing(self, targets: Sequence[Target]) -> list[Target]:
        """The targets without complete samples."""
        done = self.samples()
        return [target for target in targets if target.id not in done]

    def scored_by(self) -> Any:
        """Identity of the judges behind ``scores.jsonl``, None where there are no scores."""
        return self.config().get("judges") if (self.folder / SCORES).exists() else None


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """A whole JSON-lines file at once, renamed into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records))


def first_difference(old: Any, new: Any, name: str = "") -> str | None:
    """Dotted name of the first entry that differs, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(k for k in old if k not in new)]:
            found = first_difference(old.get(key), new.get(key), f"{name}.{key}" if name else key)
            if found:
                return found
        return None
    return None if old == new else f"{name} (stored: {old}, now: {new})"


def write_targets(path: Path, targets: Sequence[Target]) -> None:
    """Ids and controls. The human text behind a target stays with the corpus, whose licence may
    not allow it to go where results go."""
    write_lines(path, [{"id": t.id, "control": to_json(t.control)} for t in targets])


def read_targets(path: Path) -> list[Target]:
    return [Target(record["id"], from_json(record["control"])) for record in read(path)]


def score_records(
    task: Task,
    pairs: Iterable[tuple[Target, int, Words]],
    annotations: Mapping[Words, Annotation],
) -> list[dict[str, Any]]:
    """Scores of (target, sample index, words): the task's metrics and the teacher's figures."""
    records = []
    for target, index, words in pairs:
        annotation = annotations[words]
        records.append(
            {
                "target": target.id,
                "index": index,
                "scores": task.score(target, annotation),
                "nll": annotation.nll,
                "tokens": annotation.tokens,
            }
        )
    return records
