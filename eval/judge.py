"""Judging: each distinct text is annotated once, by oracles that steered no sample.

Annotations are kept in a JSON-lines file beside the samples, each under the identity of the
oracles that made it, so that another parser or teacher annotates anew and nothing is mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from eval.jsonl import append, read
from eval.store import read_digests
from tasks.base import Annotation, Words
from tasks.errors import UserError
from tasks.progress import Progress, silent

CHUNK = 256


class Parser(Protocol):
    def parse(self, sentences: Sequence[Sequence[str]], progress: Progress = ...) -> list[str]: ...


class Teacher(Protocol):
    def score(self, texts: Sequence[Words]) -> Sequence[tuple[float, int]]: ...


@dataclass
class Judge:
    """The oracles by identity, each loaded only when a text must be annotated.

    ``parser_id`` and ``teacher_id``: artefact keys or public names; what annotations go by.
    """

    parser_id: str | None
    load_parser: Callable[[], Parser]
    teacher_id: str
    load_teacher: Callable[[], Teacher]
    _parser: Parser | None = None
    _teacher: Teacher | None = None
    _memory: dict[tuple[Path, frozenset[str]], dict[Words, Annotation]] = field(
        default_factory=dict
    )

    def identity(self, needs: frozenset[str]) -> dict[str, str]:
        """Who annotates for a task with these needs: role -> id."""
        judges = {"teacher": self.teacher_id}
        if "tree" in needs:
            if self.parser_id is None:
                raise UserError("no oracle parser is configured, but the task needs trees")
            judges["parser"] = self.parser_id
        if "tags" in needs:
            raise UserError("no oracle tagger is configured, but the task needs tags")
        return judges

    def stored(self, cache: Path, needs: frozenset[str]) -> dict[Words, Annotation]:
        """Annotations in ``cache`` by these judges."""
        judges = self.identity(needs)
        found: dict[Words, Annotation] = {}
        for record in read(cache):
            by = record.pop("judges")
            if all(by.get(role) == name for role, name in judges.items()):
                words = tuple(record.pop("words"))
                found[words] = Annotation(words=words, **record)
        return found

    def annotate(
        self,
        texts: Iterable[Words],
        needs: frozenset[str],
        cache: Path,
        progress: Progress = silent,
    ) -> dict[Words, Annotation]:
        """One annotation for each distinct text, from ``cache`` or made and appended now."""
        if (cache, needs) not in self._memory:
            self._memory[cache, needs] = self.stored(cache, needs)
        found = self._memory[cache, needs]
        todo = [words for words in dict.fromkeys(texts) if words not in found]
        judges = self.identity(needs)
        for start in range(0, len(todo), CHUNK):
            chunk = todo[start : start + CHUNK]
            if self._teacher is None:
                self._teacher = self.load_teacher()
            scores = self._teacher.score(chunk)
            trees: Sequence[str | None] = [None] * len(chunk)
            if "tree" in needs:
                if self._parser is None:
                    self._parser = self.load_parser()
                trees = self._parser.parse(chunk)
            records: list[dict[str, Any]] = []
            for words, tree, (nll, tokens) in zip(chunk, trees, scores, strict=True):
                found[words] = Annotation(words, tree=tree, nll=float(nll), tokens=int(tokens))
                record = {"words": list(words), "nll": round(float(nll), 4), "tokens": int(tokens)}
                if tree is not None:
                    record["tree"] = tree
                records.append(record | {"judges": judges})
            append(cache, records)
            progress(min(start + CHUNK, len(todo)), len(todo), f"{len(todo)} distinct texts")
        return found


def guard(guides: Mapping[str, Path], judges: Mapping[str, Path]) -> None:
    """Refuses to let a network judge what it steered or wrote.

    Both map roles to artefact folders. Raises ``UserError`` if one network file is in both.
    """
    ours: dict[str, str] = {}
    for role, folder in guides.items():
        for name, digest in read_digests(folder).items():
            if name.endswith(".safetensors"):
                ours[digest] = role
    for judge, folder in judges.items():
        for name, digest in read_digests(folder).items():
            if digest in ours:
                raise UserError(
                    f"the {judge} ({folder.name}/{name}) is the same network as the generator's "
                    f"{ours[digest]}: guide and judge must differ"
                )
