"""What raters said of blinded pairs (``eval.studies.human``), as scores with intervals.

The paper's Table 5 gives its human evaluation as a score in [0, 1] with an interval of two arms
(0.37 +0.03 -0.02), from the Genie leaderboard; it defines neither. We read them as that
leaderboard's: the mean of ratings that each text got on a scale of five steps, put to 0, 0.25,
0.5, 0.75 and 1, with a 95 % interval over items.

rating       that mean, from the columns "rating A" and "rating B"
preference   the share of comparisons that a method won, a tie counting one half, from the column
             "answer"; of no method in particular in the paper

Both are means over items of the mean over an item's answers, by all raters and against all other
methods; their interval is over items.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from eval.reading.intervals import interval, paired
from eval.reading.schema import RatingKey
from eval.reading.stats import macro
from tasks.common.errors import UserError
from tasks.common.files import json_text
from tasks.common.given import read_text
from tasks.common.schema import read_json
from tasks.common.shown import visible
from tasks.common.spreadsheet import unguarded

COLUMNS = (
    *("pair", "left context", "right context", "text A", "text B"),
    *("answer", "rating A", "rating B"),
)
SCALE = ("strongly disagree", "disagree", "undecided", "agree", "strongly agree")
#: malformed lines that an error shows; the rest are counted
SHOWN = 20
ANSWERS: Mapping[str, float] = {"a": 1.0, "b": 0.0, "tie": 0.5}
QUANTITIES = ("rating", "preference")
#: malformed lines that an error shows, and letters of a cell
SHOWN, LONGEST = 20, 60
DEFINITIONS = {
    "rating": "mean rating of a method's texts, 1 to 5 put to 0 to 1 (the paper's, as we read it)",
    "preference": "share of comparisons that a method won, a tie counting one half",
    "interval": "95 %, over items (Korn and Graubard 1998)",
}


@dataclass(frozen=True)
class Pair:
    """``a`` and ``b``: the methods behind texts A and B, whose ``digest`` is kept."""

    target: str
    a: str
    b: str
    digest: str


@dataclass(frozen=True)
class Key:
    """What the raters do not see. ``run``: the name of the result set."""

    run: str
    methods: list[str]
    seed: int
    pairs: dict[str, Pair]

    def text(self) -> str:
        return json_text(asdict(self), indent=1, escape=True) + "\n"

    @classmethod
    def read(cls, path: Path) -> Key:
        """Raises ``UserError`` for a file that is missing or no key."""
        stored = read_json(path, RatingKey, "key of pairs")
        fields = ("target", "a", "b", "digest")
        pairs = {
            name: Pair(*(pair[field] for field in fields)) for name, pair in stored["pairs"].items()
        }
        return cls(stored["run"], stored["methods"], stored["seed"], pairs)


@dataclass(frozen=True)
class Answer:
    """One rater's word on one pair: each side's rating and its share of the preference, in [0, 1],
    None where not given."""

    pair: Pair
    ratings: tuple[float, float] | None
    preference: tuple[float, float] | None


def digest(*texts: str) -> str:
    """Of the letters and digits of texts, which no spreadsheet alters."""
    plain = ["".join(c for c in text.lower() if c.isalnum()) for text in texts]
    return hashlib.sha256("|".join(plain).encode()).hexdigest()[:8]


def read_ratings(path: Path, key: Key) -> list[Answer]:
    """One rater's answers; lines that are not filled in are passed over.

    Takes what spreadsheets write: comma, semicolon or tab between columns, in any order and with
    others beside them, UTF-8 or UTF-16 with a byte-order mark, a first line ``sep=;``, blank lines,
    ``4.0`` for 4. Raises ``UserError`` naming every malformed line: an unknown pair, one that
    stands twice, texts other than those exported, an answer other than A, B or tie, a rating that
    is not 1 to 5, one rating of the two.
    """
    answers, wrong, seen = list[Answer](), list[str](), set[str]()
    for number, row in _rows(path):
        try:
            answer = _answer(row, key, seen)
        except UserError as error:
            wrong.append(f"line {number}: {error}")
        else:
            answers += [answer] if answer.ratings or answer.preference else []
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise UserError(f"{path}: {visible('; '.join(wrong[:SHOWN]))}{more}")
    return answers


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, cells by column) of every line that is not blank. Raises ``UserError``."""
    content = read_text(path, "file of ratings", utf16=True)
    said = re.match(r'"?sep=(.)"?\r?\n', content)
    # the first line says it, or its names have none of these signs in them
    head = content.partition("\n")[0]
    delimiter = said[1] if said else max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    number = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if (said and reader.line_num == 1) or not any(cells):
                pass
            elif columns is None:
                columns = _columns(cells, path)
            elif any(cells[len(columns) :]):
                raise UserError(f"{path} line {number}: more cells than columns")
            else:
                filled = cells + [""] * (len(columns) - len(cells))
                yield number, dict(zip(columns, filled, strict=False))
            number = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path} line {number}: {error}") from None
    if columns is None:
        raise UserError(f"{path} has no column '{COLUMNS[0]}'")


def _columns(cells: Sequence[str], path: Path) -> list[str]:
    """The names of the columns as they are here, others as they stand."""
    known = {name.lower(): name for name in COLUMNS}
    columns = [known.get(cell.lower(), cell) for cell in cells]
    lacking = [name for name in COLUMNS[:6] if name not in columns]
    if lacking:
        raise UserError(f"{path} has no column '{lacking[0]}'")
    twice = [name for name in COLUMNS if columns.count(name) > 1]
    if twice:
        raise UserError(f"{path} has two columns '{twice[0]}'")
    return columns


