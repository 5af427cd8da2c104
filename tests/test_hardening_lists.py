"""Target lists and aNLG items that a user's data folder holds: targets, or one line that names file
and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks import load_task
from tasks.base import Corpus, Target, Text
from tasks.common.errors import UserError
from tasks.common.given import parse_json
from tasks.corpora.anlg import load_items
from tests.hardening import Tried

WORDS = ("Try", "it", ".")
FRAMED = ["START", *WORDS, "END"]
TEXT = Text(WORDS, "(S (VP (VB Try) (NP it)) (. .))", fields=(("eatType", "pub"), ("name", "It")))
E2E = Corpus("e2e", (TEXT,), (TEXT,))
SPANS, TAGS, PAIRS = "syntax_spans", "parts_of_speech", "semantic_content"
BOTH = f"{PAIRS}+{TAGS}"
FILES = {
    SPANS: "target_spans.jsonl",
    TAGS: "target_pos.jsonl",
    PAIRS: "target_attribute.jsonl",
    BOTH: "target_compose_pos_attr.jsonl",
}
TAGGED = {"words_": FRAMED, "pos": ["START", "VERB", "PRON", "PUNCT", "END"]}
GOOD: dict[str, Any] = {
    SPANS: {"words_": FRAMED, "spans": [[0, 1, "VP"]]},
    TAGS: TAGGED,
    PAIRS: ["name", ":", "It"],
    BOTH: {**TAGGED, "attr": ["name", ":", "It"]},
}
#: a list, a line of it, and what must be said
WRONG: list[tuple[str, Any, str]] = [
    (SPANS, {**GOOD[SPANS], "spans": [[0, 1, "VPP"]]}, "unknown label 'VPP': did you mean"),
    (SPANS, {**GOOD[SPANS], "spans": [[0, 1, ""]]}, "is no span"),
    (SPANS, {**GOOD[SPANS], "spans": [[True, 1, "VP"]]}, "is no span"),
    (SPANS, {**GOOD[SPANS], "spans": [[0.0, 1, "VP"]]}, "is no span"),
    (SPANS, {"words_": ["START", *["a"] * 80, "END"], "spans": [[0, 70, "VP"]]}, "within 62 words"),
    (SPANS, {**GOOD[SPANS], "spans": {}}, "no list of spans"),
    (SPANS, {**GOOD[SPANS], "words_": ["START", 1, "END"]}, "no list of words"),
    (TAGS, {**TAGGED, "pos": ["START", "VREB", "PRON", "PUNCT", "END"]}, "unknown tag .*'VERB'"),
    (TAGS, {**TAGGED, "pos": ["START", "VERB", "END"]}, "1 tags for 3 words"),
    (TAGS, {**TAGGED, "pos": "VERB"}, "no list of tags"),
    (PAIRS, ["nmae", ":", "It"], "unknown field .*'nmae': did you mean 'name'"),
    (PAIRS, ["name", "It"], "no list of a field's words"),
    (PAIRS, ["name", ":", 3], "no list of a field's words"),
    (BOTH, {**GOOD[BOTH], "attr": None}, "no list of a field's words"),
]
#: lines that are no rows
LINES: dict[bytes, str] = {
    b"{": "not JSON",
    b'{"a": NaN}': "NaN is no JSON number",
    b"[" * 100_000: "nested too deep",
    b'{"words_": ["\\ud800"]}': "half a character",
    b"9" * 5000: "a number that is too large",
    b"null": "no list of|no object with",
    b"caf\xe9": "not UTF-8 text",
}
EXAMPLES, FEWER = 150, 40
TRIED = (
    Tried("target list", "tags, labels, fields and rows that are none", len(WRONG)),
    Tried("target list", "lines that are no JSON of ours", len(LINES) * len(FILES)),
    Tried("target list", "any row, and any line", EXAMPLES, "targets, or one line"),
    Tried("aNLG items", "lines that are no JSON of ours", len(LINES)),
    Tried("aNLG items", "items of any shape", 2 * FEWER, "items, or one line"),
)


def released(name: str, folder: Path, content: bytes) -> list[Target]:
    (folder / FILES[name]).write_bytes(content)
    return load_task(name, folder).targets(E2E, 1, "released", 0)


def row(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


@pytest.mark.parametrize("name", FILES)
def test_lists_as_they_should_be(name: str, tmp_path: Path) -> None:
    for content in (row(GOOD[name]), b"\xef\xbb\xbf" + row(GOOD[name]).replace(b"\n", b"\r\n")):
        (target,) = released(name, tmp_path, content)
        assert target.id == "released-000"


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_rows_that_are_none(name: str, value: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"line 2.*{said}|{said.split()[0]}.*line 2.*") as caught:
        released(name, tmp_path, row(GOOD[name]) + row(value))
    assert FILES[name] in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_lines_that_are_none(name: str, tmp_path: Path) -> None:
    for line, said in LINES.items():
        with pytest.raises(UserError, match=said) as caught:
            released(name, tmp_path, row(GOOD[name]) + line + b"\n")
        assert FILES[name] in str(caught.value)
    with pytest.raises(UserError, match="is empty"):
        released(name, tmp_path, b"")


def test_labels_that_the_texts_have_are_known(tmp_path: Path) -> None:
    """Beside those of the authors' list."""
    value = {**GOOD[SPANS], "spans": [[0, 2, "FRAG"]]}
    own = Text(WORDS, "(FRAG (VB Try) (NP it) (. .))")
    (tmp_path / FILES[SPANS]).write_bytes(row(value))
    corpus = Corpus("e2e", (own,), (TEXT,))
    (target,) = load_task(SPANS, tmp_path).targets(corpus, 1, "released", 0)
    assert target.control.label == "FRAG"  # type: ignore[attr-defined]


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4),
    st.sampled_from(["START", "END", ":", "NP", "VERB"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["words_", "spans", "pos", "attr"]), inner, max_size=4)
    ),
    max_leaves=8,
)
ITEMS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["obs1", "obs2", "gold_labels", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


def mended(good: Any, value: Any, key: int) -> Any:
    """``good`` with one entry replaced."""
    if isinstance(good, dict):
        return {**good, sorted(good)[key % len(good)]: value}
    return [*good[: key % len(good)], value, *good[key % len(good) + 1 :]]


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(sorted(FILES)),
    value=VALUES,
    key=st.integers(0, 9),
    line=st.one_of(st.none(), st.binary(max_size=20)),
)
def test_any_row_and_any_line(
    tmp_path: Path, name: str, value: Any, key: int, line: bytes | None
) -> None:
    content = row(mended(GOOD[name], value, key)) if line is None else line + b"\n"

    def work() -> None:
        for target in released(name, tmp_path, content):
            load_task(name, tmp_path).prompt(target.control)

    gives_or_says(work)


