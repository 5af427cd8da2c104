"""Infilling judged for English: middles in their stories under a language model, and which of two
middles makes the likelier story."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eval.reading.in_context import Reader, middle, readers, story
from eval.reading.names import REFERENCES
from eval.reading.results import ResultSet
from eval.reading.rows import Number
from eval.reading.tables.entries import Footnotes, full, span
from eval.reading.tables.grid import Column, Entry, Grid, entry
from eval.running.scoring import HUMAN

NAME = "in_context"
SUMMARY = (
    Column("middles of", right=False),
    Column("items"),
    Column("in context ↓", "perplexity"),
    Column("95 %", "perplexity", drop=3),
    Column("to human ↓", "perplexity"),
    Column("95 %", "perplexity", drop=2),
    Column("middle ↓", "perplexity"),
    Column("to human ↓", "perplexity", drop=4),
    Column("distinct-2"),
    Column("copied", drop=5),
    Column("by all nats", "likelier than human"),
    Column("a word", "likelier than human"),
)
MEANING = (
    "in context: perplexity a word of middle and right context, given the left context; middle: of "
    "the middle alone, given the left context; to human: over that of the first human middle, on "
    "the same items. The story's end is not predicted.",
    "likelier: percent of items whose whole story (left context, middle, right context) the "
    "language model finds likelier with this middle than with the other, ties one half. It is a "
    "comparison by a language model's likelihood, which is not told whose middle it reads, and no "
    "human judgement. By all nats it favours short middles; a word: by nats a word of middle and "
    "right context.",
    "copied: middles that are a sentence of a training text, or one of their own contexts, word for"
    " word. distinct-2: distinct word pairs over all, of one middle an item.",
)


def in_context_tables(results: ResultSet) -> Iterator[Grid]:
    """Two tables for each language model that read the stories of a task; none where none did."""
    for task in results.tasks:
        for number, reader in enumerate(readers(results, task)):
            name = f"{NAME}-{task}" + (f"-{number + 1}" if number else "")
            yield _summary(results, reader, name)
            yield _pairs(results, reader, f"{name}-pairs")


def _rows(results: ResultSet, reader: Reader) -> list[str]:
    """Methods in the order of tables, then what is no method, the human middles first."""
    there = [name for name in reader.rows if name not in REFERENCES.values()]
    methods = [name for name in results.method_order(there) if name in there]
    return [*methods, *(name for name in REFERENCES.values() if name in reader.rows)]


def _summary(results: ResultSet, reader: Reader, name: str) -> Grid:
    notes, rows, records = Footnotes(), list[list[Entry]](), list[dict[str, Any]]()
    for row in _rows(results, reader):
        whole, own = reader.perplexity(row, story), reader.perplexity(row, middle)
        ratio, ours = reader.ratio(row, story), reader.ratio(row, middle)
        won = [reader.likelier(row, HUMAN, a_word) for a_word in (False, True)]
        distinct2, copied = reader.distinct2.get(row), reader.copied(row)
        rows.append(
            [
                entry(results.method_name(row), "bold"), entry(str(len(reader.rows[row]))),
                _shown(whole, 2), span(whole, 2), _shown(ratio, 2), span(ratio, 2),
                _shown(own, 2), _shown(ours, 2),
                entry("" if distinct2 is None else f"{distinct2:.3f}"),
                entry("" if copied is None else f"{copied:.1f} %"),
                *(_shown(one, 1) for one in won),
            ]
        )  # fmt: skip
        figures = {"in_context": whole, "to_human": ratio, "middle": own, "middle_to_human": ours}
        figures |= {"likelier": won[0], "likelier_a_word": won[1]}
        records += [_record(row, key, one) for key, one in figures.items()]
    for row, reason in reader.skipped.items():
        mark = entry(f"n/a {notes.mark(reason)}", "muted")
        rows.append([entry(results.method_name(row), "bold"), (), mark, *[()] * (len(SUMMARY) - 3)])
    title = f"Middles in their stories under {reader.model}"
    below = [*notes.notes, *MEANING, f"language model: {reader.model} ({reader.id})."]
    return Grid(name, title, SUMMARY, rows, below, records=records)


def _pairs(results: ResultSet, reader: Reader, name: str) -> Grid:
    """How often the story of a row is likelier than that of a column."""
    names = _rows(results, reader)
    columns = [Column("likelier, % of items", right=False)]
    columns += [Column(results.method_name(one)) for one in names]
    rows, records = list[list[Entry]](), list[dict[str, Any]]()
    for row in names:
        found = [reader.likelier(row, other) for other in names]
        rows.append([entry(results.method_name(row), "bold"), *(_shown(one, 1) for one in found)])
        records += [
            {**_record(row, "likelier", one), "than": other}
            for one, other in zip(found, names, strict=True)
            if one is not None
        ]
    title = f"Likelier stories, row against column, under {reader.model}"
    return Grid(name, title, columns, rows, [MEANING[1]], records=records)


def _shown(one: Number | None, digits: int) -> Entry:
    return () if one is None else entry(f"{one.ours:.{digits}f}")


def _record(row: str, metric: str, one: Number | None) -> dict[str, Any]:
    figures = (one.ours, one.low, one.high) if one else (None, None, None)
    names = ("value", "low", "high")
    return {"method": row, "metric": metric} | dict(zip(names, map(full, figures), strict=True))
