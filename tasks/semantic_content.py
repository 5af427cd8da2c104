"""Semantic content: the text states that a field of its meaning has a given value.

Paper section 6.1. Success as in the reference notes 2.8: the value is a case-sensitive substring
of the text. That counts the value ``no`` inside ``not``, and no paraphrase at all, so human texts
are far from perfect; whole words are scored beside it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tasks.base import Annotation, Corpus, Target, Task, Text, Words
from tasks.common import draws
from tasks.common.errors import UserError, unknown
from tasks.controls import NONE, Control, FieldValue
from tasks.corpora.e2e import spaced
from tasks.marks import Marks, State, unmarked
from tasks.targets import COMPOSED, released_rows, take
from tasks.typed import Known, malformed, pair

RELEASED = "target_attribute.jsonl"
#: field names of E2E's files -> those of the released lists
RENAMED = {"eatType": "Type", "priceRange": "price", "familyFriendly": "family friendly"}
#: the fields that every text is an example of, in the reference code's order (notes 2.7)
FIELDS = ("name", "Type", "area", "customer rating", "near", "family friendly", "food", "price")


class SemanticContent(Task):
    """``data``: the folder that holds the released list
    (``control_targets/target_attribute.jsonl``)."""

    name = "semantic_content"
    control = FieldValue
    label, rank, example_table = "Semantic Content", 0, "table12"
    composed_list = COMPOSED
    reads = frozenset({"fields"})
    attributes = True
    metrics: Mapping[str, str] = {
        "value_stated": "the value is a case-sensitive substring of the text",
        "value_words": "the value's words stand in the text as whole words, one after the other",
    }
    paper_metric = "value_stated"

    def targets(self, corpus: Corpus, n: int, source: str, seed: int) -> list[Target]:
        """``"released"``: the authors' 79 pairs of field and value in an order of the seed, so
        that fewer are not all names. ``"validation"``: the distinct pairs of the validation texts,
        likewise. There are no more than that: a larger ``n`` gives them all. ``"auto"``: see
        :func:`tasks.targets.take`. Targets have no source; see :meth:`references`."""
        lists = (lambda: self._released(corpus, seed)), (lambda: _drawn(corpus, seed))
        return take(n, source, *lists, all_there_are=True)

    def examples(self, texts: Iterable[Text], seed: int) -> Iterator[tuple[Control, Words]]:
        """One example for each field and each text, eight a text of E2E; the value is ``none``
        where the text's meaning lacks the field (reference notes 2.7 and 2.11). The fields are
        :func:`fields_of`."""
        texts = list(texts)
        fields = fields_of(texts)
        for text in texts:
            known = dict(pairs(text))
            for field in fields:
                yield FieldValue(field, known.get(field, NONE)), text.words

    def typed(self, text: str, known: Known) -> Control:
        """``food=Italian`` or ``name="The Vaults"``, with a field and a value that training texts
        have; fields under E2E's own names too, and values spaced in any way."""
        typed = pair(text)
        if typed is None:
            raise malformed(text, 'field=value, as food=Italian or name="The Vaults"')
        field, value = typed
        values: dict[str, set[str]] = {}
        for one in known.texts:
            for name, stated in pairs(one):
                values.setdefault(name, set()).add(stated)
        field = field if field in values else RENAMED.get(field, field)
        if field not in values:
            raise unknown("field", field, values)
        same = [one for one in values[field] if "".join(one.split()) == "".join(value.split())]
        if not same:
            raise unknown(f"value of {field}", value, values[field], most=12)
        return FieldValue(field, min(same))

    def prompt(self, control: Control) -> list[str]:
        """``["customer rating", ":", "5", "out", "of", "5"]``."""
        pair = _pair(control)
        return [pair.field, ":", *pair.words]

    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        """The fields, ``:``, ``none``, then the words of the texts' values."""
        values = {word for text in texts for _, value in pairs(text) for word in value.split()}
        return list(dict.fromkeys([*fields_of(texts), ":", NONE, *sorted(values)]))

    def score(self, target: Target, annotation: Annotation) -> dict[str, float]:
        value, words = _composed(_pair(target.control).words), _composed(annotation.words)
        return {
            "value_stated": float(" ".join(value) in " ".join(words)),
            "value_words": float(_stands(value, words)),
        }

    def marks(self, control: Control, words: Words, reading: Mapping[str, Any]) -> Marks:
        """The words that state the value, as the headline metric finds them."""
        value = _pair(control).value
        at = " ".join(words).find(value)
        if at < 0:
            return Marks(unmarked(words).states, (value,))
        end, states, start = at + len(value), list[State](), 0
        for word in words:
            overlaps = start < end and start + len(word) > at
            states.append("good" if overlaps else "")
            start += len(word) + 1
        return Marks(tuple(states))

    def composed_row(self, row: Any, place: str) -> Control:
        return from_row(row.get("attr"), place)

    def of_text(self, text: Text, seed: int) -> Control | None:
        """One of the pairs that the text states word for word: with another, a composition could
        ask for what its own source does not do."""
        stated = [(f, v) for f, v in pairs(text) if _stands(tuple(v.split()), text.words)]
        if not stated:
            return None
        return FieldValue(*stated[draws.rng(seed, 6).integers(len(stated))])

    def references(self, target: Target, corpus: Corpus) -> list[Words]:
        """The validation texts whose meaning holds the pair."""
        pair = _pair(target.control)
        wanted = (pair.field, pair.value)
        return [text.words for text in corpus.valid if wanted in pairs(text)]

    def _released(self, corpus: Corpus, seed: int) -> list[Target]:
        rows = released_rows(corpus, self.data, RELEASED, check)
        controls = [from_row(row, place) for place, row in rows]
        fields = {RENAMED.get(field, field) for text in corpus.train for field, _ in text.fields}
        for (place, _), control in zip(rows, controls, strict=True):
            if fields and control.field not in fields:
                raise unknown(f"field in {place}", control.field, fields)
        order = draws.rng(seed, 4).permutation(len(controls))
        return [Target(f"released-{i:03d}", controls[i]) for i in order]


