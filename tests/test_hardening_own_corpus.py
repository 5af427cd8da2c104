"""Corpus files and controls of the user's own that are wrong: one line that names the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_corpus import rows, write

from eval import generate, targets
from eval.run import guarded, main
from tasks import TASKS, load_task
from tasks.common.errors import UserError
from tasks.corpora import load_corpus, tokenizer
from tasks.given import read_given
from tasks.typed import Known
from tests.hardening import Tried

#: what stands in line 2 of a file whose other lines are good, and what must be said of it
ROWS: list[tuple[Any, str]] = [
    ({}, "no 'text', 'words' or 'sentences' (it has nothing)"),
    ({"txt": "a"}, "'txt': did you mean 'text'?"),
    ({"text": "a", "feilds": {}}, "'feilds': did you mean 'fields'?"),
    ({"Text": "a"}, "'Text': did you mean 'text'?"),
    ({"text": " "}, "'text' is empty"),
    ({"text": 3}, "'text': 3 is no text"),
    ({"text": ["a"]}, "'text': ['a'] is no text"),
    ({"words": ["a"]}, "'words', where line 1"),
    ({"text": "a b", "tags": ["X"]}, "'tags': 1 tags for 2 words"),
    ({"text": "a b", "tags": "X X"}, "'tags': X X is no list of texts"),
    ({"text": "a b", "tags": ["X", ""]}, "'tags.1' is empty"),
    ({"text": "a b", "tags": ["X", "Y Z"]}, "'tags.1': 'Y Z' holds white space"),
    ({"text": "a b", "tree": "(S (X a) (X b)"}, "a closing bracket is missing"),
    ({"text": "a b", "tree": "(S (X a) (X b)))"}, "text after the last bracket"),
    ({"text": "a b", "tree": "(S (X a))"}, "'tree': 1 leaves for 2 words"),
    ({"text": "a b", "tree": "(S (X a) (X c))"}, "'tree': leaf 1 is 'c', where the word is 'b'"),
    ({"text": "a b", "tree": "(S (NP a b))"}, "'tree': leaf 0 has no tag: write (NN a)"),
    ({"text": "a", "tree": "(NN a)"}, "'tree' has no constituent"),
    ({"text": "a", "tree": 7}, "'tree': 7 is no text"),
    ({"text": "a", "fields": ["x"]}, "'fields': ['x'] is no object of labels"),
    ({"text": "a", "fields": {"x": 5}}, "'fields.x': 5 is no text: put it in quotes"),
    ({"text": "a", "fields": {"x": True}}, "'fields.x': True is no text"),
    ({"text": "a", "fields": {"x": ""}}, "'fields.x' is empty"),
    ({"text": "a", "fields": {"x": "none"}}, "'fields.x': 'none' stands for a text without it"),
    ({"text": "a", "fields": {"": "y"}}, "'' is no name of a label"),
    ({"text": "a", "fields": {"x=y": "z"}}, "the label 'x=y' holds one of =;"),
    ({"text": "a", "split": "valdi"}, "unknown split 'valdi': did you mean 'valid'?"),
    ({"text": "a", "split": "train"}, "line 1: no 'split', which"),
    ({"text": "a END"}, "the word 'END' marks where texts begin and end"),
    ({"text": "a " * 10_001}, "10001 words in one text"),
    ({"sentences": []}, "'sentences' is empty"),
    ({"sentences": ["a", None]}, "'sentences.1': None is no text"),
    ({"words": ["a b"]}, "'words.0': 'a b' holds white space"),
    ([], "no JSON object with 'text' or 'words'"),
    ("text", "no JSON object"),
]  # fmt: skip
LINES: list[tuple[bytes, str]] = [
    (b"{", "line 2: not JSON"),
    (b'{"text": "a", "text": "b"}', "line 2: 'text' stands twice"),
    (b'{"text": "a\\ud83d"}', "line 2: half a character"),
    (b'{"text": "\xff"}', "line 2: not UTF-8 text"),
    (b'{"text": "' + b"a" * 1_000_001 + b'"}', "line 2: 1000013 letters: one text a line"),
    (b"[" * 5000, "line 2: nested too deep"),
]
FILES: list[tuple[str, bytes, str]] = [
    ("a.jsonl", b"", "0 texts to train on and 0 to validate with"),
    ("a.jsonl", b'{"text": "a b"}\n' * 30, "30 texts to train on and 0 to validate|0 texts to"),
    ("a.jsonl", '{"text": "a"}'.encode("utf-16"), "UTF-16, it seems"),
    ("a.csv", b"", "is empty: no header"),
    ("a.csv", b"text,dish\n", "0 texts to train on"),
    ("a.csv", b"text,text\na,b\n", "row 1: two columns are called 'text'"),
    ("a.csv", b"text,,x\na,b,c\n", "row 1: column 2 has no name"),
    ("a.csv", b"text,dish\na,b,c\n", "row 2: 3 columns, not 2"),
    ("a.csv", b"text,fields\na,b\n", "row 2: the column 'fields' is of JSON lines only: each"),
    ("a.csv", b"text,sentences\na,b\n", "row 2: the column 'sentences' is of JSON lines only"),
    ("a.csv", b"dish,mood\na,b\n", "row 2: no 'text', 'words' or 'sentences' (it has fields)"),
    ("a.csv", b'text,dish\n"a\nb",c\n', "row 2: text runs over the end of the line"),
    ("a.csv", b'text,dish\n"a"b,c\n', "row 2: bad quoting"),
    ("a.tsv", b"text\tdish\na\tb\tc\n", "row 2: 3 columns, not 2"),
]  # fmt: skip
#: a control that no one can mean, and what must be said
TYPED: list[tuple[str, str, str]] = [
    ("length", "nine", "write the number of words, as control=9"),
    ("length", "-3", "write the number of words"),
    ("length", "63", "63 words, but a text has at most 62"),
    ("length", "0", "malformed length 0"),
    ("length", "9" * 400, "write the number of words"),
    ("semantic_content", "soup", "write field=value"),
    ("semantic_content", "dish=", "write field=value"),
    ("semantic_content", "dihs=soup", "unknown field 'dihs': did you mean 'dish'?"),
    ("semantic_content", "dish=suop", "unknown value of dish 'suop': did you mean 'soup'?"),
    ("semantic_content", "near=soup", "unknown field 'near'"),
    ("parts_of_speech", "DET NUON", "unknown tag 'NUON': did you mean 'NOUN'?"),
    ("parts_of_speech", "DET " * 63, "63 words, but a text has at most 62"),
    ("syntax_spans", "0-3", "write first word, last word and label"),
    ("syntax_spans", "0-3:NPP", "unknown label 'NPP': did you mean"),
    ("syntax_spans", "0-3:S::", "unknown label ''"),
    ("syntax_spans", "3-0:NP", "malformed span"),
    ("syntax_spans", "0-99:NP", "100 words, but a text has at most 62"),
    ("syntax_tree", "(S (NP * *) (VP *)", "a closing bracket is missing"),
    ("syntax_tree", "(S (NQ * *) (VP *))", "unknown label 'NQ'"),
    ("syntax_tree", "(S (NP the mill))", "write a tree whose words are *"),
    ("syntax_tree", "*", "no opening bracket|write a tree"),
    ("syntax_tree", "()", "write a tree"),
    ("infilling", "only this.", "write the sentences around a blank"),
    ("infilling", "a _ b _ c", "write the sentences around a blank"),
    ("infilling", "_ b", "write the sentences around a blank"),
    ("length+semantic_content", "length=9", "write a control of each part, as length=..."),
    ("length+semantic_content", "length=9; length=8", "length is asked for twice"),
    ("length+semantic_content", "length=9; dish=suop", "unknown value of dish 'suop'"),
    ("length+semantic_content", "9; 9", "write field=value|write the number"),
    ("length+semantic_content", ";", "write a control of each part"),
]  # fmt: skip
LISTED: list[tuple[Any, str]] = [
    ([], "no JSON object with a 'control'"),
    ({"id": "a"}, "no JSON object with a 'control'"),
    ({"control": 9}, "a control is a JSON object"),
    ({"control": "x"}, "write the number of words"),
    ({"control": {"kind": "lenght", "words": 3}}, "unknown control 'lenght': did you mean"),
    ({"control": {"kind": "length", "words": "3"}}, "malformed length control"),
    ({"control": {"kind": "span", "start": 0, "end": 1, "label": "NP"}}, "'span' is no control of"),
    ({"control": "9", "id": 3}, "'id' is no text"),
    ({"control": "8", "id": "first"}, "target first stands twice"),
]
DRAWN = 100
TRIED = (
    Tried("own corpus", "rows that are no texts", len(ROWS)),
    Tried("own corpus", "lines that are no JSON of ours", len(LINES)),
    Tried("own corpus", "files and tables of another form", len(FILES)),
    Tried("own corpus", "something cut, doubled or put in", DRAWN, "texts, or one line"),
    Tried("own control", "a control that its task cannot read", len(TYPED)),
    Tried("own control", "any text for any task", DRAWN, "a control, or one line"),
    Tried("own control", "lines of a file that are no controls", len(LISTED)),
)
GOOD = {"text": "The soup was good.", "fields": {"dish": "soup"}}


def one_line(error: BaseException, *parts: str) -> None:
    said = str(error)
    assert "\n" not in said and len(said) < 1000 and all(part in said for part in parts), said


@pytest.mark.parametrize(("row", "message"), ROWS)
def test_a_row(row: Any, message: str, tmp_path: Path) -> None:
    first = dict(next(rows()))
    if isinstance(row, dict) and "sentences" in row:
        first = {"sentences": ["a"]}
    if message.startswith("'words.0"):
        first = {"words": ["a"]}
    if message.startswith("line 1: no 'split'"):
        del first["fields"]
    path = write(tmp_path / "mine.jsonl", [first, row])
    with pytest.raises(UserError) as error:
        load_corpus(str(path))
    one_line(error.value, "mine.jsonl line ", message.removeprefix("line 1: ").split(" line 1")[0])


@pytest.mark.parametrize(("line", "message"), LINES)
def test_a_line(line: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + line + b"\n")
    with pytest.raises(UserError) as error:
        load_corpus(str(path))
    one_line(error.value, "mine.jsonl", message)


@pytest.mark.parametrize(("name", "content", "message"), FILES)
def test_a_file(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        load_corpus(str(path))
    one_line(error.value, name)
    assert any(part in str(error.value) for part in message.split("|"))


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is trained, stored or printed beside it."""
    bare = write(tmp_path / "bare.jsonl", ({"text": row["text"]} for row in rows()))
    wrong = write(tmp_path / "wrong.jsonl", [*rows(), {"text": "a", "tags": []}])
    before = sorted(tmp_path.rglob("*"))
    for arguments, message in (
        ([f"corpus={wrong}", "task=length"], "wrong.jsonl line 201: 'tags' is empty"),
        ([f"corpus={bare}", "task=semantic_content"], "has no fields for semantic_content"),
        ([f"corpus={bare}", "task=infilling"], "infilling needs a corpus of stories"),
    ):
        given = [*arguments, f"out={tmp_path}/out", f"store={tmp_path}/store"]
        assert main(given) == 2
        assert guarded(targets.main, given) == 2
        assert guarded(generate.main, [*given, "control=9"]) == 2
        said = capsys.readouterr()
        assert said.err.count("error: ") == said.err.count("\n") == 3 and message in said.err
        assert not said.out and sorted(tmp_path.rglob("*")) == before


