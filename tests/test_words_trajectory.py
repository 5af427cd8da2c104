"""A text's way from masks or noise to words, of every family, and the picture of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stored import make_set
from test_words_families import FAMILIES, asked_of, folders, loaded, targets
from word_nets import WORDS

from baselines import METHODS
from eval.reading.figures.style import render
from eval.reading.figures.trajectory import DENOISING, animation
from eval.reading.results import ResultSet
from eval.studies.trajectory import TrajectoryOptions, trajectory
from eval.studies.trajectory import main as trajectory_main
from models.diffusion.loop import moments
from tasks.common.errors import UserError
from tasks.common.files import write_text

__all__ = ["folders"]
MASK = "·"


def test_moments() -> None:
    assert sorted(moments(20, 6)) == [-1, 3, 7, 11, 15, 19]
    assert sorted(moments(3, 48)) == [-1, 0, 1, 2] and sorted(moments(1, 2)) == [-1, 0]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("task", ["length", "parts_of_speech"])
def test_it_ends_in_the_sample(folders: dict[str, Path], name: str, task: str) -> None:
    method = loaded(name, folders, task, steps=4)
    target = targets(task)[1]
    (result,) = method.generate([target], 2, seed=7)
    found = trajectory(method, target, 7, 48)
    frames = found["frames"]
    assert frames[-1]["words"] == list(result.samples[0].tokens)
    assert [f["t"] for f in frames] == list(range(len(frames) - 2, -2, -1))
    assert [f["std"] for f in frames] == [
        round((f["t"] + 1) / (len(frames) - 1), 4) for f in frames
    ]
    assert frames[0]["words"][0] == "START" and MASK not in frames[-1]["words"]
    masks = [f["words"].count(MASK) for f in frames]
    if masks[0]:
        assert masks[0] == asked_of(target)
        if name in ("mdlm", "maskgit", "ardm"):
            assert masks == sorted(masks, reverse=True)
    else:  # words that were drawn
        assert set(frames[0]["words"]) <= {*WORDS.words}
    assert len(trajectory(method, target, 7, 3)["frames"]) <= 3
    assert found["control"] == target.control.to_json()


def test_a_picture_of_masks(folders: dict[str, Path], tmp_path: Path) -> None:
    method = loaded("mdlm", folders, "length", steps=64)
    found = trajectory(method, targets("length")[1], 0, 48)
    folder = make_set(tmp_path / "set")
    write_text(folder / "trajectory.json", json.dumps({"task": "length", "method": "x", **found}))
    results = ResultSet(folder)
    assert b"svg" in render(DENOISING.draw(results), "svg")
    assert animation(results)[:3] == b"GIF"


def test_errors(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    with pytest.raises(UserError, match="unknown method 'fugde'.* 'fudge'"):
        trajectory_main([f"run={folder}", "method=fugde"])
    assert TrajectoryOptions().method in METHODS

    class Plain:
        card: Any = METHODS.card("fudge")

    from models.base import Generator

    with pytest.raises(UserError, match="FUDGE does not go from noise to text"):
        Generator.trajectory(Plain(), None, 0, 3)  # type: ignore[arg-type]


def test_what_stays_of_a_text_that_changes_its_length() -> None:
    from eval.reading.figures.trajectory import positions, settled

    frames = [[], ["a", "b", "d"], ["a", "c", "b", "d"]]
    assert [settled(words, frames[-1]) for words in frames] == [[], [True] * 3, [True] * 4]
    assert settled(["x", "b"], ["b", "x"]) == [False, False]
    assert settled(["x", "b", "x"], ["b", "x"]) == [False, True, True]
    assert positions({"frames": [{"words": words} for words in frames]}) == 4
