"""The E2E restaurant corpus, read as the reference code reads it.

Words are the tokens of spaCy's blank English tokenizer, case kept, followed by one newline token
(reference notes 2.1). Whether a file's texts were tokenised before makes no difference.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tasks.common.errors import UserError
from tasks.common.files import file_digest
from tasks.common.given import csv_rows
from tasks.texts import Corpus, Text, Words

#: bumped when the same files give other texts
VERSION = 2
NEWLINE = "\n"
#: file names of the official release, split by split
FILES = {"train": "trainset.csv", "valid": "devset.csv"}
HEADER = ["mr", "ref"]
#: the public copy: the branch of plain data files, since the default one is a loading script
HUB_ID, HUB_REVISION = "tuetschek/e2e_nlg", "refs/convert/parquet"

_FIELD = re.compile(r"([^\[\],]+)\[([^\[\]]*)\]")
_ITEM = r"(?:[^\W\d_]+|£?\d+(?:-\d+)?|[£-])"
_PLAIN = re.compile(rf"{_ITEM}(?: {_ITEM})*")
_MEANING = re.compile(rf"{_FIELD.pattern}(?:,{_FIELD.pattern})*")


def load(data: Path | None = None) -> Corpus:
    """All rows of both splits: 42,061 for training and 4,672 for validation.

    ``data``: a folder that holds ``e2e/trainset.csv`` and ``e2e/devset.csv``, or the two files
    themselves; ``None`` asks the public hub through ``datasets``. Raises ``UserError`` for a
    missing folder or file, an unreachable hub, and any malformed row (naming file and row).
    """
    tokenize = tokenizer()
    splits: dict[str, tuple[Text, ...]] = {}
    if data is None:
        for split, rows in _from_hub().items():
            splits[split] = tuple(_text(*row, tokenize) for row in rows)
    else:
        folder = find_folder(data)
        for split, name in FILES.items():
            splits[split] = read_csv(folder / name, tokenize)
    return Corpus("e2e", splits["train"], splits["valid"])


def stamp(data: Path | None = None) -> dict[str, str]:
    """The files of both splits by digest, or the revision at the hub."""
    if data is None:
        return {"hub": f"{HUB_ID}@{HUB_REVISION}"}
    folder = find_folder(data)
    return {name: file_digest(folder / name) for name in FILES.values()}


def find_folder(data: Path) -> Path:
    """The folder with the official files: ``data/e2e`` or ``data``. Raises ``UserError``."""
    if not data.is_dir():
        raise UserError(f"data folder {data} does not exist")
    candidates = [data / "e2e", data]
    for folder in candidates:
        if all((folder / name).is_file() for name in FILES.values()):
            return folder
    folder = candidates[0] if candidates[0].is_dir() else data
    missing = [name for name in FILES.values() if not (folder / name).is_file()]
    raise UserError(f"{folder} has no {' and no '.join(missing)} (the E2E corpus in official form)")


def read_csv(path: Path, tokenize: Callable[[str], Words]) -> tuple[Text, ...]:
    """Texts of one official file (columns ``mr,ref``, UTF-8), in file order.

    Row numbers in errors count as a spreadsheet does: the header is row 1.
    """
    texts = []
    for number, (mr, ref) in csv_rows(path, HEADER):
        try:
            texts.append(_text(mr, ref, tokenize))
        except UserError as error:
            raise UserError(f"{path.name} row {number}: {error} (in {path.parent})") from None
    if not texts:
        raise UserError(f"{path} has a header and no rows")
    return tuple(texts)


def parse_meaning(mr: str) -> tuple[tuple[str, str], ...]:
    """``"name[The Mill], area[riverside]"`` as (field, value) pairs, in the order given.

    Raises ``UserError`` for anything else, such as an unclosed bracket or an empty value.
    """
    if not _MEANING.fullmatch(mr.strip()):
        raise UserError(f"the meaning {mr[:60]!r} is not of the form 'name[...], area[...]'")
    pairs = tuple((name.strip(), value.strip()) for name, value in _FIELD.findall(mr))
    for name, value in pairs:
        if not (name and value):
            what = f"value of '{name}'" if name else "name of a field"
            raise UserError(f"the {what} is empty in the meaning {mr[:60]!r}")
    return pairs


def _text(mr: str, ref: str, tokenize: Callable[[str], Words]) -> Text:
    fields = parse_meaning(mr)
    if not ref.strip():
        raise UserError("the text is empty")
    return Text(tokenize(ref), fields=tuple((name, _value(v, tokenize)) for name, v in fields))


def _value(value: str, tokenize: Callable[[str], Words]) -> str:
    """The value as it stands, or split as texts are where :func:`spaced` would leave it whole
    (``gonna``): no text could state it."""
    if not _PLAIN.fullmatch(value):
        return value
    words = _words_of(value, tokenize)
    return value if spaced(value) == words else words


@cache
def _words_of(value: str, tokenize: Callable[[str], Words]) -> str:
    return " ".join(tokenize(value)[:-1])


@cache
def spaced(value: str) -> str:
    """A value as the tokens of a text, joined with spaces: ``£20-25`` as ``£ 20 - 25`` and
    ``Joe's Diner`` as ``Joe 's Diner``. Values of words, numbers and prices need no tokenizer: all
    of the official files."""
    if not _PLAIN.fullmatch(value):
        return _words_of(value, tokenizer())
    return " ".join(re.sub("[£-]", r" \g<0> ", value).split())


@cache
def tokenizer() -> Callable[[str], Words]:
    """spaCy's blank English tokenizer, runs of white space taken as one space; then a newline."""
    from spacy.lang.en import English

    split = English().tokenizer

    def tokenize(text: str) -> Words:
        # a few thousand distinct words make up a million tokens: keep one string object of each
        tokens = [sys.intern(token.text) for token in split(" ".join(text.split()))]
        return (*tokens, NEWLINE)

    return tokenize


def _from_hub() -> dict[str, list[tuple[str, str]]]:
    import datasets
    import httpx

    try:
        rows = datasets.load_dataset(HUB_ID, revision=HUB_REVISION)
        return {
            split: list(zip(table["meaning_representation"], table["human_reference"], strict=True))
            for split, table in (("train", rows["train"]), ("valid", rows["validation"]))
        }
    except (OSError, ValueError, RuntimeError, LookupError, httpx.HTTPError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"cannot fetch {HUB_ID} from the public hub ({reason[:120]}): pass data=DIR, a folder"
            " with e2e/trainset.csv and e2e/devset.csv"
        ) from None
