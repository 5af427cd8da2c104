"""Judging: each distinct text is read once by each oracle, and none of them steered a sample.

What they say is kept in a JSON-lines file beside the samples, each entry under the identity of the
oracles that made it, so that another parser or teacher reads anew and nothing is mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from eval.running.schema import AnnotationLine
from eval.running.store import read_digests
from tasks.base import Annotation, Target, Task, Words
from tasks.common.errors import UserError
from tasks.common.jsonl import append, mend
from tasks.common.lease import hold
from tasks.common.progress import Progress, silent
from tasks.common.schema import read_lines

CHUNK = 256
#: the role of the teacher of subwords, which not every run has
SUBWORDS = "subwords"
#: what an annotation may hold, by the role of its judge
FIELDS = {
    "teacher": ("nll", "tokens"),
    SUBWORDS: ("subword_nll",),
    "parser": ("tree",),
    "tagger": ("tags",),
}
#: what a task's ``needs`` call for
ROLES = {"tree": "parser", "tags": "tagger"}

#: the fields of one text, by the role of the judge that gave them
Readings = dict[str, dict[Words, dict[str, Any]]]
Reader = Callable[[Sequence[Words]], Sequence[Mapping[str, Any]]]


class Parser(Protocol):
    def parse(self, sentences: Sequence[Sequence[str]], progress: Progress = ...) -> list[str]: ...


class Tagger(Protocol):
    def tag(self, sentences: Sequence[Sequence[str]]) -> list[tuple[str, ...]]: ...


class Teacher(Protocol):
    def score(self, texts: Sequence[Words]) -> Sequence[tuple[float, int]]: ...


@dataclass
class Judge:
    """The oracles by identity, each loaded only when a text must be read.

    ``ids``: role (``teacher``, ``subwords``, ``parser``, ``tagger``) -> artefact key or public
    name, what readings go by; ``load``: role -> how to load it.
    """

    ids: Mapping[str, str]
    load: Mapping[str, Callable[[], Any]]
    _loaded: dict[str, Any] = field(default_factory=dict)
    _memory: dict[Path, Readings] = field(default_factory=dict)

    def identity(self, needs: frozenset[str], fluency: bool = True) -> dict[str, str]:
        """Who judges for a task with these needs: role -> id."""
        for need, role in ROLES.items():
            if need in needs and role not in self.ids:
                raise UserError(f"no oracle {role} is configured, but the task needs {need}")
        roles = self.teachers if fluency else []
        roles += [role for need, role in ROLES.items() if need in needs]
        return {role: self.ids[role] for role in roles}

    @property
    def teachers(self) -> list[str]:
        """The roles that judge fluency."""
        return [role for role in ("teacher", SUBWORDS) if role in self.ids]

    def oracle(self, role: str) -> Any:
        """The judge of that role, loaded at its first use."""
        if role not in self._loaded:
            self._loaded[role] = self.load[role]()
        return self._loaded[role]

    @property
    def long_texts(self) -> int:
        """Texts that the first teacher has just read in windows, being too long for it."""
        return getattr(self._loaded.get("teacher"), "long", 0)

    def annotate(
        self,
        task: Task,
        pairs: Iterable[tuple[Target, Words]],
        cache: Path,
        progress: Progress = silent,
        fluency: bool = True,
    ) -> list[Annotation]:
        """One annotation for each (target, text) in order, from ``cache`` or made now; the texts
        that a judge had not read are appended there. Parser and tagger read a task's ``view`` of a
        text, the teachers the text itself; without ``fluency`` they are not asked."""
        pairs = list(pairs)
        split = [[(*part, words) for part in task.split(target)] for target, words in pairs]
        teachers = self.teachers if fluency else []
        wanted = {role: [words for _, words in pairs] for role in teachers}
        for part, target, words in (one for row in split for one in row):
            for need in part.needs:
                wanted.setdefault(ROLES[need], []).append(part.view(target, words))
        readings = self.read(wanted, cache, progress)

        def seen(part: Task, target: Target, words: Words) -> Annotation:
            facts: dict[str, Any] = {}
            for role in teachers:
                facts |= readings[role][words]
            for need in part.needs:
                facts |= readings[ROLES[need]][part.view(target, words)]
            return Annotation(words, **facts)

        out: list[Annotation] = []
        for row in split:
            parts = tuple(seen(*one) for one in row)
            first = parts[0]
            whole = replace(first, tree=None, tags=None, parts=parts)
            out.append(first if len(parts) == 1 else whole)
        return out

    def fluency(
        self, texts: Sequence[Words], cache: Path, progress: Progress = silent
    ) -> list[Annotation]:
        """What the teachers say of each text, as :meth:`annotate` keeps it."""
        readings = self.read({role: texts for role in self.teachers}, cache, progress)
        said = [readings[role] for role in self.teachers]
        return [
            Annotation(words, **{k: v for one in said for k, v in one[words].items()})
            for words in texts
        ]

    def read(
        self, wanted: Mapping[str, Iterable[Words]], cache: Path, progress: Progress = silent
    ) -> Readings:
        """Every reading in ``cache``, with those of the ``wanted`` texts of each role made now
        where they are missing."""
        readings = self._memory.setdefault(cache, {})
        for role in wanted:
            if role not in readings:
                readings[role] = self._stored(cache, role)
        # one order for all judges, in which their readings then stand in the file
        order = list(dict.fromkeys(words for texts in wanted.values() for words in texts))
        todo: dict[str, Sequence[Words]] = {}
        for role, texts in wanted.items():
            asked = set(texts)
            todo[role] = batch([w for w in order if w in asked], list(readings[role]))
        if any(todo.values()):
            with hold(cache.with_name(f".lock-{cache.stem}")):
                mend(cache)
                self._make(order, todo, cache, progress)
        return readings

    def _make(
        self,
        order: Sequence[Words],
        todo: Mapping[str, Sequence[Words]],
        cache: Path,
        progress: Progress,
    ) -> None:
        """Makes the readings of the texts ``todo`` by each role, :data:`CHUNK` texts at once, and
        keeps those that are new in memory and, in that ``order``, in the file."""
        place = {words: i for i, words in enumerate(order)}
        readings, most = self._memory[cache], max(map(len, todo.values()))
        for start in range(0, most, CHUNK):
            records: dict[Words, dict[str, Any]] = {}
            for role, every in todo.items():
                texts = every[start : start + CHUNK]
                if all(words in readings[role] for words in texts):
                    continue
                for words, facts in zip(texts, self._ask(role, texts), strict=True):
                    if words not in readings[role]:
                        readings[role][words] = facts
                        record = records.setdefault(words, {"words": words, "judges": {}})
                        record |= facts
                        record["judges"][role] = self.ids[role]
            if records:
                append(cache, [records[words] for words in sorted(records, key=place.__getitem__)])
            progress(min(start + CHUNK, most), most, f"{most} distinct texts")

    def _ask(self, role: str, texts: Sequence[Words]) -> list[dict[str, Any]]:
        if not texts:
            return []
        judge = self.oracle(role)
        if role == "parser":
            return [{"tree": tree} for tree in judge.parse(texts)]
        if role == "tagger":
            return [{"tags": tuple(tags)} for tags in judge.tag(texts)]
        if role == SUBWORDS:
            return [{"subword_nll": round(float(nll), 4)} for nll, _ in judge.score(texts)]
        return [
            {"nll": round(float(nll), 4), "tokens": int(tokens)}
            for nll, tokens in judge.score(texts)
        ]

    def _stored(self, cache: Path, role: str) -> dict[Words, dict[str, Any]]:
        readings = {}
        for record in read_lines(cache, AnnotationLine):
            lacking = any(record.get(name) is None for name in FIELDS[role])
            if record.get("judges", {}).get(role) == self.ids[role] and not lacking:
                facts = {name: record[name] for name in FIELDS[role]}
                if role == "tagger":
                    facts["tags"] = tuple(facts["tags"])
                readings[tuple(record["words"])] = facts
        return readings


def batch(wanted: Sequence[Words], read: Sequence[Words]) -> Sequence[Words]:
    """What a judge reads together of the distinct ``wanted`` texts, where it has ``read`` some,
    listed in that order: those that it has not, behind those whose readings a kill cut off.

    A network's figures move in the last digit with the texts beside a text, so that the rest of a
    batch of which a part was stored is read beside that part again: the last readings stored that
    stand in the order of ``wanted`` before the first text without one. In an undisturbed run the
    rule picks the same texts, and any other part of the batch leaves them as they are.
    """
    known, at = set(read), {words: i for i, words in enumerate(wanted)}
    missing = [words for words in wanted if words not in known]
    if not missing:
        return []
    before, cut = at[missing[0]], list[Words]()
    for words in reversed(read):
        if at.get(words, before) >= before:
            break
        before = at[words]
        cut.append(words)
    return [*reversed(cut), *missing]


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
