"""Samples of other programs: what is read, and that every malformed line is named."""

import json

import pytest

from eval.running.external import Form, read_external
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import Length
from tasks.corpora import tokenizer

FORM = Form(lambda text: tuple(text.split()))
TARGETS = [Target("valid-1-5", Length(5)), Target("valid-2-3", Length(3))]


def read(path, *lines):
    path.write_text("".join(line + "\n" for line in lines))
    return read_external(path, TARGETS, FORM)


def test_words_are_taken_as_they_stand_and_texts_are_split(tmp_path):
    found = read(
        tmp_path / "s.jsonl",
        json.dumps({"target": "valid-2-3", "words": ["a b", "c"]}),
        "",
        json.dumps({"target": "valid-1-5", "text": "one two three", "model": "mine"}),
        json.dumps({"target": "valid-2-3", "text": "d"}),
    )
    assert found == {"valid-2-3": [("a b", "c"), ("d",)], "valid-1-5": [("one", "two", "three")]}


def test_every_malformed_line_is_named(tmp_path):
    with pytest.raises(UserError) as error:
        read(
            tmp_path / "s.jsonl",
            "{oops",
            json.dumps({"target": "valid-1-5", "text": "fine"}),
            json.dumps(["valid-1-5", "text"]),
            json.dumps({"target": "valid-1-6", "text": "a"}),
            json.dumps({"target": "valid-1-5"}),
            json.dumps({"target": "valid-1-5", "text": "a", "words": ["a"]}),
            json.dumps({"target": "valid-1-5", "words": ["a", 3]}),
            json.dumps({"target": "valid-1-5", "text": 4}),
            json.dumps({"text": "a"}),
        )
    message = str(error.value)
    assert "8 malformed lines" in message
    for number in (1, 3, 4, 5, 6, 7, 8, 9):
        assert f"line {number}:" in message
    assert "line 2:" not in message and "valid-1-5" in message


def test_many_malformed_lines_are_counted(tmp_path):
    with pytest.raises(UserError, match="and 10 more"):
        read(tmp_path / "s.jsonl", *["no"] * 30)


def test_empty_missing_and_binary_files_are_told(tmp_path):
    with pytest.raises(UserError, match="no samples"):
        read(tmp_path / "s.jsonl")
    with pytest.raises(UserError, match="there is no samples file"):
        read_external(tmp_path / "none", TARGETS, FORM)
    (tmp_path / "bin").write_bytes(b"\n\xff\xfe")
    with pytest.raises(UserError, match="line 2: not UTF-8"):
        read_external(tmp_path / "bin", TARGETS, FORM)


def test_corpora_say_how_they_split_text():
    assert tokenizer("e2e")("It's the  Mill, near us.") == (
        "It", "'s", "the", "Mill", ",", "near", "us", ".", "\n",
    )  # fmt: skip
    assert tokenizer("grammar")("a b .") == ("a", "b", ".")
