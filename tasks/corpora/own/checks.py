"""One row of a corpus of the user's own as a text, or in one line what is wrong with it.

A row says ``sentences`` (the strings of a story), ``words`` (a list of strings) or ``text`` (a
string): of several the first of these counts. It may say ``fields`` (label -> value, or a list of
values), ``tags`` (one a word), ``tree`` (bracketed, over exactly its words) and ``split``. What
else it says is let be.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tasks.common.errors import UserError, unknown
from tasks.common.shown import visible
from tasks.controls import NONE
from tasks.oracles.trees import leaves, nodes, preterminals
from tasks.texts import Text, Words
from tasks.vocabulary import END, PAD, SPECIALS, START

#: what a text is given as, that which counts first; a corpus has one of them throughout
FORMS = ("sentences", "words", "text")
KEYS = (*FORMS, "fields", "tags", "tree", "split")
SPLITS = ("train", "valid")
#: words of one text, beyond which it is taken for a mistake
LONGEST = 10_000
#: how alike an entry must be to one of ``KEYS`` to be taken for it, from 0 to 1
ALIKE = 0.8
#: what no name of a label can hold: controls are typed as ``label=value; label=value``
SIGNS = "=;"
MARKS = tuple(SPECIALS[i] for i in (START, END, PAD))


def form_of(record: Mapping[str, Any]) -> str:
    """Which of ``FORMS`` counts in a row. Raises ``UserError`` for none, and for an entry whose
    name is nearly one that counts."""
    for name in record:
        near = difflib.get_close_matches(name.lower(), KEYS, n=1, cutoff=ALIKE)
        if near and name not in KEYS and near[0] not in record:
            raise UserError(f"'{_shown(name)}': did you mean '{near[0]}'?")
    forms = [form for form in FORMS if record.get(form) is not None]
    if not forms:
        has = ", ".join(map(_shown, record)) or "nothing"
        raise UserError(f"no 'text', 'words' or 'sentences' (it has {has})")
    return forms[0]


def text_of(record: Mapping[str, Any], tokenize: Callable[[str], Words]) -> Text:
    """The text of a row. ``tokenize``: splits its strings. Raises ``UserError`` naming the field.

    Values of fields are split as the text is, so that a text can state them.
    """
    form = form_of(record)
    sentences: tuple[int, ...] = ()
    value = record[form]
    if form == "sentences":
        parts = [tokenize(one) for one in _strings(value, form)]
        words = tuple(word for part in parts for word in part)
        sentences = tuple(map(len, parts))
    elif form == "text":
        words = tokenize(_string(value, form))
    else:
        words = _words(value, form)
    _check_words(words, form)
    tags = None if record.get("tags") is None else _words(record["tags"], "tags")
    if tags is not None and len(tags) != len(words):
        raise UserError(f"'tags': {len(tags)} tags for {len(words)} words")
    tree = None if record.get("tree") is None else _tree(record["tree"], words)
    split = tokenize if form != "words" else lambda value: tuple(value.split())
    fields = _fields(record.get("fields"), split)
    return Text(tuple(map(sys.intern, words)), tree, tags, fields, sentences, verbatim=bool(fields))


def split_of(record: Mapping[str, Any]) -> str | None:
    """The split that a row asks for, None where it leaves that open. Raises ``UserError``."""
    value = record.get("split")
    if value is None:
        return None
    if value not in SPLITS:
        raise unknown("split", _shown(value), SPLITS)
    return str(value)


def _shown(value: Any) -> str:
    text = visible(str(value))
    return text if len(text) <= 40 else f"{text[:37]}..."


def _string(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise UserError(f"'{key}': {_shown(value)} is no text")
    if not value.strip():
        raise UserError(f"'{key}' is empty")
    return value


def _strings(value: Any, key: str) -> list[str]:
    if not isinstance(value, list):
        raise UserError(f"'{key}': {_shown(value)} is no list of texts")
    if not value:
        raise UserError(f"'{key}' is empty")
    return [_string(one, f"{key}.{number}") for number, one in enumerate(value)]


def _words(value: Any, key: str) -> Words:
    words = tuple(_strings(value, key))
    for number, word in enumerate(words):
        if word.split() != [word]:
            raise UserError(f"'{key}.{number}': '{_shown(word)}' holds white space")
    return words


def _check_words(words: Words, form: str) -> None:
    if not words:
        raise UserError(f"'{form}' is empty")
    if len(words) > LONGEST:
        raise UserError(f"'{form}': {len(words)} words in one text, more than {LONGEST}")
    for mark in MARKS:
        if mark in words:
            raise UserError(f"'{form}': the word '{mark}' marks where texts begin and end")


def _tree(value: Any, words: Words) -> str:
    tree = " ".join(_string(value, "tree").split())
    try:
        read, taken = nodes(tree), leaves(tree)
    except UserError as error:
        raise UserError(f"'tree': {error}") from None
    if len(taken) != len(words):
        raise UserError(f"'tree': {len(taken)} leaves for {len(words)} words")
    for number, (leaf, word) in enumerate(zip(taken, words, strict=True)):
        if leaf != word:
            raise UserError(
                f"'tree': leaf {number} is '{_shown(leaf)}', where the word is '{_shown(word)}'"
            )
    bare = next((i for i, tag in enumerate(preterminals(tree)) if not tag), None)
    if bare is not None:
        raise UserError(f"'tree': leaf {bare} has no tag: write (NN {_shown(words[bare])})")
    if not read.phrases:
        raise UserError("'tree' has no constituent")
    return tree


def _fields(value: Any, split: Callable[[str], Words]) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise UserError(f"'fields': {_shown(value)} is no object of labels and their values")
    pairs = []
    for label, given in value.items():
        if not label.strip() or label != " ".join(label.split()):
            raise UserError(f"'fields': '{_shown(label)}' is no name of a label")
        if any(sign in label for sign in SIGNS):
            raise UserError(f"'fields': the label '{_shown(label)}' holds one of {SIGNS}")
        if given is None:
            continue
        key = f"fields.{_shown(label)}"
        for one in given if isinstance(given, list) else [given]:
            if not isinstance(one, str):
                raise UserError(f"'{key}': {_shown(one)} is no text: put it in quotes")
            stated = " ".join(split(_string(one, key)))
            if stated == NONE:
                raise UserError(f"'{key}': '{NONE}' stands for a text without it: leave it out")
            pairs.append((label, stated))
    return tuple(pairs)
