"""Files that users bring: text, JSON lines and CSV of any bytes, each mistake named by its line.

A byte-order mark is passed over. Lines of JSON end at a newline alone, since a JSON string may hold
U+2028 and its like as they are. Half a character (a lone surrogate, as from a text that was cut in
the middle of an emoji) is refused: no UTF-8 file can hold it.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tasks.common.errors import UserError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path, what: str = "file", unit: str = "line", utf16: bool = False) -> str:
    """The text of a UTF-8 file, line ends as they are.

    ``what`` and ``unit``: what errors call the file and its lines. ``utf16``: take UTF-16 with a
    byte-order mark too. Raises ``UserError`` for a file that is missing or is no such text.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"there is no {what} {path}") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, and no {what}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from None
    encoding = "utf-8-sig"
    if raw.startswith(_UTF16):
        if not utf16:
            raise UserError(f"{path} {unit} 1: not UTF-8 text (UTF-16, it seems: save it as UTF-8)")
        encoding = "utf-16"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} {unit} {number}: not UTF-8 text") from None


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def parse_json(text: str, place: str) -> Any:
    """A JSON value that can be written again. Raises ``UserError``, with ``place`` before it, for
    anything else: a name twice in one object, NaN, half a character, nesting or numbers without
    measure."""
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])[1:-1]
        raise UserError(f"{place}: half a character, {half}: the text was cut inside it") from None
    except json.JSONDecodeError as error:
        line = f" line {error.lineno}" if "\n" in text.strip() else ""
        raise UserError(f"{place}{line}: not JSON: {error.msg}") from None
    except RecursionError:
        raise UserError(f"{place}: nested too deep") from None
    except ValueError:
        raise UserError(f"{place}: a number that is too large") from None
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"'{twice}' stands twice")
    return record


def _no_constant(name: str) -> NoReturn:
    raise UserError(f"{name} is no JSON number")


def csv_rows(path: Path, header: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """(row number, cells) of every row below the ``header``, whose case does not matter, in a CSV
    file with as many columns; blank rows are passed over.

    Rows count as in a spreadsheet: the header is row 1. Raises ``UserError`` naming file and row
    for another header, another number of columns, bad quoting and a cell with a line end.
    """
    wanted, where = ",".join(header), f" (in {path.parent})"
    rows = _table(path, ",", where)
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path} is empty: no header {wanted}")
    if [cell.strip().lower() for cell in first[1]] != list(header):
        found = ",".join(first[1])[:80]
        raise UserError(f"{path.name} row 1: the header must read {wanted}, not {found!r}{where}")
    yield from rows


def table_rows(path: Path, delimiter: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
    """(row number, column -> cell) of every row of a CSV file whose header is its own; otherwise
    as :func:`csv_rows`. Raises ``UserError`` too for a column without a name, or one named twice.
    """
    rows = _table(path, delimiter, "")
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path} is empty: no header")
    names = [cell.strip() for cell in first[1]]
    for number, name in enumerate(names, start=1):
        if not name:
            raise UserError(f"{path.name} row 1: column {number} has no name")
        if names.count(name) > 1:
            raise UserError(f"{path.name} row 1: two columns are called '{name}'")
    for number, cells in rows:
        yield number, dict(zip(names, cells, strict=True))


def _table(path: Path, delimiter: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """(row number, cells) of the header and of every row below it that is not blank."""
    content = read_text(path, unit="row")
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    number, header = 1, list[str]()
    try:
        for row in reader:
            place = f"{path.name} row {number}"
            if number == 1:
                header = row
                yield number, row
            elif len(row) > 1 or any(map(str.strip, row)):
                if len(row) != len(header):
                    raise UserError(f"{place}: {len(row)} columns, not {len(header)}{where}")
                for name, cell in zip(header, row, strict=True):
                    if "\n" in cell.strip():
                        name = name.strip().lower()
                        raise UserError(f"{place}: {name} runs over the end of the line{where}")
                yield number, row
            number = reader.line_num + 1
    except csv.Error as error:
        reason = str(error) if "limit" in str(error) else f"bad quoting: {error}"
        raise UserError(f"{path.name} row {number}: {reason}{where}") from None