@settings(
    max_examples=FEWER,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    value=st.dictionaries(st.text(max_size=3), ITEMS, max_size=2) | ITEMS, raw=st.binary(max_size=9)
)
def test_any_items(tmp_path: Path, value: Any, raw: bytes) -> None:
    for name, content in (
        ("dev.json", json.dumps(value).encode()),
        ("dev.jsonl", row(value) + raw),
    ):
        (tmp_path / name).write_bytes(content)
        gives_or_says(lambda: load_items(tmp_path))
        (tmp_path / name).unlink()


def test_lines_of_items_that_are_none(tmp_path: Path) -> None:
    good = {"story_id": "1", "obs1": "A b.", "obs2": "C d.", "hyp1": "E.", "hyp2": "F.", "label": 1}
    for line, said in LINES.items():
        (tmp_path / "dev.jsonl").write_bytes(row(good) + line + b"\n")
        with pytest.raises(UserError, match=said):
            load_items(tmp_path)


def gives_or_says(work: Callable[[], Any]) -> None:
    try:
        work()
    except UserError as error:
        said = str(error)
    else:
        return
    assert said and "\n" not in said


def test_json_that_others_write() -> None:
    assert parse_json('{"a": [1, "\\ud83d\\ude00"]}', "x") == {"a": [1, "\U0001f600"]}
