"""Samples files of any bytes: what is read, and one line for what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.running.external import Form, read_external, read_samples
from eval.running.raw import SPECIALS, parts, stripped
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.common.given import parse_json, read_text
from tasks.controls import Length
from tasks.corpora import CORPORA, tokenizer, traits
from tests.hardening import Tried

TARGETS = [Target("a-1", Length(5)), Target("b-2", Length(3))]
PLAIN = Form(lambda text: tuple(text.split()))
GOOD = '{"target": "a-1", "text": "It is cheap ."}'

#: what is the matter, one line of the file, and what is said of it
BAD_LINES: list[tuple[str, str, str]] = [
    ("half an emoji", '{"target": "a-1", "text": "red \\ud83d"}', r"half a character, \ud83d"),
    ("half a character in words", '{"target": "a-1", "words": ["\\udc00"]}', "half a character"),
    ("half a character in a key", '{"target": "a-1", "text": "a", "\\ud83d": 1}', "half a"),
    ("an id twice", '{"target": "a-1", "target": "b-2", "text": "a"}', "'target' stands twice"),
    ("a text twice", '{"target": "a-1", "text": "a", "text": "b"}', "'text' stands twice"),
    ("not a number", '{"target": "a-1", "text": "a", "p": NaN}', "NaN is no JSON number"),
    ("infinity", '{"target": "a-1", "text": "a", "p": -Infinity}', "no JSON number"),
    ("a number beyond floats", '{"target": "a-1", "text": "a", "p": 1e999}', "too large"),
    ("10,000 digits", '{"target": "a-1", "n": ' + "9" * 10_000 + "}", "too large"),
    ("nested too deep", '{"target": "a-1", "text": ' + "[" * 100_000, "nested too deep"),
    ("words nested", '{"target": "a-1", "words": [["a"]]}', "no list of non-empty strings"),
    ("an empty word", '{"target": "a-1", "words": ["a", ""]}', "no list of non-empty strings"),
    ("words that are a string", '{"target": "a-1", "words": "a b"}', "no list of non-empty"),
    ("a null", "null", "not a JSON object"),
    ("a target that is a list", '{"target": ["a-1"], "text": "a"}', "no target id"),
    ("neither form", '{"target": "a-1", "words": null}', "give either"),
    ("an unknown target", '{"target": "a-2", "text": "a"}', "unknown target 'a-2': did you mean"),
    ("two records on a line", GOOD + GOOD, "not JSON: Extra data"),
]
#: what is the matter, and a whole file that holds two samples of a-1 and nothing else
GOOD_FILES: list[tuple[str, bytes]] = [
    ("a byte-order mark", b"\xef\xbb\xbf" + f"{GOOD}\n{GOOD}\n".encode()),
    ("line ends of Windows", f"{GOOD}\r\n{GOOD}\r\n".encode()),
    ("no newline at the end", f"{GOOD}\n{GOOD}".encode()),
    ("blank lines", f"\n{GOOD}\n \t\n\n{GOOD}\n\n".encode()),
    *(
        (f"U+{ord(sign):04X} within a text", f"{GOOD}\n{GOOD}".replace(" is", f"{sign}is").encode())
        for sign in "\u2028\u2029\x85"
    ),
    ("a whole emoji in halves", f"{GOOD}\n{GOOD}\n".replace("It", "\\ud83d\\ude00").encode()),
]  # fmt: skip
#: files that are none
BAD_FILES: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "holds no samples"),
    ("a byte-order mark alone", b"\xef\xbb\xbf", "holds no samples"),
    ("UTF-16", f"{GOOD}\n".encode("utf-16"), "UTF-16, it seems"),
    ("Latin-1", f"{GOOD}\n".replace("It", "Caf\u00e9").encode("latin-1"), "line 1: not UTF-8"),
    ("half a character in bytes", GOOD.encode() + b"\n\xed\xa0\xbd\n", "line 2: not UTF-8"),
    ("zeros", bytes(100), "line 1: not JSON"),
    ("an old Macintosh's line ends", f"{GOOD}\r{GOOD}\r".encode(), "line 1: not JSON"),
]
DRAWN = 200


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("what", "line", "said"), BAD_LINES, ids=[one[0] for one in BAD_LINES])
def test_a_malformed_line_is_named(tmp_path: Path, what: str, line: str, said: str) -> None:
    path = write(tmp_path / "s.jsonl", f"{GOOD}\n\n{line}\n".encode())
    with pytest.raises(UserError) as error:
        read_external(path, TARGETS, PLAIN)
    head, *listed = str(error.value).split("\n")
    assert "1 malformed lines" in head and len(listed) == 1
    assert listed[0].startswith("  line 3: ") and said in listed[0]


@pytest.mark.parametrize(("what", "content"), GOOD_FILES, ids=[one[0] for one in GOOD_FILES])
def test_what_other_programs_write_is_read(tmp_path: Path, what: str, content: bytes) -> None:
    path = write(tmp_path / "s.jsonl", content)
    found = read_external(path, TARGETS, PLAIN)
    assert list(found) == ["a-1"] and [len(words) for words in found["a-1"]] == [4, 4]
    assert path.read_bytes() == content


@pytest.mark.parametrize(("what", "content", "said"), BAD_FILES, ids=[one[0] for one in BAD_FILES])
def test_a_file_that_is_none_is_named(tmp_path: Path, what: str, content: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_external(write(tmp_path / "s.jsonl", content), TARGETS, PLAIN)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder, and no samples file"):
        read_samples(tmp_path, PLAIN)


ANY_TEXT = st.text(st.characters(), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
RECORD = st.fixed_dictionaries(
    {},
    optional={
        "target": st.sampled_from(["a-1", "b-2", "a-3"]) | JSON,
        "words": st.lists(ANY_TEXT, max_size=4) | JSON,
        "text": ANY_TEXT | JSON,
        "index": JSON,
    },
)
LINE = st.one_of(
    RECORD.map(lambda record: json.dumps(record).encode()),
    ANY_TEXT.filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)).map(str.encode),
    st.binary(max_size=20),
)


@settings(
    max_examples=DRAWN, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(lines=st.lists(LINE, max_size=5), strip=st.booleans(), closed=st.booleans())
def test_any_file_gives_samples_or_one_error(
    tmp_path: Path, lines: list[bytes], strip: bool, closed: bool
) -> None:
    content = b"\n".join(lines)
    path = write(tmp_path / "s.jsonl", content)
    form = Form(PLAIN.tokenize, ("\n",) if closed else (), strip)
    said = ""
    try:
        found = read_external(path, TARGETS, form)
    except UserError as error:
        said = str(error)
    if said:
        assert str(path) in said
    else:
        assert found and set(found) <= {"a-1", "b-2"}
        for samples in found.values():
            # what is read can be stored
            json.dumps(samples, ensure_ascii=False).encode()
            assert all(word for words in samples for word in words)
            assert not strip or SPECIALS.isdisjoint(w for words in samples for w in words)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("corpus", sorted(CORPORA))
def test_a_corpus_says_how_its_texts_end(corpus: str) -> None:
    assert tokenizer(corpus)("") == traits(corpus).closing


def test_both_forms_of_a_sample_are_the_same_words() -> None:
    form = Form(tokenizer("e2e"), traits("e2e").closing)
    words = ("The", "Mill", "is", "n't", "dear", ".")
    assert form.of_words(words) == form.of_text("The Mill isn't dear.") == (*words, "\n")
    assert form.of_words((*words, "\n")) == (*words, "\n")
    assert form.of_words(()) == form.of_text("") == form.of_text(" \n ") == ("\n",)
    assert PLAIN.of_words(words) == words


RAW: list[tuple[str, str]] = [
    ("START The Mill is dear . END PAD PAD", "The Mill is dear ."),
    ("[CLS] The Mill is dear . [SEP] [SEP] [PAD]", "The Mill is dear ."),
    ("<s>The Mill is dear .</s><pad><pad>", "The Mill is dear ."),
    ("<|endoftext|>The Mill is dear .<|endoftext|>The next", "The Mill is dear ."),
    ("<bos> The Mill <eos> is dear .", "The Mill"),
    ("PAD PAD END", ""),
    ("The ENDING is a START-up .", "The ENDING is a START-up ."),
    ("UNK is [UNK] .", "UNK is [UNK] ."),
]


@pytest.mark.parametrize(("raw", "text"), RAW)
def test_special_tokens_are_counted_and_left_out_when_asked(
    tmp_path: Path, raw: str, text: str
) -> None:
    tokens = parts(raw)
    assert stripped(tuple(tokens)) == tuple(text.split())
    records: list[dict[str, Any]] = [
        {"target": "a-1", "text": raw},
        {"target": "a-1", "words": tokens},
        {"target": "a-1", "text": text},
    ]
    path = write(tmp_path / "s.jsonl", "\n".join(map(json.dumps, records)).encode())
    samples = read_samples(path, Form(PLAIN.tokenize, strip=True))
    assert [words for *_, words in samples.rows] == [tuple(text.split())] * 3
    assert samples.raw == (2 if raw != text else 0)
    # as they stand without it
    assert read_samples(path, PLAIN).rows[1][2] == tuple(tokens)


def test_many_targets_are_not_all_listed(tmp_path: Path) -> None:
    targets = [Target(f"valid-{i}", Length(5)) for i in range(200)]
    path = write(tmp_path / "s.jsonl", b'{"target": "valid-x", "text": "a"}')
    with pytest.raises(UserError, match=r"\(valid: valid-0, valid-1, valid-10, ... \(200 in all"):
        read_external(path, targets, PLAIN)


def test_a_file_in_utf_16_is_read_where_it_may_be(tmp_path: Path) -> None:
    path = write(tmp_path / "x.txt", "Caf\u00e9 \U0001f600\n".encode("utf-16"))
    assert read_text(path, utf16=True) == "Caf\u00e9 \U0001f600\n"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="not UTF-8"):
        read_text(path, utf16=True)
    with pytest.raises(UserError, match=r"x\.json line 2: not JSON"):
        parse_json('{"a": 1,\n"b" 2}', "x.json")


TRIED = (
    Tried("samples file", "a malformed line", len(BAD_LINES), "one line naming it"),
    Tried("samples file", "byte-order marks, line ends, blank lines", len(GOOD_FILES), "read"),
    Tried("samples file", "no UTF-8, or nothing", len(BAD_FILES), "one line naming the place"),
    Tried("samples file", "special tokens of raw outputs", len(RAW), "counted, or left out"),
    Tried("samples file", "any lines", DRAWN, "samples, or one error; the file as it was"),
)
