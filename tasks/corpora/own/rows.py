"""The rows of a file: JSON lines, a table with one row a text, or plain text.

Columns of a table are ``text``, ``words`` and ``tags`` (their words separated by spaces), ``tree``
and ``split``; every other column is a label, whose empty cells say that a text has none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.given import numbered, parse_json, read_text, table_rows
from tasks.corpora.own.checks import KEYS, MARKS

#: (what names the row in an error, what it says)
Rows = Iterator[tuple[str, Mapping[str, Any]]]
#: letters of one line, beyond which a file is taken for something else
LONGEST_LINE = 1_000_000
#: sentences of a passage of prose, as many as a story of ROCStories has
PASSAGE = 5


def json_rows(path: Path) -> Rows:
    """One JSON object a line. Raises ``UserError`` naming the line that is none."""
    for number, line in numbered(read_text(path, "corpus file")):
        place = f"{path.name} line {number}"
        if len(line) > LONGEST_LINE:
            raise UserError(f"{place}: {len(line)} letters: one text a line is meant")
        record = parse_json(line, place)
        if not isinstance(record, dict):
            raise UserError(f"{place}: no JSON object with 'text' or 'words'")
        yield place, record


def separated(delimiter: str) -> Callable[[Path], Rows]:
    """Reads files whose cells are separated so; the first row is the header, and row 1."""

    def read(path: Path) -> Rows:
        for number, cells in table_rows(path, delimiter):
            place = f"{path.name} row {number}"
            yield place, of_columns(cells, place)

    return read


def of_columns(cells: Mapping[str, Any], place: str) -> dict[str, Any]:
    """A row of a table as a row of JSON lines. Raises ``UserError``, with ``place`` before it, for
    columns that no table has: ``sentences`` and ``fields`` of strings."""
    for name in ("sentences", "fields"):
        if isinstance(cells.get(name), str):
            more = ": each label has a column of its own" if name == "fields" else ""
            raise UserError(f"{place}: the column '{name}' is of JSON lines only{more}")
    given = {name: cell for name, cell in cells.items() if not _empty(cell)}
    record = {name: cell for name, cell in given.items() if name in KEYS}
    for name in ("words", "tags"):
        if isinstance(record.get(name), str):
            record[name] = record[name].split()
    labels = {name: cell for name, cell in given.items() if name not in KEYS}
    if labels and "fields" not in record:
        record["fields"] = labels
    return record


def _empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def passages(path: Path) -> Rows:
    """Prose: paragraphs with blank lines between them, or one a line where there are none. A row is
    up to ``PASSAGE`` consecutive sentences of one, as spaCy's ``sentencizer`` tells them apart."""
    import spacy

    english = spacy.blank("en")
    english.add_pipe("sentencizer")
    for place, text in _paragraphs(path):
        english.max_length = max(english.max_length, len(text))
        # "THE END" is no prose, and END a mark
        sentences = [
            one.text.strip()
            for one in english(text).sents
            if any(map(str.isalnum, one.text)) and not any(word.text in MARKS for word in one)
        ]
        for at in range(0, len(sentences), PASSAGE):
            yield place, {"sentences": sentences[at : at + PASSAGE]}


def _paragraphs(path: Path) -> Iterator[tuple[str, str]]:
    """(what names the first line of a paragraph, all of it on one line)."""
    text = read_text(path, "corpus file")
    apart = not all(map(str.strip, text.strip().splitlines()))
    block: list[str] = []
    first = 1
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if line.strip():
            first = first if block else number
            block.append(" ".join(line.split()))
        if block and not (apart and line.strip()):
            yield f"{path.name} line {first}", " ".join(block)
            block = []


#: the suffix of a file -> how it is read
READERS: Mapping[str, Callable[[Path], Rows]] = {
    ".jsonl": json_rows,
    ".csv": separated(","),
    ".tsv": separated("\t"),
    ".txt": passages,
}
