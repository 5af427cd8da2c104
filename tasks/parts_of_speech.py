"""Parts-of-speech: the text has a given sequence of universal tags.

Paper section 6.1; success as in the reference notes 2.8: the share of positions with the asked
tag, the sample's tags cut or padded to the target's length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tasks.base import Annotation, Corpus, Tag, Target, Task, Text, Words
from tasks.common import draws
from tasks.common.errors import UserError, unknown
from tasks.controls import Control, TagSequence
from tasks.marks import Marks, State, lacking, unmarked
from tasks.oracles.upos import NEWLINE_TAG, from_treebank
from tasks.targets import COMPOSED, MAX_WORDS, framed, known_label, released_rows, take, within
from tasks.typed import Known, malformed

RELEASED = "target_pos.jsonl"
#: the tag that stands for a missing word
PAD = "PAD"
UPOS = (
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN",
    "PUNCT", "SCONJ", "SYM", "VERB", "X",
)  # fmt: skip


class PartsOfSpeech(Task):
    """``data``: the folder that holds the released list (``control_targets/target_pos.jsonl``).

    The tags of targets are the oracle tagger's (:meth:`retag`), as those of samples are: a
    difference between two taggers is no failure of a generator. The tags that the authors released
    are scored in a column of their own; their tag of the newline is noise (reference notes 2.8).
    """

    name = "parts_of_speech"
    control = TagSequence
    label, rank, example_table = "Parts-of-speech", 1, "table10"
    needs = frozenset({"tags"})
    metrics: Mapping[str, str] = {
        "tag_match": "share of the target's positions with the asked tag",
        "tag_match_clean": "the same without the positions of newlines",
        "tag_match_released": "the same as tag_match, under the tags of the released list",
    }
    paper_metric = "tag_match"
    composed_list = COMPOSED

    def targets(self, corpus: Corpus, n: int, source: str, seed: int) -> list[Target]:
        """``"released"``: the authors' 200 sequences in file order. ``"validation"``: the tags of
        random validation texts of at most 62 words, each text drawn once. ``"auto"``: see
        :func:`tasks.targets.take`."""
        return take(n, source, lambda: self._released(corpus), lambda: _drawn(corpus, seed))

    def examples(self, texts: Iterable[Text], seed: int) -> Iterator[tuple[Control, Words]]:
        """Every text of at most 62 words with its tags."""
        for text in texts:
            if 0 < len(text.words) <= MAX_WORDS:
                yield TagSequence(_tags(text)), text.words

    def typed(self, text: str, known: Known) -> Control:
        """``DET NOUN AUX ADJ``, or the treebank's ``DT NN VBZ JJ``, each as the universal tag that
        it mostly is. Where all texts bring tags of another set, theirs are those that there are."""
        universal = {*UPOS, NEWLINE_TAG}
        own = {tag for one in known.texts for tag in one.tags or ()}
        tags = own if own - universal and all(one.tags for one in known.texts) else universal
        asked = []
        for tag in text.split():
            asked.append(tag if tag in tags else from_treebank(tag))
            if asked[-1] not in tags:
                raise unknown("tag", tag, tags)
        if not asked:
            raise malformed(text, 'tags, as control="DET NOUN AUX ADJ"')
        within(len(asked), text)
        return TagSequence(tuple(asked))

    def prompt(self, control: Control) -> list[str]:
        """``["DET", "NOUN", ...]``."""
        return list(_sequence(control))

    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        """The universal tags, that of the newline, and any others of the texts."""
        return sorted({*UPOS, NEWLINE_TAG}.union(*map(_tags, texts)))

    def score(self, target: Target, annotation: Annotation) -> dict[str, float]:
        """``tag_match_released`` is left out for a target without released tags. Raises
        ``UserError`` if the annotation has no tags."""
        if annotation.tags is None:
            raise UserError(f"target {target.id} cannot be scored: the sample has no tags")
        asked = _sequence(target.control)
        hits = _hits(asked, annotation.tags)
        clean = [h for h, tag in zip(hits, asked, strict=True) if tag != NEWLINE_TAG]
        scores = {"tag_match": _mean(hits), "tag_match_clean": _mean(clean)}
        if target.released is not None:
            released = _hits(_sequence(target.released), annotation.tags)
            scores["tag_match_released"] = _mean(released)
        return scores

    def marks(self, control: Control, words: Words, reading: Mapping[str, Any]) -> Marks:
        """Words with another tag than the asked one violate it; none without tags."""
        wanted, tags = _sequence(control), reading.get("tags")
        if tags is None:
            return unmarked(words)
        states: list[State] = [
            "" if tuple(tags[i : i + 1]) == wanted[i : i + 1] != () else "bad"
            for i in range(len(words))
        ]
        return Marks(tuple(states), lacking(len(wanted) - len(words), "tag"))

    def composed_row(self, row: Any, place: str) -> Control:
        return from_row(row, place)

    def retag(self, targets: Sequence[Target], tag: Tag) -> list[Target]:
        """Each target with the oracle's tags of its source."""
        sources = [target.source or () for target in targets]
        return [
            dataclasses.replace(target, control=TagSequence(tags)) if tags else target
            for target, tags in zip(targets, tag(sources), strict=True)
        ]

    def _released(self, corpus: Corpus) -> list[Target]:
        targets: list[Target] = []
        for place, row in released_rows(corpus, self.data, RELEASED):
            control, words = from_row(row, place), tuple(row["words_"][1:-1])
            targets.append(Target(f"released-{len(targets):03d}", control, words, control))
        return targets


def from_row(row: Any, place: str) -> TagSequence:
    """The tags under ``pos`` of a released row, START and END taken off. Raises ``UserError``, for
    a tag that is not universal too."""
    tags = framed(row.get("pos"), place, "tags", "pos")
    if len(tags) != len(row["words_"]) - 2:
        raise UserError(f"{place}: {len(tags)} tags for {len(row['words_']) - 2} words")
    for tag in tags:
        known_label(tag, (*UPOS, NEWLINE_TAG), place, "tag")
    return TagSequence(tags)


def _hits(asked: Words, tags: Words) -> list[bool]:
    padded = (*tags[: len(asked)], *[PAD] * (len(asked) - len(tags)))
    return [a == b for a, b in zip(asked, padded, strict=True)]


def _mean(hits: Sequence[bool]) -> float:
    """A target of newlines alone has nothing that could be missed."""
    return sum(hits) / len(hits) if hits else 1.0


def _sequence(control: Control) -> Words:
    if not isinstance(control, TagSequence):
        raise TypeError(f"not a tag sequence: {control!r}")
    return control.tags


def _tags(text: Text) -> Words:
    if text.tags is None:
        shown = " ".join(text.words)[:60]
        raise UserError(f"parts_of_speech needs tags of every text: {shown!r} has none")
    return text.tags


def _drawn(corpus: Corpus, seed: int) -> Iterator[Target]:
    for row in draws.rng(seed, 5).permutation(len(corpus.valid)):
        text = corpus.valid[row]
        if 0 < len(text.words) <= MAX_WORDS:
            yield Target(f"valid-{row:05d}", TagSequence(_tags(text)), text.words)