def _answer(row: Mapping[str, str], key: Key, seen: set[str]) -> Answer:
    value = {name: unguarded(row.get(name, "")).strip() for name in COLUMNS}
    name = value["pair"]
    pair = key.pairs.get(name)
    if pair is None:
        raise UserError(f"'{name[:LONGEST]}' is no pair of the key")
    if name in seen:
        raise UserError(f"pair {name} stands twice")
    seen.add(name)
    if digest(value["text A"], value["text B"]) != pair.digest:
        raise UserError(f"pair {name} has other texts than were exported")
    answer = value["answer"].lower()
    if answer and answer not in ANSWERS:
        raise UserError(f"answer '{value['answer'][:LONGEST]}' is none of A, B, tie")
    preference = (ANSWERS[answer], 1 - ANSWERS[answer]) if answer else None
    a, b = _step(value["rating A"]), _step(value["rating B"])
    if (a is None) != (b is None):
        raise UserError("one rating of the two is missing")
    return Answer(pair, None if a is None or b is None else (a, b), preference)


def _step(mark: str) -> float | None:
    """A step of the scale, put to [0, 1]; None for no mark."""
    steps = {str(i + 1): i / (len(SCALE) - 1) for i in range(len(SCALE))}
    whole = re.sub(r"[.,]0+$", "", mark)
    if mark and whole not in steps:
        raise UserError(f"rating '{mark[:LONGEST]}' is none of 1 to {len(SCALE)}")
    return steps.get(whole)


def import_ratings(files: Sequence[Path], key: Key) -> dict[str, Any]:
    """Every method's scores from the files of all raters, as stored in ``human_ratings.json``.

    ``methods``: of each, ``score``, its interval ``low`` to ``high``, the arms ``plus`` and
    ``minus``, and how many ``items`` and ``answers``, of the ``quantity`` that is the rating where
    all methods have ratings and else the preference; and both under their names. ``differences``:
    first less second method on the items that both have, paired. Raises
    ``UserError`` where nothing was answered, a file is given twice, or methods share no quantity.
    """
    if len({path.resolve() for path in files}) < len(files):
        raise UserError("a file of ratings is given twice: one file a rater")
    answers = [answer for path in files for answer in read_ratings(path, key)]
    if not answers:
        raise UserError(f"{', '.join(map(str, files))}: no line has an answer yet")
    values = {quantity: _values(answers, quantity) for quantity in QUANTITIES}
    scores: dict[str, dict[str, Any]] = {
        method: {
            q: _score(by_method[method]) for q, by_method in values.items() if method in by_method
        }
        for method in key.methods
        if any(method in by_method for by_method in values.values())
    }
    quantity = "rating" if all("rating" in figures for figures in scores.values()) else "preference"
    for method, figures in scores.items():
        if quantity not in figures:
            raise UserError(f"{method} has ratings alone, and others answers alone: none in common")
    return {
        "definitions": DEFINITIONS,
        "raters": len(files),
        "pairs": len({id(answer.pair) for answer in answers}),
        "methods": {
            m: {"quantity": quantity, **figures[quantity], **figures}
            for m, figures in scores.items()
        },
        "differences": [
            d for q, by_method in values.items() for d in _differences(q, by_method, key.methods)
        ],
    }


#: method -> item -> values
Values = dict[str, dict[str, list[float]]]


def _values(answers: Sequence[Answer], quantity: str) -> Values:
    values: Values = {}
    for answer in answers:
        given = answer.ratings if quantity == "rating" else answer.preference
        if given is not None:
            for method, value in zip((answer.pair.a, answer.pair.b), given, strict=True):
                values.setdefault(method, {}).setdefault(answer.pair.target, []).append(value)
    return values


def _score(by_item: Mapping[str, Sequence[float]]) -> dict[str, float]:
    rows = list(by_item.values())
    score, (low, high) = macro(rows), interval(rows)
    return {
        **_rounded(score=score, low=low, high=high, plus=high - score, minus=score - low),
        "items": len(rows),
        "answers": sum(map(len, rows)),
    }


def _differences(quantity: str, values: Values, order: Sequence[str]) -> Iterator[dict[str, Any]]:
    for first, second in combinations([m for m in order if m in values], 2):
        both = [item for item in values[first] if item in values[second]]
        if both:
            sides = [([values[m][item] for item in both], None) for m in (first, second)]
            diff = paired(sides[0], sides[1])
            figures = _rounded(difference=diff.value, low=diff.low, high=diff.high, p=diff.p)
            yield {"quantity": quantity, "first": first, "second": second, **figures}


def _rounded(**figures: float) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}


def show(scores: Mapping[str, Any]) -> str:
    """The scores as the paper writes them, a line each."""
    lines = [f"{scores['pairs']} pairs, raters: {scores['raters']}"]
    for quantity in QUANTITIES:
        scored = {
            m: figures[quantity] for m, figures in scores["methods"].items() if quantity in figures
        }
        if scored:
            lines.append(f"{quantity}: {DEFINITIONS[quantity]}")
        for method, figures in scored.items():
            arms = f"{figures['score']:.2f} +{figures['plus']:.2f} -{figures['minus']:.2f}"
            lines.append(
                f"  {method:14} {arms}  ({figures['items']} items, {figures['answers']} answers)"
            )
        for diff in scores["differences"]:
            if diff["quantity"] == quantity:
                span = f"{diff['difference']:+.2f} [{diff['low']:+.2f}, {diff['high']:+.2f}]"
                lines.append(f"  {diff['first']} less {diff['second']}: {span}, p {diff['p']:.3f}")
    lines.append(f"interval: {DEFINITIONS['interval']}")
    return "\n".join(lines)
