"""Text is text and numbers are decimal, whatever YAML would make of them, at every key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from settable import configs, every_key

from eval.running.command import parse
from eval.running.keys import Key, override
from eval.running.values import entries, paths, read
from slurm.config import SweepConfig, parse_sweep
from tasks.common.errors import UserError
from tests.hardening import Tried

#: texts that look like something else
TEXTS = (
    "0123", "2024_05_01", "run #2", "no", "on", "12:30", "1_000", "0x10", "1e3", "~", "true",
    "${oc.env:HOME}", "a: b", "[x]", "{x: y}", "'quoted'", "-1", "nan", "lr=0.1", "NULL",
)  # fmt: skip
TEXT_KEYS = [one for one in every_key() if one[2].hint in (str, str | None)]
#: keys whose text names something that there is: which has its own refusal
NAMES = {"task", "method", "corpus", "device", "floor_by", "repair"}
#: what is typed -> the field, where that is called otherwise
FIELDS = {"with": "beside"}
INTEGERS = {"010": 10, "007": 7, "+3": 3, " 4 ": 4, "12": 12}
NO_INTEGERS = ("0x10", "1_000", "4:00:00", "1e3", "3.0", "", "٣", "o17", "--2", "1 2", "null", "no")
#: what a time of SLURM's comes to
TIMES = {
    "minutes": {"4:00:00": 240, "2-0": 2880, "1-12:30": 2190, "90:30": 91, "0:30": 1},
    "grace": {"2:00": 120, "0:01:30": 90},
    "stop_after": {"1:30:00": 90},
}
#: lines of a profile, the key, and what it holds then
PROFILES: list[tuple[str, str, Any]] = [
    ("account: 0123", "account", "0123"),
    ("partition: 12:30", "partition", "12:30"),
    ("qos: no", "qos", "no"),
    ("mem: 1_000", "mem", "1_000"),
    ("constraint: [a]x", "constraint", None),
    ("mem: 64GB  # of memory", "mem", "64GB"),
    ("account: null", "account", None),
    ("account:", "account", None),
    ('account: "null me"', "account", "null me"),
    ("minutes: 010", "minutes", 10),
    ("gpus: 0", "gpus", 0),
    ("wait: yes", "wait", True),
    ("setup:\n  - echo a: b\n  - module load cuda", "setup", ["echo a: b", "module load cuda"]),
    ("setup:\n  - 'x: y'\n  - case:", "setup", ["x: y", "case:"]),
    ("setup: module load cuda", "setup", ["module load cuda"]),
    ("setup: [a: b, c]", "setup", ["a: b", "c"]),
    ("setup: echo a: b", "setup", None),
]
WRONG_PROFILES = {
    "minutes: 4:00:00": "line 1: minutes=4:00:00: minutes as a whole number, as 240",
    "gpus: 1\ngpus: 2": "line 2: gpus is given twice",
    "partition: gpu\naccount: [a, b]": "line 2: account is one text, not a list",
    "account: {a: b}": "account is one text",
    "setup:\n  - [a, b]": "line 1: setup: [a, b] is no text: put it in quotes",
    "setup:\n  - {a: b}": "is no text: put it in quotes",
    "setup:\n  - a: b\n    c: d": "is no text: put it in quotes",
    "partion: gpu": "did you mean 'partition'",
    "profile: other.yaml": "unknown key of profile",
    "[1, 2]: x": "unknown key",
    "- a": "is no list of 'key: value'",
    "words": "is no list of 'key: value'",
    "a: [": "cannot read profile",
    "a: *b": "cannot read profile",
    "grace: nan": "grace=nan: seconds as a whole number",
    "minutes: 1": "grace=90: below 60",
    "[" * 2000: "cannot read profile",
    "account: ''": "account=: empty",
    'account: "a\\nb"': "account='a\\nb': a text on one line",
}
TRIED = (
    Tried(
        "command line",
        "a text that looks like a number, a truth value, a list or a comment",
        len(TEXT_KEYS) * len(TEXTS),
        "the text as it stands",
    ),
    Tried("command line", "an integer that is not decimal digits", len(NO_INTEGERS)),
    Tried("command line", "a time in place of minutes or seconds", sum(map(len, TIMES.values()))),
    Tried("profile", "a text that looks like something else", len(PROFILES), "the text, or a line"),
    Tried("profile", "a key, a value or a file that is none", len(WRONG_PROFILES)),
)


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_key_takes_its_text_as_it_stands(text: str) -> None:
    for _, name, key in TEXT_KEYS:
        assert key.read(name, text) == text, name
    for owner, config in configs().items():
        own = [n for o, n, _ in TEXT_KEYS if o == owner and n not in NAMES and "." not in n]
        for name in own:
            if name not in ("profile", "preset"):
                field = FIELDS.get(name, name)
                assert getattr(override(config, {name: text}), field) == text, (owner, name)


def test_there_are_many_keys() -> None:
    assert len(TEXT_KEYS) > 40 and len(every_key()) > 250


def test_null_leaves_out_what_may_be_left_out_and_is_a_text_elsewhere() -> None:
    assert parse(["data=null"]).data is None and parse(["fudge.lam=null"]).fudge.lam is None
    assert parse(["store=null"]).store == "null"
    with pytest.raises(UserError, match=r"samples=null: a whole number .*expected int"):
        parse(["samples=null"])


@pytest.mark.parametrize(("owner", "name", "key"), TEXT_KEYS)
def test_an_empty_text_is_taken_where_it_says_something(owner: str, name: str, key: Key) -> None:
    if key.default == "" or key.metadata.get("empty"):
        assert key.read(name, "") == ""
    else:
        for empty in ("", " "):
            with pytest.raises(UserError, match=f"^{name}= ?: empty"):
                key.read(name, empty)


def test_integers_are_decimal() -> None:
    for text, value in INTEGERS.items():
        assert read(int, text) == value
    assert parse(["seed=010"]).seed == 10
    for text in NO_INTEGERS:
        with pytest.raises(UserError, match=r"^samples=.*: a whole number in decimal digits"):
            parse([f"samples={text}"])


def test_a_time_is_refused_with_what_it_comes_to() -> None:
    for key, times in TIMES.items():
        command = parse if key == "stop_after" else parse_sweep
        for text, value in times.items():
            with pytest.raises(UserError, match=f"{key}={text}: .*, as {value} "):
                command([f"{key}={text}"])


def test_seeds() -> None:
    assert parse_sweep(["seeds=010"]).runs[0][0] == "seed=10"
    assert [run[0] for run in parse_sweep(["seeds=010,011"]).runs] == ["seed=10", "seed=11"]
    for wrong, said in {
        "-1": "-1: at least 0",
        "1,-2": "-2: at least 0",
        "1,1": "1 is given twice",
        "1,01": "1 is given twice",
        "1,,2": "numbers separated by commas",
        "0x1": "numbers separated by commas",
        "9" * 30: "at most 9223372036854775807",
    }.items():
        with pytest.raises(UserError, match=f"seeds=.*{said}"):
            parse_sweep([f"seeds={wrong}"])
    for key in ("seed", "train_seed"):
        with pytest.raises(UserError, match=f"^{key}=-1: at least 0"):
            parse([f"{key}=-1"])


@pytest.mark.parametrize(("text", "key", "value"), PROFILES)
def test_a_profile_holds_texts(tmp_path: Path, text: str, key: str, value: Any) -> None:
    path = tmp_path / "lr=0.1 site.yaml"
    path.write_text(text, encoding="utf-8")
    if value is None and key in ("constraint", "setup"):  # no YAML
        with pytest.raises(UserError, match="cannot read profile .* \\(line 1\\)"):
            parse_sweep([f"profile={path}"])
    else:
        config = parse_sweep([f"profile={path}"]).config
        assert getattr(config, key) == value
        assert config.partition == (value if key == "partition" else None)


@pytest.mark.parametrize(("text", "said"), WRONG_PROFILES.items())
def test_what_is_wrong_with_a_profile(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        parse_sweep([f"profile={path}"])
    assert said in str(caught.value) and "site.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_profiles_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"account: caf\xe9")
    for name in ("latin", ".", "none"):
        with pytest.raises(UserError, match="cannot read profile"):
            parse_sweep([f"profile={tmp_path / name}"])
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbfaccount: a")
    assert parse_sweep([f"profile={tmp_path / 'marked'}"]).config.account == "a"


def test_setup_lines_on_the_command_line() -> None:
    def setup(text: str) -> list[str]:
        return parse_sweep([f"setup={text}"]).config.setup

    assert setup("module load x: y") == ["module load x: y"]
    assert setup('["a, b", c: d]') == ["a, b", "c: d"]
    assert setup("[]") == [] and SweepConfig().setup == []
    for wrong in ("[", "[{a: b}]", "[[a]]"):
        with pytest.raises(UserError, match="^setup="):
            setup(wrong)


def test_names_with_equals_signs_and_commas(tmp_path: Path) -> None:
    assert str(parse(["out=r/lr=0.1"]).folder) == "r/lr=0.1"
    assert parse_sweep(["out=r/lr=0.1"]).runs == (("out=r/lr=0.1",),)
    named = tmp_path / "a,b"
    named.mkdir()
    other = tmp_path / "c"
    assert paths(f"{other},{named},{other}") == [other, named, other]
    assert paths("x, y,,z") == [Path("x"), Path("y"), Path("z")]
    assert entries("(1, 2,)") == ["1", "2"] == entries("[1,2]") and entries("[]") == []
