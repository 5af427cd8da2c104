"""Ratings, their key, and targets files of any content."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slices import ODD, mistake, places, replaced
from stored import LENGTHS, make_set

from eval.reading.results import ResultSet
from eval.run import guarded
from eval.running.cells import read_targets, write_lines
from eval.studies import human
from eval.studies.human import export, key_path
from eval.studies.ratings import COLUMNS, Key, read_ratings
from tasks.common.errors import UserError
from tasks.common.files import write_text
from tasks.controls import AllOf, FieldValue, Infill, Length, Span, TagSequence, to_json
from tests.hardening import Tried

CONTROLS = (
    *(Length(3), Span(1, 2, "NP"), FieldValue("name", "The Vaults"), TagSequence(("DET", "NOUN"))),
    *(Infill(("a",), ("b",)), AllOf((Length(3), Span(1, 2, "NP")))),
)
LINES = (
    *("3", "null", '"x"', "[]", "{}", '{"id": 3, "control": {}}', '{"id": "", "control": {}}'),
    *('{"id": "a"}', '{"id": "a", "control": 3}', '{"id": "a", "control": {"kind": "nothing"}}'),
    *('{"id": "a", "control": {"kind": "length", "words": NaN}}', "{" * 5000, "[" * 5000),
    '{"id": "a", "control": {"kind": "length", "words": ' + "9" * 10_000 + "}}",
    '{"id": "a", "control": {"kind": "stored", "name": "a", "fields": "x", "text": "y"}}',
    '{"id": "a", "control": {"kind": "all_of", "controls": ["ab"]}}',
    '{"id": "a", "control": {"kind": "all_of", "controls": []}}',
)
RATINGS = (
    *(b"", b"\n", b"\xff\xfe", b"\x00" * 50, b"a,b\n1,2\n", b'"' * 3001, b"pair;answer\n"),
    *(b"{}", ",".join(COLUMNS).encode() + b'\n"p', ",".join(COLUMNS[:5]).encode()),
    ",".join(COLUMNS).encode() + b"\n" + b"x" * 200_000 + b"\n",
    ",".join(COLUMNS).encode() + b"\r\np1,l,r,a,b,A,6,6\r\n",
)
EXAMPLES = 80
TRIED = (
    Tried("targets file", "lines that are no targets", len(LINES)),
    Tried("targets file", "a value of a control replaced", len(CONTROLS) * len(ODD), "one line"),
    Tried("ratings", "files of other bytes", len(RATINGS)),
    Tried("ratings", "a cell replaced by any text", EXAMPLES, "an answer, or one line"),
    Tried("ratings", "a value of the key replaced", len(ODD) * 5, "a key, or one line"),
)


@pytest.mark.parametrize("line", LINES)
def test_no_target(line: str, tmp_path: Path) -> None:
    path = tmp_path / "targets.jsonl"
    good = json.dumps({"id": "t", "control": to_json(Length(2))})
    write_text(path, f"{good}\n{line}\n")
    with pytest.raises(UserError) as error:
        read_targets(path)
    said = str(error.value)
    assert str(path) in said and "line 2" in said and "\n" not in said


def test_a_target_twice(tmp_path: Path) -> None:
    path = tmp_path / "targets.jsonl"
    write_lines(path, [{"id": "t", "control": to_json(Length(2))}] * 2)
    with pytest.raises(UserError, match="line 2: target t stands twice"):
        read_targets(path)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.kind)
def test_controls_of_other_values(control: Length, tmp_path: Path) -> None:
    path, stored = tmp_path / "targets.jsonl", to_json(control)
    for at in places(json.loads(json.dumps(stored))):
        for odd in (*ODD, ...):
            changed = replaced(json.loads(json.dumps(stored)), at, lambda _, odd=odd: odd)
            record = {"id": "t"} if changed is ... else {"id": "t", "control": changed}
            path.write_text(json.dumps(record) + "\n")
            if said := mistake(lambda: read_targets(path)):
                assert f"{path} " in said
                assert "line 1" in said
            else:
                (target,) = read_targets(path)
                assert hash(target)
                assert target.control.brief()
                assert target.control.say()


# ratings


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Key]:
    """A set, its pairs and their key."""
    folder = tmp_path_factory.mktemp("ratings") / "set"
    texts = {m: {t: [f"=a {m} ."] for t in LENGTHS} for m in ("diffusion_lm", "ar_infilling")}
    controls = {t: Infill(("-Ann", t), ("@She", ".")) for t in LENGTHS}
    make_set(folder, texts, LENGTHS, "infilling")
    records = [{"id": t, "control": to_json(c)} for t, c in controls.items()]
    write_lines(folder / "infilling" / "targets.jsonl", records)
    methods = ["diffusion_lm", "ar_infilling"]
    text, key = export(ResultSet(folder), methods, 2, 0, lambda results: {})
    return folder, text, key


def test_cells_are_guarded_and_read_back(exported: tuple[Path, str, Key], tmp_path: Path) -> None:
    _, text, key = exported
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert all(cell[:2] in ("'=", "'-", "'@") for row in rows[1:] for cell in row[1:5])
    for row in rows[1:]:
        row[5] = "A"
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    path = tmp_path / "pairs.csv"
    write_text(path, out.getvalue())
    assert len(read_ratings(path, key)) == len(key.pairs)


@pytest.mark.parametrize("data", RATINGS)
def test_other_bytes(
    data: bytes,
    exported: tuple[Path, str, Key],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, _, key = exported
    path = tmp_path / "pairs.csv"
    path.write_bytes(data)
    write_text(key_path(path), key.text())
    assert guarded(human.main, ["import", f"run={folder}", f"ratings={path}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert not list(folder.rglob("human_ratings.json"))


@given(at=st.integers(0, 15), text=st.text(max_size=6))
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_any_cell(at: int, text: str, exported: tuple[Path, str, Key], tmp_path: Path) -> None:
    _, pairs, key = exported
    rows = list(csv.reader(io.StringIO(pairs, newline="")))
    rows[at // len(COLUMNS)][at % len(COLUMNS)] = text
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    path = tmp_path / "pairs.csv"
    path.write_bytes(out.getvalue().encode("utf-8", "surrogatepass"))
    said = mistake(lambda: read_ratings(path, key))
    assert not said or str(path) in said


def test_any_key(exported: tuple[Path, str, Key], tmp_path: Path) -> None:
    _, _, key = exported
    path = tmp_path / "pairs.key.json"
    stored = json.loads(key.text())
    for at in places(stored):
        for odd in (*ODD, ...):
            changed = replaced(stored, at, lambda _, odd=odd: odd)
            path.write_text("" if changed is ... else json.dumps(changed))
            said = mistake(lambda: Key.read(path))
            assert not said or str(path) in said