TOKENS = st.sampled_from(
    [b"[", b"]", b"{", b"}", b'"', b",", b":", b"\n", b"\r", b"\\ud83d", b"\\u0000", b"NaN",
     b"1e999", b"null", b"true", b"-1", b"\xff", b"\x00", b"\xe2\x80\xa8", b"START", b"END",
     b"text", b"words", b"tags", b"(", b")", b" ", b"[]", b"\\n", b"none"]
)  # fmt: skip


@settings(
    max_examples=DRAWN,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.integers(0, 1200), st.integers(0, 12), TOKENS | st.binary(max_size=4))
def test_any_bytes_give_texts_or_one_line(tmp_path: Path, at: int, cut: int, put: bytes) -> None:
    path = write(tmp_path / "mine.jsonl", rows(60, "tags", "tree"))
    raw = path.read_bytes()
    path.write_bytes(raw[:at] + put + raw[at + cut :])
    try:
        corpus = load_corpus(str(path))
    except UserError as error:
        one_line(error, "mine.jsonl")
    else:
        assert len(corpus.train) + len(corpus.valid) >= 59
        repr(corpus).encode()  # no half of a character


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    name = str(write(tmp_path_factory.mktemp("known") / "moods.jsonl", rows(100)))
    return Known(load_corpus(name).train, tokenizer(name))


