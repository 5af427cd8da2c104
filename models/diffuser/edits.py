"""Edit scripts: what turns one text into another by keeping, replacing, deleting and inserting
spans (Reid et al. 2022), and how a tagger and a generator say one.

A text is a tuple of ids of words. n: its number of words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

Ids = tuple[int, ...]


class Kind(IntEnum):
    """What an edit does with a span; as a tag, what is done with a word."""

    KEEP = 0
    REPLACE = 1
    DELETE = 2
    INSERT = 3


@dataclass(frozen=True)
class Edit:
    """The span ``old`` of a text becomes ``new``: the same words where it is kept, other ones where
    it is replaced, none where it is deleted; an inserted span has no old words."""

    kind: Kind
    old: Ids
    new: Ids

    def __post_init__(self) -> None:
        """Raises ``ValueError`` for spans that are not those of its kind."""
        if self.kind is Kind.KEEP:
            right = bool(self.old) and self.old == self.new
        else:
            put, gone = self.kind is not Kind.DELETE, self.kind is not Kind.INSERT
            right = bool(self.old) == gone and bool(self.new) == put
        if not right:
            raise ValueError(f"{self.kind.name}: no edit of {self.old} to {self.new}")

    @property
    def inverse(self) -> Edit:
        """What makes the old words of the new ones."""
        other = {Kind.DELETE: Kind.INSERT, Kind.INSERT: Kind.DELETE}.get(self.kind, self.kind)
        return Edit(other, self.new, self.old)


#: edits of a text from its first word to its last
Script = tuple[Edit, ...]


def source(script: Iterable[Edit]) -> Ids:
    """The text that a script reads."""
    return tuple(word for edit in script for word in edit.old)


def result(script: Iterable[Edit]) -> Ids:
    """The text that it makes."""
    return tuple(word for edit in script for word in edit.new)


def inverse(script: Iterable[Edit]) -> Script:
    """The script that undoes it."""
    return tuple(edit.inverse for edit in script)


def kept(script: Iterable[Edit]) -> list[tuple[int, int]]:
    """(place in the source, place in the result) of each word that is kept."""
    pairs: list[tuple[int, int]] = []
    at = to = 0
    for edit in script:
        if edit.kind is Kind.KEEP:
            pairs += [(at + i, to + i) for i in range(len(edit.old))]
        at, to = at + len(edit.old), to + len(edit.new)
    return pairs


def between(old: Sequence[int], new: Sequence[int], pairs: Iterable[tuple[int, int]]) -> Script:
    """The script from ``old`` to ``new`` that keeps the words at ``pairs`` of places, which rise in
    both, and no others: one edit at most between two runs of kept words."""
    edits: list[Edit] = []
    run: list[int] = []
    at = to = 0
    for i, k in [*pairs, (len(old), len(new))]:
        gap, put = tuple(old[at:i]), tuple(new[to:k])
        if run and (gap or put or i == len(old)):
            edits.append(Edit(Kind.KEEP, tuple(run), tuple(run)))
            run = []
        if gap or put:
            kind = Kind.REPLACE if gap and put else Kind.DELETE if gap else Kind.INSERT
            edits.append(Edit(kind, gap, put))
        run += old[i : i + 1]
        at, to = i + 1, k + 1
    return tuple(edits)


def composed(first: Script, second: Script) -> Script:
    """The script that does both in turn: words that both keep are kept. Raises ``ValueError`` where
    the second does not read what the first makes."""
    if result(first) != source(second):
        raise ValueError("a script follows one that makes another text")
    places = {k: i for i, k in kept(first)}
    pairs = [(places[k], m) for k, m in kept(second) if k in places]
    return between(source(first), result(second), pairs)


@dataclass(frozen=True)
class Marks:
    """A script as a tagger and a generator say it. ``tags`` (1 + n,): of START and each word of the
    text; words that are replaced side by side are one span, INSERT keeps its word and puts a span
    behind it. ``spans``: the words of each span that is put, from left to right."""

    tags: tuple[Kind, ...]
    spans: tuple[Ids, ...]


def places(tags: Sequence[Kind]) -> list[int]:
    """Where spans are put: at an INSERT, or at the first word of a run of REPLACE."""
    return [
        i
        for i, tag in enumerate(tags)
        if tag is Kind.INSERT or (tag is Kind.REPLACE and tags[i - 1] is not Kind.REPLACE)
    ]


def applied(text: Sequence[int], marks: Marks) -> Ids:
    """What ``marks`` make of a text. Raises ``ValueError`` where they are not those of such a
    text."""
    at = places(marks.tags)
    if len(marks.tags) != len(text) + 1 or len(at) != len(marks.spans):
        raise ValueError("tags and spans of another text")
    if marks.tags[0] not in (Kind.KEEP, Kind.INSERT):
        raise ValueError("START is kept")
    spans, out = dict(zip(at, marks.spans, strict=True)), list[int]()
    for i, tag in enumerate(marks.tags):
        if i and tag in (Kind.KEEP, Kind.INSERT):
            out.append(text[i - 1])
        out += spans.get(i, ())
    return tuple(out)


def marks(script: Iterable[Edit]) -> Marks:
    """``script`` as tags and spans. No tag says that words are put behind a word that goes: what is
    inserted behind a replaced or a deleted span becomes part of what replaces it."""
    tags, spans = [Kind.KEEP], list[Ids]()
    for edit in _tagged(script):
        if edit.kind is Kind.INSERT:
            tags[-1] = Kind.INSERT
        tags += [edit.kind] * len(edit.old)
        if edit.kind in (Kind.INSERT, Kind.REPLACE):
            spans.append(edit.new)
    return Marks(tuple(tags), tuple(spans))


def _tagged(script: Iterable[Edit]) -> list[Edit]:
    """Equal edits side by side as one, and insertions only behind kept words or at the start."""
    out: list[Edit] = []
    for edit in script:
        while out:
            last = out[-1].kind
            joins = last is edit.kind
            onto = edit.kind is Kind.INSERT and last is not Kind.KEEP
            if not (joins or onto):
                break
            before = out.pop()
            kind = last if joins or last is Kind.REPLACE else Kind.REPLACE
            edit = Edit(kind, before.old + edit.old, before.new + edit.new)
        out.append(edit)
    return out
