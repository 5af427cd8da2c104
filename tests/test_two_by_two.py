"""The table of prompting and guidance, on toy result sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from stored import fill, make_set

from eval.reading.results import ResultSet
from eval.studies.squares import Square, as_json, families, squares
from eval.studies.two_by_two import main
from models.base import BOTH, CORNERS, GUIDED, PLAIN, PROMPTED
from tasks.common.errors import UserError
from tasks.controls import Length

MANY = {f"t{i}": Length(3) for i in range(15)}
GOOD, BAD = "a b c", "a b c d"
FAMILY, METHODS = next(iter(families().items()))


def made(folder: Path, **corners: Sequence[str]) -> ResultSet:
    """A set of one family, each corner with these samples of every target."""
    named = {"plain": PLAIN, "prompted": PROMPTED, "guided": GUIDED, "both": BOTH}
    texts = {METHODS[named[c]]: dict.fromkeys(MANY, rows) for c, rows in corners.items()}
    return ResultSet(make_set(folder, texts, MANY))


def square(results: ResultSet) -> Square:
    (one,) = (one for one in squares(results, ["length"]) if one.family == FAMILY)
    return one


def test_families_have_four_corners() -> None:
    assert all(set(methods) == set(CORNERS) for methods in families().values())
    assert len(families()) >= 2


def test_the_fourth_beats_both(tmp_path: Path) -> None:
    corners = {"plain": [BAD, BAD], "prompted": [GOOD, BAD], "guided": [BAD, BAD]}
    found = square(made(tmp_path / "set", **corners, both=[GOOD, GOOD]))
    assert found.metric == "len_exact" and found.verdict == "complementary"
    figures = {corner: one.ctrl for corner, one in found.corners.items()}
    ours = {corner: one.ours if one else None for corner, one in figures.items()}
    assert ours == {PLAIN: 0.0, PROMPTED: 50.0, GUIDED: 0.0, BOTH: 100.0}
    gains = {corner: gain.ctrl for corner, gain in found.gains.items()}
    assert {corner: gain.value for corner, gain in gains.items()} == {PROMPTED: 50.0, GUIDED: 100.0}
    assert found.p == max(gain.p for gain in gains.values()) < 0.01
    lm = found.gains[GUIDED].lm
    assert lm is not None and lm.value == pytest.approx(0)


@pytest.mark.parametrize(
    ("prompted", "guided", "both", "verdict"),
    [
        ([GOOD, GOOD], [BAD, BAD], [GOOD, GOOD], "open"),  # no better than one alone
        ([GOOD, GOOD], [BAD, BAD], [GOOD, BAD], "competing"),
        ([GOOD, BAD], [GOOD, BAD], [GOOD, BAD], "open"),
    ],
)
def test_it_must_beat_each_of_them(
    tmp_path: Path, prompted: list[str], guided: list[str], both: list[str], verdict: str
) -> None:
    found = square(made(tmp_path / "set", prompted=prompted, guided=guided, both=both))
    assert found.verdict == verdict and found.p == 1.0
    assert found.corners[PLAIN].reason.startswith("not run: python -m eval.run")


def test_control_that_costs_fluency(tmp_path: Path) -> None:
    results = made(tmp_path / "set", prompted=[GOOD, BAD], guided=[BAD], both=[GOOD, GOOD])
    cell = results.folder / "length" / METHODS[BOTH]
    lines = [json.loads(line) for line in (cell / "scores.jsonl").read_text().splitlines()]
    dear = [json.dumps({**line, "nll": 3.0 * line["tokens"]}) for line in lines]
    (cell / "scores.jsonl").write_text("".join(f"{line}\n" for line in dear))
    found = square(ResultSet(results.folder))
    assert found.p is not None and found.p < 0.01 and found.verdict == "costly"


def test_what_is_lacking_says_why(tmp_path: Path) -> None:
    results = made(tmp_path / "set", prompted=[GOOD], both=[GOOD])
    found = square(results)
    assert not found.gains and found.p is None and found.verdict == ""
    assert "not run" in found.corners[GUIDED].reason
    with pytest.raises(UserError, match="and both at once: not run: python -m"):
        main([f"run={results.folder}"])
    assert not list(results.folder.glob("two_by_two*"))
    # other judges
    results = made(tmp_path / "other", prompted=[GOOD], guided=[BAD], both=[GOOD])
    place = results.folder / "length" / METHODS[GUIDED] / "config.json"
    place.write_text(place.read_text().replace("teacher-0", "teacher-1"))
    found = square(ResultSet(results.folder))
    assert "another teacher" in found.corners[GUIDED].reason and not found.gains
    # no target in common
    results = made(tmp_path / "apart", prompted=[GOOD], guided=[BAD], both=[GOOD])
    fill(results.folder / "length" / METHODS[GUIDED], {"z": [GOOD]}, {"z": Length(3)})
    assert not square(ResultSet(results.folder)).gains


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = made(
        tmp_path / "set", plain=[BAD], prompted=[GOOD, BAD], guided=[BAD], both=[GOOD, GOOD]
    )
    main([f"run={results.folder}", f"out={tmp_path / 'new' / 'tables'}"])
    said = capsys.readouterr().out
    assert "complementary" in said and "two_by_two.md" in said
    place = tmp_path / "new" / "tables"
    stored = json.loads((place / "two_by_two.json").read_text())
    assert stored["set"] == "set" and len(stored["squares"]) == len(families())
    assert as_json(square(results)) in stored["squares"]
    page = (place / "two_by_two.md").read_text()
    assert f"{FAMILY}" in page and "+100.0" in page and "not run" in page
    assert not list(results.folder.glob("two_by_two*"))
    main([f"run={results.folder}", "task=length"])
    assert (results.folder / "two_by_two.md").read_text() == page
    with pytest.raises(UserError, match="did you mean 'length'"):
        main([f"run={results.folder}", "task=lenght"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="out="):
        main([f"run={results.folder}", f"out={tmp_path / 'file'}"])
