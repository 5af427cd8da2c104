"""Corpus files and released lists of any bytes: texts, or one line that names the place."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eval import targets as targets_command
from eval.run import guarded
from tasks import load_task
from tasks.base import Annotation, Corpus, Target
from tasks.common.errors import UserError
from tasks.controls import FieldValue
from tasks.corpora import anlg, e2e, load_corpus, rocstories, tokenizer
from tasks.oracles.measure import span_agreement, tag_agreement
from tasks.oracles.perceptron import load_perceptron
from tasks.oracles.treebank import load_treebank
from tasks.semantic_content import SemanticContent, pairs
from tests.hardening import Tried

DRAWN = 60
E2E = Corpus("e2e", (), (), "-")
CSV = 'mr,ref\n"name[The Mill], near[The Oar]","The Mill is nice ."\n'
STORY = ["Mia had a boat.", "It sank.", "She wept.", "Ben laughed.", "She hit him."]
ROC_CSV = "storyid,storytitle,sentence1,sentence2,sentence3,sentence4,sentence5\n" + (
    "1,Boat," + ",".join(STORY) + "\n2,Oar," + ",".join(reversed(STORY)) + "\n"
)
ROC_JSON = json.dumps([" ".join(STORY)]) + "\n" + json.dumps([" ".join(STORY[1:])]) + "\n"
ITEM = {"obs1": "Mia ran.", "obs2": "Ben hid.", "gold_labels": ["She fell."]}
ROW = {"story_id": "a", "obs1": "Mia ran.", "obs2": "Ben hid.", "hyp1": "No.", "hyp2": "Yes."}
WORDS = ["START", "The", "Mill", "is", "nice", ".", "END"]
TAGS = ["START", "DET", "PROPN", "AUX", "ADJ", "PUNCT", "END"]

Read = Callable[[Path], Any]


def _corpus(name: str) -> Read:
    return lambda data: load_corpus(name, data)


def _targets(task: str) -> Read:
    return lambda data: load_task(task, data).targets(E2E, 1, "released", 0)


#: where -> (the file, a good one, how it is read)
FILES: dict[str, tuple[str, str, Read]] = {
    "E2E": ("trainset.csv", CSV, lambda data: e2e.read_csv(data / "trainset.csv", PLAIN)),
    "ROCStories, CSV": ("roc.csv", ROC_CSV, lambda data: rocstories.read(data / "roc.csv", PLAIN)),
    "ROCStories, lines": (
        "roc_valid.json", ROC_JSON, lambda data: rocstories.read(data / "roc_valid.json", PLAIN)
    ),
    "aNLG, items": ("dev.json", json.dumps({"a": ITEM}), anlg.load_items),
    "aNLG, rows": ("dev.jsonl", json.dumps(ROW | {"label": 1}) + "\n", anlg.load_items),
    "spans": (
        "target_spans.jsonl", json.dumps({"words_": WORDS, "spans": [[0, 1, "NP"]]}) + "\n",
        _targets("syntax_spans"),
    ),
    "tags": (
        "target_pos.jsonl", json.dumps({"words_": WORDS, "pos": TAGS}) + "\n",
        _targets("parts_of_speech"),
    ),
    "values": (
        "target_attribute.jsonl", json.dumps(["name", ":", "The", "Mill"]) + "\n",
        _targets("semantic_content"),
    ),
    "pairs": (
        "target_compose_pos_attr.jsonl",
        json.dumps({"words_": WORDS, "pos": TAGS, "attr": ["name", ":", "Mill"]}) + "\n",
        _targets("semantic_content+parts_of_speech"),
    ),
}  # fmt: skip


def PLAIN(text: str) -> tuple[str, ...]:
    return tuple(text.split())


HABITS: dict[str, Callable[[bytes], bytes]] = {
    "a byte-order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "line ends of Windows": lambda raw: raw.replace(b"\n", b"\r\n"),
    "blank lines at the end": lambda raw: raw + b"\n\n",
    "no newline at the end": lambda raw: raw.rstrip(b"\n"),
    "U+2028 in a word": lambda raw: raw.replace(b"Mi", "M\u2028i".encode()),
    "U+2029 in a word": lambda raw: raw.replace(b"Mi", "M\u2029i".encode()),
    "U+0085 in a word": lambda raw: raw.replace(b"Mi", "M\x85i".encode()),
}


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("where", FILES)
def test_habits_of_other_programs_are_read(tmp_path: Path, where: str, habit: str) -> None:
    name, good, read = FILES[where]
    raw = HABITS[habit](good.encode())
    (tmp_path / name).write_bytes(good.encode())
    expected = len(read(tmp_path))
    (tmp_path / name).write_bytes(raw)
    assert len(read(tmp_path)) == expected
    assert (tmp_path / name).read_bytes() == raw


TOKENS = st.sampled_from(
    [b"[", b"]", b"{", b"}", b'"', b",", b":", b"\n", b"\r", b"\\ud83d", b"\\u0000", b"NaN",
     b"1e999", b"9" * 5000, b"[" * 2000, b"null", b"true", b"-1", b"\xff", b"\x00",
     b"\xe2\x80\xa8", b"START", b"END", b"words_", b"spans", b"pos", b"label", b" ", b"[]"]
)  # fmt: skip


@pytest.mark.parametrize("where", FILES)
def test_any_bytes_give_texts_or_one_line(tmp_path: Path, where: str) -> None:
    """A good file with something cut, doubled or put in, and any bytes at all."""
    name, good, read = FILES[where]
    raw = good.encode()

    @settings(max_examples=DRAWN, deadline=None, derandomize=True)
    @given(
        st.one_of(
            st.tuples(st.integers(0, len(raw)), st.integers(0, 12), TOKENS | st.binary(max_size=4)),
            st.binary(max_size=40),
        )
    )
    @example(b"")
    @example(b"\xff\xfe" + good.encode("utf-16-le"))
    def tried(change: bytes | tuple[int, int, bytes]) -> None:
        content = change
        if not isinstance(content, bytes):
            at, cut, put = content
            content = raw[:at] + put + raw[at + cut :]
        (tmp_path / name).write_bytes(content)
        try:
            found = read(tmp_path)
        except UserError as error:
            said = str(error)
            assert name in said or "targets asked for" in said
            assert "\n" not in said and len(said) < 1000
        else:
            assert found
            repr(found).encode()  # no half of a character
        assert [path.name for path in tmp_path.iterdir()] == [name]

    tried()


LISTED: list[tuple[str, Any, str]] = [
    ("spans", {"words_": WORDS, "spans": [[0, 1, "NPX"]]}, "unknown label 'NPX': did you mean"),
    ("spans", {"words_": WORDS, "spans": [[0, 1, "S::"]]}, "unknown label ''"),
    ("spans", {"words_": WORDS, "spans": [[False, True, "NP"]]}, "is no span"),
    ("spans", {"words_": WORDS, "spans": [[0, 10**400, "NP"]]}, "is no span|too large"),
    ("spans", {"words_": WORDS, "spans": {"0": 1}}, "no list of spans"),
    ("tags", {"words_": WORDS, "pos": [*TAGS[:-2], "PUNKT", "END"]}, "unknown tag 'PUNKT'"),
    ("tags", {"words_": [*WORDS[:-1], 3, "END"], "pos": TAGS}, "no list of words"),
    ("values", ["name", ":", " "], "no list of a field's words"),
    ("values", [":", "x"], "no list of a field's words"),
    ("pairs", {"words_": WORDS, "pos": TAGS, "attr": None}, "no list of a field's words"),
]


@pytest.mark.parametrize(("where", "row", "said"), LISTED)
def test_a_row_of_a_list_is_named(tmp_path: Path, where: str, row: Any, said: str) -> None:
    name, good, read = FILES[where]
    path = tmp_path / "control_targets" / name
    path.parent.mkdir()
    path.write_text(good + "\n" + json.dumps(row))
    named = f"^{name} line 3: .*({said})"
    with pytest.raises(UserError, match=named):
        read(tmp_path)
    # the judges' agreement is measured on the same lists
    agreement: dict[str, Any] = {"spans": span_agreement, "tags": tag_agreement}
    if where in agreement:
        with pytest.raises(UserError, match=named):
            agreement[where](None, tmp_path)


# values


VALUES = ["Joe's Diner", "kid-friendly", "$20-30", "\u00a320-25", "gonna", "caf\u00e9 A&B", "10am"]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(VALUES) | st.text("abcXY '-&$\u00a35./!\u00e9%+", min_size=1, max_size=12))
def test_a_value_is_asked_for_as_texts_are_split(value: str) -> None:
    value = " ".join(value.split())
    if not value:
        return
    split = e2e.tokenizer()
    text = e2e._text(f"name[{value}]", f"{value} .", split)
    ((field, asked),) = pairs(text)
    words = split(value)[:-1]
    assert (field, asked) == ("name", " ".join(words))


@pytest.mark.parametrize("value", VALUES)
def test_a_text_states_a_value_that_is_split(value: str) -> None:
    split = tokenizer("e2e")
    text = e2e._text(f"name[{value}]", f"The {value} is near .", split)
    target = Target("t", FieldValue(*pairs(text)[0]))
    scores = SemanticContent(None).score(target, Annotation(text.words))
    assert scores == {"value_stated": 1.0, "value_words": 1.0}


def test_an_accent_may_be_a_letter_of_its_own() -> None:
    target = Target("t", FieldValue("name", "Caf\u00e9"))
    score = SemanticContent(None).score
    assert set(score(target, Annotation(("The", "Cafe\u0301"))).values()) == {1.0}
    assert set(score(target, Annotation(("The", "Cafe"))).values()) == {0.0}


EMPTY = ["near[]", "near[ ]", "name[The Mill], near[]", "name[A], near[\t]"]


def test_targets_of_e2e_say_that_a_newline_counts(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "e2e"
    folder.mkdir(parents=True)
    rows = CSV + '"name[A.B], near[Joe\'s]","A.B is near Joe\'s ."\n"name[A B]","A B is ."\n'
    for name in ("trainset.csv", "devset.csv"):
        (folder / name).write_text(rows)
    file = tmp_path / "t.jsonl"
    given = ["preset=small", "task=semantic_content", "targets=9", "source=validation"]
    given += [f"data={tmp_path / 'data'}", f"store={tmp_path / 'store'}", f"out={tmp_path / 'set'}"]
    assert guarded(targets_command.main, [*given, f"file={file}"]) == 0
    lines = [json.loads(line) for line in file.read_text().split("\n") if line]
    asked = {(one["control"]["field"], one["control"]["value"]) for one in lines}
    assert {("near", "Joe 's"), ("name", "A.B"), ("name", "A B")} <= asked
    assert len({one["id"] for one in lines}) == len(lines) == 5
    assert all("newline" in one["note"] for one in lines)


@pytest.mark.parametrize("meaning", EMPTY)
def test_an_empty_value_is_named_by_its_row(tmp_path: Path, meaning: str) -> None:
    (tmp_path / "trainset.csv").write_text(f'{CSV}"{meaning}","It is nice ."\n')
    with pytest.raises(UserError, match=r"trainset\.csv row 3: the .* is empty in the meaning"):
        e2e.read_csv(tmp_path / "trainset.csv", PLAIN)


def test_a_corpus_that_is_refused_leaves_no_result_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trainset.csv").write_text(f'{CSV}"near[]","It is nice ."\n')
    (tmp_path / "devset.csv").write_text(CSV)
    given = ["preset=small", "task=semantic_content", f"data={tmp_path}", f"out={tmp_path / 'set'}"]
    assert guarded(targets_command.main, [*given, f"store={tmp_path / 'store'}"]) == 2
    said = capsys.readouterr().err
    assert "trainset.csv row 3: the value of 'near' is empty in the meaning" in said
    assert not (tmp_path / "set").exists()


# what oracles are made from


BANK = "( (S (NP-SBJ (PRP It)) (VP (VBZ sank) (-LRB- -LRB-) (NP (-NONE- *))) (. .)) )\n"
BAD_BANKS: list[tuple[str, bytes, str]] = [
    ("no zip", b"PK nothing", "not a zip file"),
    ("too few sentences", BANK.encode(), "holds only 1 sentences"),
    ("an open bracket", b"( (S (NP (PRP It))", r"wsj\.mrg: .*[Ee]xpected"),
    ("a word beside a bracket", b"( (S (NP (PRP It)) sank) )", "sentence 1: the word 'sank'"),
    ("a letter beside a bracket", b"( (S x (NP (PRP It))) )", "sentence 1: the word 'x'"),
    ("no tree at all", b"It sank .", "sentence 1: the word 'It'"),
    ("no UTF-8", b"( (S (NP (PRP \xff))) )", r"wsj\.mrg"),
    ("deep nesting", b"(" * 5000 + b"a" + b")" * 5000, "treebank"),
]


@pytest.mark.parametrize(("what", "content", "said"), BAD_BANKS, ids=[b[0] for b in BAD_BANKS])
def test_a_treebank_that_is_none_is_named(
    tmp_path: Path, what: str, content: bytes, said: str
) -> None:
    path = tmp_path / "corpora" / "treebank.zip"
    path.parent.mkdir()
    if what == "no zip":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("treebank/wsj.mrg", content)
    with pytest.raises(UserError, match=said) as error:
        load_treebank(tmp_path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


BAD_TAGGERS: list[tuple[str, str, str]] = [
    ("classes", "[]", "not a list of tags"),
    ("classes", '["NN", 3]', "not a list of tags"),
    ("classes", "[" * 100_000, "nested too deep"),
    ("weights", '{"bias": {"VB": 1}}', "no weights by tag"),
    ("weights", '{"bias": 3}', "no weights by tag"),
    ("weights", '{"bias": {"NN": NaN}}', "no number"),
    ("weights", '{"bias": {"NN": "1"}}', "no number"),
    ("tagdict", '{"it": "PRP"}', "not a dict of words and tags"),
    ("tagdict", "{", "tagdict"),
]


@pytest.mark.parametrize(("part", "content", "said"), BAD_TAGGERS)
def test_a_tagger_that_is_none_is_named(tmp_path: Path, part: str, content: str, said: str) -> None:
    good = {"weights": '{"bias": {"NN": 1}}', "tagdict": "{}", "classes": '["NN"]'}
    for name, text in (good | {part: content}).items():
        (tmp_path / f"{name}.json").write_text(text)
    with pytest.raises(UserError, match=said) as error:
        load_perceptron(tmp_path)
    assert part in str(error.value) and "\n" not in str(error.value)


TRIED = (
    Tried("corpus files", "byte-order marks, line ends, U+2028 in words, in nine formats",
          len(HABITS) * len(FILES), "read; the files as they were"),
    Tried("corpus files", "any bytes, in nine formats", (DRAWN + 2) * len(FILES),
          "texts, or one line naming the file"),
    Tried("corpus files", "malformed rows of released lists", len(LISTED), "one line naming it"),
    Tried("corpus files", "values that the tokenizer splits", 100 + len(VALUES),
          "asked for as texts are split"),
    Tried("corpus files", "empty values", len(EMPTY)),
    Tried("corpus files", "treebanks and taggers that are none",
          len(BAD_BANKS) + len(BAD_TAGGERS), "one line naming it"),
)  # fmt: skip
