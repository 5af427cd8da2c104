"""distinct-2 is of equally many samples of every row, and lengths stand beside it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from eval.reading.measured import measured_tasks
from eval.reading.results import ResultSet
from eval.reading.stats import distinct, rarefied
from eval.reading.tables.grid import markdown
from eval.reading.tables.run import run_tables
from tests.stored import LENGTHS, TEXTS, fill, make_set

WORDS = [text.split() for text in ("a b a b", "a b c", "c d", "a b", "d", "c d e f")]


@pytest.mark.parametrize("count", range(1, 7))
def test_rarefaction_is_the_mean_over_all_draws(count: int) -> None:
    draws = [[WORDS[i] for i in chosen] for chosen in combinations(range(len(WORDS)), count)]
    grams = [[tuple(w[i : i + 2]) for w in draw for i in range(len(w) - 1)] for draw in draws]
    expected = sum(len(set(own)) for own in grams) / sum(map(len, grams))
    assert rarefied(WORDS, count) == pytest.approx(expected)


def test_of_all_texts_it_is_distinct_n() -> None:
    assert rarefied(WORDS, len(WORDS)) == pytest.approx(distinct(WORDS))
    assert rarefied([["a"], []], 1) != rarefied([["a"], []], 1)  # no pair of words: NaN


def test_a_table_counts_equally_many(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    one = measured_tasks(ResultSet(folder))["length"]
    assert not any(note.startswith("distinct-2") for note in one.notes)
    fewer = {target: rows[:1] for target, rows in TEXTS["fudge"].items()}
    fill(folder / "length" / "fudge", fewer, LENGTHS)
    measured_tasks.cache_clear()
    two = measured_tasks(ResultSet(folder))["length"]
    assert any(note.startswith("distinct-2: of 2 samples of each row") for note in two.notes)
    rows = [set_.first("diffusion_lm") for set_ in (one, two)]
    texts = [text.split() for group in TEXTS["diffusion_lm"].values() for text in group]
    assert [row and row.distinct2 for row in rows] == [rarefied(texts, 4), rarefied(texts, 2)]
    assert rows[1] is not None and rows[1].length == 11 / 4
    assert "| length |" in markdown(run_tables(two)[0])
