"""The page of bad inputs and faults says what the tests try."""

from __future__ import annotations

from tests import hardening


def test_the_page_is_that_of_the_tests() -> None:
    """Made anew by ``python -m tests.hardening --write``."""
    text = hardening.PAGE.read_text(encoding="utf-8")
    assert hardening.page(text) == text
    rows = list(hardening.tried())
    assert all(one.count > 0 for one in rows)
    assert sum(one.count for one in rows) > 1000
