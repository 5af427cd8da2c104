"""Where control targets come from: the authors' released lists, or validation texts.

Validation targets are drawn one after the other, so that the first 50 of 200 are the 50 that a
draw of 50 gives. Their ids name the validation row and the control, and are the same under every
seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError, unknown
from tasks.common.given import numbered, parse_json, read_text
from tasks.controls import Control
from tasks.corpora import traits
from tasks.texts import Corpus, Words

#: words that fit into 64 positions beside START and END (reference notes 2.1)
MAX_WORDS = 62
SOURCES = ("auto", "released", "validation")
RELEASED = "released"
#: the lists that the authors released for the control tasks (``tasks.corpora.Traits.lists``)
CONTROL_TARGETS = "control_targets"
#: of them, the pairs of tags and a field's value, of the same 200 sentences
COMPOSED = "target_compose_pos_attr.jsonl"


@dataclass(frozen=True)
class Target:
    """One control target. ``source``: the human text it was taken from, where there is one.

    ``released``: the control as the authors' list has it, where an oracle here says otherwise (the
    tags of another tagger). ``references``: the human answers to it, where a task has several
    (the middles of aNLG).
    """

    id: str
    control: Control
    source: Words | None = None
    released: Control | None = None
    references: tuple[Words, ...] = ()


class NoReleasedList(UserError):
    """There is no released list for this corpus, or the data folder does not hold it."""


class TooFewTargets(UserError):
    """The texts or the list give fewer targets than were asked for."""


def take(
    n: int,
    source: str,
    released: Callable[[], list[Target]],
    validation: Callable[[], Iterable[Target]],
    all_there_are: bool = False,
) -> list[Target]:
    """The first ``n`` targets of ``source``.

    ``released`` gives the whole list or raises ``NoReleasedList``; ``validation`` yields drawn
    targets until there are no more. ``"auto"`` takes the released list where there is one of at
    least ``n`` targets, else validation texts. Raises ``TooFewTargets`` if ``source`` has fewer
    than ``n`` targets, saying how many it has, and ``UserError`` for an unknown source. With
    ``all_there_are`` a source of fewer than ``n`` targets, but at least one, gives them all.
    """
    if source not in SOURCES:
        raise unknown("target source", source, SOURCES)
    if n < 1:
        raise UserError(f"at least 1 target, not {n}")
    if source != "validation":
        try:
            targets = released()
        except NoReleasedList:
            if source == "released":
                raise
        else:
            if len(targets) >= n or (all_there_are and targets):
                return targets[:n]
            if source == "released":
                raise TooFewTargets(f"{n} targets asked for: the released list has {len(targets)}")
    targets = list(islice(validation(), n))
    if len(targets) < (1 if all_there_are else n):
        raise TooFewTargets(f"{n} targets asked for: the validation texts give {len(targets)}")
    return targets


def draw(
    targets: Callable[[Corpus, int, str, int], list[Target]],
    corpus: Corpus,
    n: int,
    source: str,
    seed: int,
    *,
    longest: int,
) -> list[Target]:
    """The first ``n`` of a task's ``targets`` that a text of at most ``longest`` words can satisfy.

    Validation targets are drawn on until there are ``n``; where a task's controls are few by nature
    there may be fewer. A released list is taken as it is, whether or not its targets fit. Raises
    ``TooFewTargets`` where the texts give fewer that fit, and whatever ``targets`` raises.
    """
    asked, fitting = n, list[Target]()
    while True:
        try:
            drawn = targets(corpus, asked, source, seed)
        except UserError as error:
            if asked == n:
                raise
            raise TooFewTargets(
                f"{error} ({len(fitting)} of {n} fit longest={longest} words)"
            ) from None
        if drawn and drawn[0].id.startswith(RELEASED):
            return drawn[:n]
        fitting = [target for target in drawn if target.control.needed_words <= longest]
        if len(fitting) >= n:
            return fitting[:n]
        if len(drawn) < asked:  # all there are
            if not fitting:
                raise TooFewTargets(f"{n} targets asked for: none fits longest={longest} words")
            return fitting
        asked += n - len(fitting)


def within(words: int, text: str) -> None:
    """Raises ``UserError`` for a control, typed as ``text``, of more words than a text has."""
    if words > MAX_WORDS:
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        raise UserError(f"control '{shown}': {words} words, but a text has at most {MAX_WORDS}")


def released_rows(
    corpus: Corpus, data: Path | None, name: str, check: Callable[[Any, str], None] | None = None
) -> list[tuple[str, Any]]:
    """(place, row) of every line of a released list such as ``target_spans.jsonl``, in order.

    ``data``: the folder that holds ``control_targets/NAME``, or NAME itself. ``place`` names file
    and line, for error messages. ``check(row, place)`` refuses a malformed row; without it, a row
    is a JSON object with the text's words under ``words_``, from START to END. Raises
    ``NoReleasedList``, or ``UserError`` for a line that is not JSON and a list without lines.
    """
    if traits(corpus.name).lists != CONTROL_TARGETS:
        raise NoReleasedList(f"there is no released target list for corpus {corpus.name}")
    if data is None:
        raise NoReleasedList(f"the released list {name} needs data=DIR")
    path = next((p for p in (data / CONTROL_TARGETS / name, data / name) if p.is_file()), None)
    if path is None:
        raise NoReleasedList(f"{data} has no {CONTROL_TARGETS}/{name}")
    return read_rows(path, check)


def read_rows(path: Path, check: Callable[[Any, str], None] | None = None) -> list[tuple[str, Any]]:
    """(place, row) of every line of a list in the released form; see :func:`released_rows`."""
    rows = []
    for number, line in numbered(read_text(path)):
        place = f"{path.name} line {number}"
        row = parse_json(line, place)
        (check or _has_words)(row, place)
        rows.append((place, row))
    if not rows:
        raise UserError(f"{path} is empty: it holds no targets")
    return rows


def _has_words(row: Any, place: str) -> None:
    framed(row.get("words_") if isinstance(row, dict) else None, place, "words", "words_")


def framed(value: Any, place: str, what: str, key: str) -> tuple[str, ...]:
    """The strings between START and END of a released row's list. Raises ``UserError``."""
    if not (
        isinstance(value, list)
        and len(value) > 2
        and all(isinstance(item, str) and item for item in value)
        and value[0] == "START"
        and value[-1] == "END"
    ):
        raise UserError(f"{place}: no list of {what} from START to END under '{key}'")
    return tuple(value[1:-1])


def known_label(label: str, valid: Sequence[str], place: str, what: str) -> None:
    """Raises ``UserError`` for a label of a released row that is not one of ``valid``."""
    if label not in valid:
        raise UserError(f"{place}: {unknown(what, label, valid)}")
