"""Compositions: several controls of one text at once (paper section 7.2, Table 4)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

from tasks.base import Annotation, Corpus, Score, Tag, Target, Task, Text, Words
from tasks.common import draws
from tasks.common.errors import UserError
from tasks.controls import AllOf, Control, to_json
from tasks.marks import Marks, unmarked
from tasks.targets import NoReleasedList, released_rows, take
from tasks.typed import Known, malformed, pair, pieces


class Composition(Task):
    """All of ``parts`` at once; its metrics are theirs, as ``part.metric``.

    Its traits are those that all parts have.
    Targets carry an ``AllOf`` with one control for each part, in order. Nothing is trained on a
    composition: examples and prompts are there for generators that want them.
    """

    composes = False

    def __init__(self, parts: tuple[Task, ...]) -> None:
        if len(parts) < 2:
            raise UserError("a composition is of two tasks or more")
        for part in parts:
            if not part.composes:
                raise UserError(f"{part.name} cannot be composed with another task")
        super().__init__(parts[0].data)
        self.parts = parts
        self.label = " + ".join(part.label for part in parts)
        self.name = "+".join(part.name for part in parts)
        self.version = max(part.version for part in parts)
        self.needs = frozenset[str]().union(*(part.needs for part in parts))
        self.reads = frozenset[str]().union(*(part.reads for part in parts))
        self.metrics = {
            f"{part.name}.{name}": text for part in parts for name, text in part.metrics.items()
        }
        codes = "".join(part.digest for part in parts)
        self.digest = hashlib.sha256(codes.encode()).hexdigest()[:16] if codes else ""
        self.fluency = all(part.fluency for part in parts)
        self.quotes = any(part.quotes for part in parts)
        self.recurs = all(part.recurs for part in parts)
        self.least_sequence = max(part.least_sequence for part in parts)

    def refuses_corpus(self, name: str) -> str | None:
        """The reason of the first part that has one."""
        return next((why for p in self.parts if (why := p.refuses_corpus(name))), None)

    @property
    def headlines(self) -> tuple[str, ...]:
        return tuple(f"{p.name}.{metric}" for p in self.parts for metric in p.headlines)

    @property
    def paper_metrics(self) -> frozenset[str]:
        return frozenset(f"{p.name}.{metric}" for p in self.parts for metric in p.paper_metrics)

    def targets(self, corpus: Corpus, n: int, source: str, seed: int) -> list[Target]:
        """``"released"``: the authors' 200 pairs, for semantic content with parts-of-speech; in a
        quarter of them the sentence behind the tags does not state the value (reference notes
        2.8). ``"validation"``: a control of each part from one and the same validation text, so
        that they can hold together. ``"auto"``: see :func:`tasks.targets.take`."""
        return take(n, source, lambda: self._released(corpus), lambda: self._drawn(corpus, seed))

    def examples(self, texts: Iterable[Text], seed: int) -> Iterator[tuple[Control, Words]]:
        """One pair a text, where every part has a control of it."""
        for number, text in enumerate(texts):
            control = self._control(text, seed + number)
            if control is not None:
                yield control, text.words

    def typed(self, text: str, known: Known) -> Control:
        """``length=9; food=Italian``: a control of each part, behind the part's name or as the part
        itself is typed."""
        named, others = dict[str, str](), list[str]()
        for piece in pieces(text):
            found = pair(piece)
            if found is None or found[0] not in {part.name for part in self.parts}:
                others.append(piece)
            elif found[0] in named:
                raise UserError(f"control: {found[0]} is asked for twice")
            else:
                named[found[0]] = found[1]
        rest = [part for part in self.parts if part.name not in named]
        if len(rest) != len(others):
            form = "; ".join(f"{part.name}=..." for part in self.parts)
            raise malformed(text, f"a control of each part, as {form}")
        controls = {p.name: p.typed(named[p.name], known) for p in self.parts if p.name in named}
        controls |= _assigned(rest, others, known)
        return AllOf(tuple(controls[part.name] for part in self.parts))

    def asks(self, control: Control) -> bool:
        return len(control.parts) == len(self.parts) and all(
            part.asks(one) for part, one in zip(self.parts, control.parts, strict=True)
        )

    def prompt(self, control: Control) -> list[str]:
        """The prompts of the parts, one after the other."""
        pairs = zip(self.parts, _controls(control), strict=True)
        return [token for part, one in pairs for token in part.prompt(one)]

    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        return list(dict.fromkeys(t for part in self.parts for t in part.prompt_tokens(texts)))

    def split(self, target: Target) -> tuple[tuple[Task, Target], ...]:
        released: Sequence[Control | None] = [None] * len(self.parts)
        if target.released is not None:
            released = _controls(target.released)
        rows = zip(self.parts, _controls(target.control), released, strict=True)
        return tuple(
            (part, dataclasses.replace(target, control=control, released=theirs))
            for part, control, theirs in rows
        )

    def score(self, target: Target, annotation: Annotation) -> Mapping[str, Score]:
        """Every part's scores, from its own annotation where there are ``annotation.parts``."""
        split = self.split(target)
        readings = annotation.parts or (annotation,) * len(split)
        return {
            f"{part.name}.{name}": value
            for (part, aim), reading in zip(split, readings, strict=True)
            for name, value in part.score(aim, reading).items()
        }

    def marks(self, control: Control, words: Words, reading: Mapping[str, Any]) -> Marks:
        """Those of every part under one reading; a word that violates any of them is bad."""
        marks = unmarked(words)
        for part, one in zip(self.parts, _controls(control), strict=True):
            marks |= part.marks(one, words, reading)
        return marks

    def retag(self, targets: Sequence[Target], tag: Tag) -> list[Target]:
        rows = [self.split(target) for target in targets]
        columns = [
            part.retag([row[i][1] for row in rows], tag) for i, part in enumerate(self.parts)
        ]
        controls = [tuple(part.control for part in row) for row in zip(*columns, strict=True)]
        return [
            dataclasses.replace(target, control=AllOf(row))
            for target, row in zip(targets, controls, strict=True)
        ]

    def _control(self, text: Text, seed: int) -> AllOf | None:
        controls = [part.of_text(text, seed) for part in self.parts]
        held = tuple(control for control in controls if control is not None)
        return AllOf(held) if len(held) == len(controls) else None

    def _drawn(self, corpus: Corpus, seed: int) -> Iterator[Target]:
        for row in draws.rng(seed, 8).permutation(len(corpus.valid)):
            text = corpus.valid[row]
            control = self._control(text, seed * len(corpus.valid) + int(row))
            if control is not None:
                text_of = json.dumps(to_json(control), sort_keys=True)
                name = f"valid-{row:05d}-{hashlib.sha256(text_of.encode()).hexdigest()[:8]}"
                yield Target(name, control, text.words)

    def _released(self, corpus: Corpus) -> list[Target]:
        lists = {part.composed_list for part in self.parts}
        if len(lists) > 1 or "" in lists:
            raise NoReleasedList(f"there is no released target list for {self.name}")
        targets: list[Target] = []
        for place, row in released_rows(corpus, self.data, lists.pop()):
            control = AllOf(tuple(part.composed_row(row, place) for part in self.parts))
            words = tuple(row["words_"][1:-1])
            targets.append(Target(f"released-{len(targets):03d}", control, words, control))
        return targets


def _assigned(rest: Sequence[Task], typed: Sequence[str], known: Known) -> dict[str, Control]:
    """The controls of the parts that were not named, in whatever order they were typed. Raises
    ``UserError`` as the part does that comes first."""
    wrong = None
    for order in permutations(typed):
        try:
            return {p.name: p.typed(one, known) for p, one in zip(rest, order, strict=True)}
        except UserError as error:
            wrong = wrong or error
    raise wrong or UserError("control: it asks for nothing")


def _controls(control: Control) -> tuple[Control, ...]:
    if not isinstance(control, AllOf):
        raise TypeError(f"not a composition of controls: {control!r}")
    return control.controls
