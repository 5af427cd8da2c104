"""Compositions: several controls of one text at once (paper section 7.2, Table 4)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from tasks import parts_of_speech, semantic_content
from tasks.base import Annotation, Corpus, Score, Tag, Target, Task, Text, Words
from tasks.common.errors import UserError
from tasks.controls import AllOf, Control, to_json
from tasks.targets import NoReleasedList, released_rows, take

#: the authors' pairs of tags and a field's value, of the same 200 sentences
RELEASED = "target_compose_pos_attr.jsonl"


class Composition(Task):
    """All of ``parts`` at once; its metrics are theirs, as ``part.metric``.

    Targets carry an ``AllOf`` with one control for each part, in order. Nothing is trained on a
    composition: examples and prompts are there for generators that want them.
    """

    def __init__(self, parts: tuple[Task, ...]) -> None:
        if len(parts) < 2:
            raise UserError("a composition is of two tasks or more")
        self.parts = parts
        self.name = "+".join(part.name for part in parts)
        self.version = max(part.version for part in parts)
        self.needs = frozenset[str]().union(*(part.needs for part in parts))
        self.reads = frozenset[str]().union(*(part.reads for part in parts))
        self.metrics = {
            f"{part.name}.{name}": text for part in parts for name, text in part.metrics.items()
        }

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

    def prompt(self, control: Control) -> list[str]:
        """The prompts of the parts, one after the other."""
        pairs = zip(self.parts, _controls(control), strict=True)
        return [token for part, own in pairs for token in part.prompt(own)]

    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        return list(dict.fromkeys(t for part in self.parts for t in part.prompt_tokens(texts)))

    def split(self, target: Target) -> tuple[tuple[Task, Target], ...]:
        released: Sequence[Control | None] = [None] * len(self.parts)
        if target.released is not None:
            released = _controls(target.released)
        own = zip(self.parts, _controls(target.control), released, strict=True)
        return tuple(
            (part, dataclasses.replace(target, control=control, released=theirs))
            for part, control, theirs in own
        )

    def score(self, target: Target, annotation: Annotation) -> Mapping[str, Score]:
        """Every part's scores, from its own annotation where there are ``annotation.parts``."""
        split = self.split(target)
        own = annotation.parts or (annotation,) * len(split)
        return {
            f"{part.name}.{name}": value
            for (part, aim), found in zip(split, own, strict=True)
            for name, value in part.score(aim, found).items()
        }

    def retag(self, targets: Sequence[Target], tag: Tag) -> list[Target]:
        rows = [self.split(target) for target in targets]
        columns = [
            part.retag([row[i][1] for row in rows], tag) for i, part in enumerate(self.parts)
        ]
        controls = [tuple(own.control for own in row) for row in zip(*columns, strict=True)]
        return [
            dataclasses.replace(target, control=AllOf(own))
            for target, own in zip(targets, controls, strict=True)
        ]

    def _control(self, text: Text, seed: int) -> AllOf | None:
        found = [part.of_text(text, seed) for part in self.parts]
        controls = tuple(control for control in found if control is not None)
        return AllOf(controls) if len(controls) == len(found) else None

    def _drawn(self, corpus: Corpus, seed: int) -> Iterator[Target]:
        for row in np.random.default_rng((seed, 8)).permutation(len(corpus.valid)):
            text = corpus.valid[row]
            control = self._control(text, seed * len(corpus.valid) + int(row))
            if control is not None:
                said = json.dumps(to_json(control), sort_keys=True)
                name = f"valid-{row:05d}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"
                yield Target(name, control, text.words)

    def _released(self, corpus: Corpus) -> list[Target]:
        readers = {
            "semantic_content": lambda row, at: semantic_content.from_row(row.get("attr"), at),
            "parts_of_speech": parts_of_speech.from_row,
        }
        if {part.name for part in self.parts} != set(readers):
            raise NoReleasedList(f"there is no released target list for {self.name}")
        data = getattr(self.parts[0], "data", None)
        targets: list[Target] = []
        for place, row in released_rows(corpus, data, RELEASED):
            control = AllOf(tuple(readers[part.name](row, place) for part in self.parts))
            words = tuple(row["words_"][1:-1])
            targets.append(Target(f"released-{len(targets):03d}", control, words, control))
        return targets


def _controls(control: Control) -> tuple[Control, ...]:
    if not isinstance(control, AllOf):
        raise TypeError(f"not a composition of controls: {control!r}")
    return control.controls