def from_row(row: Any, place: str) -> FieldValue:
    """``["customer", "rating", ":", "low"]`` of a released list. Raises ``UserError``."""
    check(row, place)
    colon = row.index(":")
    return FieldValue(" ".join(row[:colon]), " ".join(row[colon + 1 :]))


def check(row: Any, place: str) -> None:
    """Raises ``UserError`` for anything but a field, a colon and a value, word by word."""
    good = isinstance(row, list) and all(isinstance(word, str) and word.strip() for word in row)
    if not (good and ":" in row and 0 < row.index(":") < len(row) - 1):
        raise UserError(f"{place}: no list of a field's words, ':' and a value's words")


def pairs(text: Text) -> list[tuple[str, str]]:
    """(field, value) pairs of a text's meaning, named and spaced as in the released lists where it
    is not ``verbatim``."""
    if text.verbatim:
        return list(text.fields)
    return [(RENAMED.get(field, field), spaced(value)) for field, value in text.fields]


def fields_of(texts: Sequence[Text]) -> tuple[str, ...]:
    """The fields that every text is an example of: E2E's ``FIELDS``, or those of the user's own
    texts in order of first occurrence."""
    own = dict.fromkeys(field for text in texts if text.verbatim for field, _ in text.fields)
    return tuple(own) or FIELDS


def _composed(words: Words) -> Words:
    """Letters and their accents as one character each: a text may spell them as two."""
    return tuple(w if w.isascii() else unicodedata.normalize("NFC", w) for w in words)


def _stands(value: Words, words: Words) -> bool:
    return any(words[i : i + len(value)] == value for i in range(len(words) - len(value) + 1))


def _pair(control: Control) -> FieldValue:
    if not isinstance(control, FieldValue):
        raise TypeError(f"not a field and its value: {control!r}")
    return control


def _drawn(corpus: Corpus, seed: int) -> Iterator[Target]:
    found = {pair for text in corpus.valid for pair in pairs(text)}
    if any(text.verbatim for text in corpus.train):
        # held out by a hash, a text may have a value that nothing was trained on
        found &= {pair for text in corpus.train for pair in pairs(text)}
    known = sorted(found)
    names: dict[str, int] = {}
    for i, (field, value) in enumerate(known):
        name = f"valid-{field}-{value}".replace(" ", ".")
        while name in names:  # "A B" beside "A.B"
            name += "."
        names[name] = i
    ids = list(names)
    for i in draws.rng(seed, 4).permutation(len(known)):
        yield Target(ids[i], FieldValue(*known[i]))
