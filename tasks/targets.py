"""Where control targets come from: the authors' released lists, or validation texts.

Validation targets are drawn one after the other, so that the first 50 of 200 are the 50 that a
draw of 50 gives. Their ids name the validation row and the control, and are the same under every
seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from tasks.base import Corpus, Target
from tasks.errors import UserError, unknown

#: words that fit into 64 positions beside START and END (reference notes 2.1)
MAX_WORDS = 62
SOURCES = ("auto", "released", "validation")


class NoReleasedList(UserError):
    """There is no released list for this corpus, or the data folder does not hold it."""


def take(
    n: int,
    source: str,
    released: Callable[[], list[Target]],
    validation: Callable[[], Iterable[Target]],
) -> list[Target]:
    """The first ``n`` targets of ``source``.

    ``released`` gives the whole list or raises ``NoReleasedList``; ``validation`` yields drawn
    targets until there are no more. ``"auto"`` takes the released list where there is one of at
    least ``n`` targets, else validation texts. Raises ``UserError`` if ``source`` has fewer than
    ``n`` targets, saying how many it has, and for an unknown source.
    """
    if source not in SOURCES:
        raise unknown("target source", source, SOURCES)
    if n < 1:
        raise UserError(f"at least 1 target, not {n}")
    if source != "validation":
        try:
            found = released()
        except NoReleasedList:
            if source == "released":
                raise
        else:
            if len(found) >= n:
                return found[:n]
            if source == "released":
                raise UserError(f"{n} targets asked for: the released list has {len(found)}")
    found = list(islice(validation(), n))
    if len(found) < n:
        raise UserError(f"{n} targets asked for: the validation texts give {len(found)}")
    return found


def released_rows(corpus: Corpus, data: Path | None, name: str) -> list[tuple[str, dict[str, Any]]]:
    """(place, row) of every line of a released list such as ``target_spans.jsonl``, in order.

    ``data``: the folder that holds ``control_targets/NAME``, or NAME itself. ``place`` names file
    and line, for error messages. Raises ``NoReleasedList``, or ``UserError`` for a line that is
    not a JSON object with the texts' words under ``words_``, from START to END.
    """
    if corpus.name != "e2e":
        raise NoReleasedList(f"there is no released target list for corpus {corpus.name}")
    if data is None:
        raise NoReleasedList(f"the released list {name} needs data=DIR")
    path = next((p for p in (data / "control_targets" / name, data / name) if p.is_file()), None)
    if path is None:
        raise NoReleasedList(f"{data} has no control_targets/{name}")
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text") from None
    for number, line in enumerate(lines, start=1):
        place = f"{path.name} line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{place}: not JSON: {error.msg}") from None
        words = row.get("words_") if isinstance(row, dict) else None
        if not (
            isinstance(words, list)
            and len(words) > 2
            and all(isinstance(word, str) for word in words)
            and words[0] == "START"
            and words[-1] == "END"
        ):
            raise UserError(f"{place}: no list of words from START to END under 'words_'")
        rows.append((place, row))
    return rows
