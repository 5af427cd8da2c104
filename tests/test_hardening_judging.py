"""A judging that was cut off at any byte goes on to the same bytes, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.running import judge as judging
from eval.running.judge import Judge, batch
from tasks.base import Words
from tests.hardening import Tried

EXAMPLES = 200
TEXTS = [(letter,) for letter in "abcdefgh"]
CALLS = st.lists(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=6), min_size=1, max_size=4)


class Beside:
    """A teacher whose figures depend on the texts read together, as a network's do."""

    def score(self, texts: Sequence[Words]) -> list[tuple[float, int]]:
        return [(len(texts) + i / 100, 1) for i, _ in enumerate(texts)]


class Trees:
    def parse(self, texts: Sequence[Words]) -> list[str]:
        return [f"{len(texts)} {i}" for i, _ in enumerate(texts)]


def judge() -> Judge:
    load = {"teacher": Beside, "parser": Trees}
    return Judge({"teacher": "t", "parser": "p"}, load)


def read(cache: Path, calls: Sequence[Sequence[Words]]) -> None:
    one = judge()
    for texts in calls:
        one.read({"teacher": texts, "parser": texts[::2]}, cache)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "CHUNK", 3)


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
@given(CALLS, st.floats(0, 1))
def test_cut_anywhere_the_rest_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, calls: list[list[Words]], cut: float
) -> None:
    cache = tmp_path_factory.mktemp("cache") / "annotations.jsonl"
    read(cache, calls)
    whole = cache.read_bytes()
    cache.write_bytes(whole[: int(cut * len(whole))])
    for _ in range(2):
        read(cache, calls)
        # a last line that lacks nothing but its end is whole, and is left alone by who only reads
        assert cache.read_bytes() in (whole, whole.removesuffix(b"\n"))


#: (wanted, read before) -> what is read together
BATCHES: Mapping[tuple[str, str], str] = {
    ("abc", ""): "abc",
    ("abc", "abc"): "",
    ("abc", "a"): "abc",
    ("abc", "ab"): "abc",
    ("abc", "xb"): "ac",
    ("abc", "xc"): "ab",
    ("abc", "ax"): "bc",
    ("abcd", "xab"): "abcd",
    ("abcd", "ba"): "acd",
}


@pytest.mark.parametrize(("wanted", "before"), BATCHES)
def test_what_is_read_together(wanted: str, before: str) -> None:
    found = batch([(one,) for one in wanted], [(one,) for one in before])
    assert sorted("".join(one for (one,) in found)) == sorted(BATCHES[wanted, before])


TRIED = (
    Tried("annotations", "cut off at any byte", EXAMPLES,
          "the same bytes after a rerun, of judges whose figures depend on their batch"),
)  # fmt: skip
