"""Copies of training texts in a set that was judged before they were counted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from eval.copied import main
from eval.run import guarded
from eval.running.cells import copied
from tests.stored import ROOT

DEMO = ROOT / "results" / "demo"


def test_words_are_compared_one_by_one() -> None:
    training = {("a", "b"), ("c",)}
    assert copied([("a", "b"), ("a",), ("c",), ("c",)], training) == {"copied": 3, "texts": 4}


def test_the_committed_counts_are_what_the_command_gives(tmp_path: Path) -> None:
    """Of one task; all other facts of a cell stay as they are."""
    own = tmp_path / "set"
    for name in ("length", "human", "unconditional"):
        shutil.copytree(DEMO / name, own / name)
    shutil.copy(DEMO / "run.json", own)
    places = [*sorted(own.glob("length/*/config.json")), own / "human" / "config.json"]
    counted = [place for place in places if "copied" in json.loads(place.read_text())]
    assert len(counted) == 6
    before = {place: place.read_bytes() for place in counted}
    for place in counted:
        facts = json.loads(place.read_text())
        facts["copied"] = {"copied": 9, "texts": 9}
        place.write_text(json.dumps(facts))
    main([f"run={own}"])
    assert {place: place.read_bytes() for place in counted} == before


@pytest.mark.parametrize("given", ["run=nowhere", "run=.", "rnu=x"])
def test_mistakes_are_one_line(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert guarded(main, [given]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