@pytest.mark.parametrize(("task", "text", "message"), TYPED)
def test_a_control(task: str, text: str, message: str, known: Known) -> None:
    with pytest.raises(UserError) as error:
        load_task(task).typed(text, known)
    one_line(error.value)
    assert any(part in str(error.value) for part in message.split("|")), error.value


@settings(max_examples=DRAWN, deadline=None, derandomize=True)
@given(st.sampled_from([*TASKS, "length+semantic_content"]), st.text('9(S*);=-:,_ NP"a\x1b\u2028'))
def test_any_text_is_a_control_or_one_line(task: str, text: str) -> None:
    known = Known((), lambda text: tuple(text.split()))
    try:
        control = load_task(task).typed(text, known)
    except UserError as error:
        one_line(error)
    else:
        assert load_task(task).asks(control)


@pytest.mark.parametrize(("record", "message"), LISTED)
def test_a_line_of_controls(record: Any, message: str, tmp_path: Path, known: Known) -> None:
    path = write(tmp_path / "mine.jsonl", [{"id": "first", "control": "7"}, record])
    with pytest.raises(UserError) as error:
        read_given(path, load_task("length"), known)
    one_line(error.value, "mine.jsonl line 2: ", message)


def test_an_empty_file_of_controls(tmp_path: Path, known: Known) -> None:
    path = write(tmp_path / "mine.jsonl", [])
    with pytest.raises(UserError, match="holds no controls"):
        read_given(path, load_task("length"), known)
