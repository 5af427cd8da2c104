"""Files of ratings as spreadsheets save them, and of any bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.studies.ratings import COLUMNS, Key, Pair, digest, read_ratings
from tasks.common.errors import UserError
from tests.hardening import Tried

TEXTS = ('He said "no";\nthen, he left.', "It was caf\u00e9 time.")
PAIRS = {f"p-{i}": Pair(f"t{i}", "fudge", "pplm", digest(*TEXTS)) for i in range(3)}
KEY = Key("set", ["fudge", "pplm"], 0, PAIRS)
SAID = [("A", "5", "1"), ("tie", "3", "3"), ("", "", "")]
ROWS = [list(COLUMNS)] + [
    [name, "left", "right", *TEXTS, *said] for name, said in zip(PAIRS, SAID, strict=True)
]
DRAWN = 200


def table(
    rows: list[list[str]] = ROWS, delimiter: str = ",", end: str = "\n", every: bool = False
) -> str:
    file = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if every else csv.QUOTE_MINIMAL
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return file.getvalue()


def moved(rows: list[list[str]]) -> list[list[str]]:
    return [[*row[::-1], "note"] for row in rows]


def with_cells(change: Callable[[str], str], head: bool = False) -> list[list[str]]:
    return [
        [change(cell) if head == (i == 0) and cell not in TEXTS else cell for cell in row]
        for i, row in enumerate(ROWS)
    ]


HABITS: dict[str, bytes] = {
    "as exported": table().encode(),
    "a byte-order mark": table().encode("utf-8-sig"),
    "line ends of Windows": table(end="\r\n").encode(),
    "semicolons": table(delimiter=";", end="\r\n").encode("utf-8-sig"),
    "tabs": table(delimiter="\t").encode(),
    "Unicode text": table(delimiter="\t", end="\r\n").encode("utf-16"),
    "all quoted": table(every=True).encode(),
    "quoted with semicolons": table(delimiter=";", every=True).encode(),
    "columns moved, one more": table(moved(ROWS)).encode(),
    "names of columns in capitals": table(with_cells(str.upper, head=True)).encode(),
    "a first line that names the sign": ("sep=;\r\n" + table(delimiter=";")).encode(),
    "another sign, named": ("sep=|\n" + table(delimiter="|")).encode(),
    "blank lines": table().replace("\np-1", "\n\n\np-1").encode() + b"\n\n",
    "blank rows": table([*ROWS[:2], [""] * 8, *ROWS[2:], [" "] * 8]).encode(),
    "empty columns": table([[*row, "", ""] for row in ROWS]).encode(),
    "ends of rows left out": table([row if any(row[5:]) else row[:5] for row in ROWS]).encode(),
    "4.0 for 4": table(with_cells(lambda c: f"{c}.0" if c.isdigit() else c)).encode(),
    "4,00 for 4": table(with_cells(lambda c: f"{c},00" if c.isdigit() else c), ";").encode(),
    "spaces around cells": table(with_cells(lambda c: f" {c} ")).encode(),
    "answers in small letters": table(with_cells(lambda c: "a" if c == "A" else c)).encode(),
    "curly quotes in texts": table().replace('""', "\u201d").encode(),
}


@pytest.mark.parametrize("habit", HABITS)
def test_what_spreadsheets_make_of_it_says_the_same(tmp_path: Path, habit: str) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(HABITS[habit])
    one, two = read_ratings(path, KEY)
    assert (one.pair.target, one.ratings, one.preference) == ("t0", (1.0, 0.0), (1.0, 0.0))
    assert (two.pair.target, two.ratings, two.preference) == ("t1", (0.5, 0.5), (0.5, 0.5))
    assert path.read_bytes() == HABITS[habit]


def changed(row: int, column: int, cell: str) -> str:
    rows = [list(one) for one in ROWS]
    rows[row][column] = cell
    return table(rows)


BAD: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "has no column 'pair'"),
    ("blank lines", b"\n\n", "has no column 'pair'"),
    ("a column that is lacking", table([row[1:] for row in ROWS]).encode(), "no column 'pair'"),
    ("a column twice", table([[*row, row[5]] for row in ROWS]).encode(), "two columns 'answer'"),
    ("more cells than columns", table([*ROWS[:2], [*ROWS[2], "x"]]).encode(), "line 4: more cells"),
    ("a quote that never closes", table().encode() + b'p-2,"left', r"line \d+: unexpected end"),
    ("Latin-1", table().encode("latin-1"), r"line \d: not UTF-8"),
    ("half of UTF-16", table().encode("utf-16")[:-1], "not UTF-8"),
    ("4.5", changed(1, 6, "4.5").encode(), "line 2: rating '4.5' is none of 1 to 5"),
    ("0", changed(1, 6, "0").encode(), "rating '0'"),
    ("a date", changed(1, 6, "05. Jan").encode(), "rating '05. Jan'"),
    ("an Arabic digit", changed(1, 6, "\u0665").encode(), "is none of 1 to 5"),
    ("both answers", changed(1, 5, "A/B").encode(), "answer 'A/B' is none of A, B, tie"),
    ("a cell of megabytes", changed(1, 1, "x" * 200_000).encode(), "field larger than"),
    ("a pair twice", changed(2, 0, "p-0").encode(), "pair p-0 stands twice"),
    ("texts exchanged", changed(1, 3, TEXTS[1]).encode(), "other texts than were exported"),
]


@pytest.mark.parametrize(("what", "content", "said"), BAD, ids=[one[0] for one in BAD])
def test_what_is_wrong_is_named(tmp_path: Path, what: str, content: bytes, said: str) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said) as error:
        read_ratings(path, KEY)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(table([ROWS[0], *([f"q-{i}", *ROWS[1][1:]] for i in range(50))]))
    with pytest.raises(UserError, match="; and 30 more"):
        read_ratings(path, KEY)


CELLS = st.sampled_from([*COLUMNS, *PAIRS, *TEXTS, "A", "tie", "5", "3.0", "", '"', "\x00"])
CELL = CELLS | st.text(max_size=5)


@settings(
    max_examples=DRAWN, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    st.one_of(
        st.binary(max_size=60),
        st.builds(
            lambda rows, sign, bad: (table([*ROWS, *rows], sign) + bad).encode(errors="replace"),
            st.lists(st.lists(CELL, max_size=9), max_size=4),
            st.sampled_from(",;\t"),
            st.text(max_size=4),
        ),
    )
)
def test_any_file_gives_answers_or_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(content)
    said = ""
    try:
        assert len(read_ratings(path, KEY)) <= len(PAIRS)
    except UserError as error:
        said = str(error)
    assert not said or said.startswith(str(path))
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


TRIED = (
    Tried("ratings", "what spreadsheets make of a file", len(HABITS), "read, and the same answers"),
    Tried("ratings", "malformed files and lines", len(BAD), "one line naming file and line"),
    Tried("ratings", "any bytes and cells", DRAWN, "answers, or one line; the file as it was"),
)
