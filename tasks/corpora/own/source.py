"""A corpus of the user's own: what its name means, its texts and its traits.

``path/to/file.jsonl`` (or ``.csv``, ``.tsv``) is a file, one text a row; a folder is loaded by
``datasets``, and so is ``owner/name``, ``owner/name:config`` or ``name:config`` at the public hub,
with ``@revision`` behind it where one is meant.

``text`` is split by spaCy's blank English tokenizer, runs of white space taken as one space;
:func:`tasks.metrics.text.detokenize` is the way back. ``words`` are taken as they stand; white
space joins and splits them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tasks.common.errors import UserError
from tasks.common.files import file_digest
from tasks.corpora.own import hub
from tasks.corpora.own.checks import form_of, split_of, text_of
from tasks.corpora.own.rows import READERS, Rows
from tasks.texts import Corpus, Text, Words

#: bumped when the same rows give other texts
VERSION = 1
#: one text in so many is held out where rows do not say so, by a hash of its words
HELD_OUT = 10
#: the fewest texts of a split
FEWEST = {"train": 20, "valid": 2}
_HUB = re.compile(r"(?:[\w.-]+/[\w.-]+(?::[\w.-]+)?|[\w.-]+:[\w.-]+)(?:@[\w./-]+)?")


def is_own(name: str) -> bool:
    """Whether a name is a file's, a folder's or a dataset's at the hub."""
    path = Path(name)
    if not name.strip():
        return False
    try:
        return path.suffix.lower() in READERS or path.is_dir() or _at_hub(name)
    except OSError:  # longer than any name of a file
        return False


def _at_hub(name: str) -> bool:
    """Whether it reads as a dataset's name, and not as a path that leads nowhere."""
    first = name.split("/")[0]
    beside = first in (".", "..", "~") or ("/" in name and Path(first).is_dir())
    return _HUB.fullmatch(name) is not None and not beside


def label(name: str) -> str:
    """What folders of results are called after it."""
    path = Path(name)
    named = path.stem if path.suffix.lower() in READERS else path.resolve().name
    if not path.is_dir() and path.suffix.lower() not in READERS:
        named = name
    return re.sub(r"[^\w.-]+", "-", named).strip("-.") or "own"


@dataclass(frozen=True)
class Read:
    """A corpus that is read, and how its strings were split into words."""

    corpus: Corpus
    plain: bool

    @property
    def texts(self) -> tuple[Text, ...]:
        return self.corpus.train + self.corpus.valid


def read(name: str) -> Read:
    """The whole corpus, every row held against what a row may say.

    Raises ``UserError``, in one line that names the row and the field, for the first that is wrong;
    for rows of different forms; for a split that has too few texts.
    """
    path = Path(name)
    if path.suffix.lower() in READERS and path.is_file():
        return _read(name, file_digest(path))
    return _read(name, "")


def stamp(name: str) -> dict[str, str]:
    """What its texts hang on: the digest of the file, or of what ``datasets`` loads."""
    path = Path(name)
    if path.suffix.lower() in READERS:
        return {"file": file_digest(_file(path)), "suffix": path.suffix.lower()}
    return hub.stamp(name)


def tokenizer(name: str) -> Callable[[str], Words]:
    """How its texts are split: as ``text`` was, or at white space where rows give ``words``."""
    return _spaced if read(name).plain else _tokenize()


def _spaced(text: str) -> Words:
    return tuple(text.split())


def _tokenize() -> Callable[[str], Words]:
    from tasks.corpora import rocstories

    return rocstories.tokenizer()


def _file(path: Path) -> Path:
    if not path.exists():
        raise UserError(f"there is no corpus file {path}")
    if not path.is_file():
        raise UserError(f"{path} is a folder, and no corpus file")
    return path


@lru_cache(maxsize=8)
def _read(name: str, digest: str) -> Read:
    path = Path(name)
    own = path.suffix.lower() in READERS
    rows: Rows = READERS[path.suffix.lower()](_file(path)) if own else hub.rows(name)
    tokenize = _tokenize()
    texts: dict[str, list[Text]] = {"train": [], "valid": []}
    form, asked, first = "", False, ""
    for place, record in rows:
        try:
            text, split, now = text_of(record, tokenize), split_of(record), form_of(record)
        except UserError as error:
            raise UserError(f"{place}: {error}") from None
        if not first:
            form, asked, first = now, split is not None, place
        if now != form:
            raise UserError(f"{place}: '{now}', where {first} has '{form}'")
        if asked != (split is not None):
            has, lacks = (first, place) if asked else (place, first)
            raise UserError(f"{lacks}: no 'split', which {has} has: give all rows one, or none")
        texts[split or _held_out(text.words)].append(text)
    for split, fewest in FEWEST.items():
        if len(texts[split]) < fewest:
            how = "by their 'split'" if asked else f"one in {HELD_OUT} held out"
            raise UserError(
                f"corpus={name}: {len(texts['train'])} texts to train on and "
                f"{len(texts['valid'])} to validate with ({how}): at least "
                f"{FEWEST['train']} and {FEWEST['valid']} are needed"
            )
    corpus = Corpus(f"own corpus {label(name)}", tuple(texts["train"]), tuple(texts["valid"]))
    return Read(corpus, form == "words")


def _held_out(words: Words) -> str:
    """The split of a text: equal texts are in the same one, whatever else the corpus holds."""
    digest = hashlib.sha256("\x1f".join(words).encode()).digest()
    return "train" if int.from_bytes(digest[:8], "big") % HELD_OUT else "valid"
