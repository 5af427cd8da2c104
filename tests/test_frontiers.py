"""Sweeps over several methods, what each of their points holds, and the figure of frontiers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stored import LENGTHS, TEXTS, fill, make_set

from baselines import METHODS
from eval.reading.figures.frontiers import FRONTIERS, ROWS, STARS, STORED, panels
from eval.reading.figures.style import Missing, looks
from eval.reading.measured import equal_count, measured_tasks
from eval.reading.names import OWN
from eval.reading.results import ResultSet
from eval.reading.sweeps import frontiers, swept
from eval.running import runner
from eval.running.cells import write_lines
from eval.studies.sweep import main, measured_point
from eval.studies.varied import Varied, varied
from tasks.common.errors import UserError

#: of each target one sample, so that tables compare two samples of each method
FEW = {target: rows[:1] for target, rows in TEXTS["fudge"].items()}
OLD = {"task": "length", "method": "fudge", "key": "fudge.lam", "value": 2.0}
OLD |= {"ctrl": [50.0, 40.0, 60.0], "lm": [5.0, 4.0, 6.0], "nfe": 5.0, "seconds": 0.1}


def new(value: float, **more: Any) -> dict[str, Any]:
    """A point of this version: the higher the value, the more control at a higher perplexity."""
    figures = {"ctrl": [10 * value] * 3, "lm": [value, value, value]}
    later = {"distinct2": 1 / value, "samples": 2, "length": 2 * value}
    return {**OLD, **figures, **later, "value": float(value), **more}


def judged(folder: Path, *points: dict[str, Any]) -> ResultSet:
    """A set of two methods, one with fewer samples, and its sweep. An unordered one: readers
    order."""
    make_set(folder, {"fudge": TEXTS["fudge"], "ft_sample": FEW})
    fill(folder / "length" / "human", {"t1": ["a b c"], "t2": ["a b"]})
    own = json.dumps({"own": {"words": 5, "texts": 2}})
    (folder / "length" / "human" / "config.json").write_text(own)
    common = {"target": "h", "index": 0, "nll": 6.0, "tokens": 4}
    write_lines(folder / "human" / "scores.jsonl", [common])
    if points:
        (folder / "sweep.json").write_text(json.dumps({"points": points}))
    return ResultSet(folder)


def test_each_method_has_its_own_setting_and_values(tmp_path: Path) -> None:
    results = judged(tmp_path / "set")
    one, other = varied(results, "fudge,ft_sample", None, None, None)
    assert one == Varied("fudge", "fudge.lam", ["16", "8", "4", "2"], ["length"])
    assert (other.method, other.key) == ("ft_sample", "ft_sample.temperature")
    assert tuple(other.values) == METHODS.card("ft_sample").ranges["temperature"]
    given = varied(results, "fudge,ft_sample", "length", None, "1,2")
    assert [(v.key, v.values) for v in given] == [(one.key, ["1", "2"]), (other.key, ["1", "2"])]
    # a second setting of a method, whose values are not those of its trade-off
    assert varied(results, "fudge", None, "fudge.temperature", "1")[0].values == ["1"]
    with pytest.raises(UserError, match="none are proposed for fudge"):
        varied(results, "fudge", None, "fudge.temperature", None)


def test_tasks_without_judged_samples_are_not_swept(tmp_path: Path) -> None:
    folder = judged(tmp_path / "set").folder
    (folder / "length" / "ft_sample" / "scores.jsonl").unlink()
    with pytest.raises(UserError, match="no judged samples of ft_sample, but of fudge$"):
        varied(ResultSet(folder), "fudge,ft_sample", None, None, None)


def test_a_point_at_the_sets_own_setting_is_the_tables(tmp_path: Path) -> None:
    """Its run has a floor of one sample, which is none of the set's: two samples count."""
    results = judged(tmp_path / "set")
    folder = make_set(tmp_path / "run", {"fudge": TEXTS["fudge"]})
    floor = {"target": "u", "index": 0, "words": ["a", "b"], "tokens": ["a", "b"], "of": 1}
    write_lines(folder / "unconditional" / "samples.jsonl", [{**floor, "nfe": 1, "seconds": 0.1}])
    row = measured_tasks(results)["length"].first("fudge")
    assert row is not None and row.lm is not None and equal_count(results, "length") == 2
    point = measured_point(ResultSet(folder), "length", "fudge", 2)
    assert point["distinct2"] == pytest.approx(row.distinct2, rel=1e-5)
    assert point["length"] == pytest.approx(row.length, rel=1e-5)
    assert point["lm"][0] == pytest.approx(row.lm.ours, rel=1e-5) and point["samples"] == 2
    # of all four samples it would be another number
    assert measured_point(ResultSet(folder), "length", "fudge", 4)["distinct2"] < row.distinct2
    with pytest.raises(UserError, match="no control or no lm of pplm under length"):
        measured_point(ResultSet(folder), "length", "pplm", 2)


def test_the_command_stores_every_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Instead:
        """A run whose samples are made up: the value of the setting as often as it says."""

        def __init__(self, config: Any, display: object, command: object) -> None:
            self.config = config

        def execute(self) -> None:
            (method,) = self.config.methods
            settings = getattr(self.config, method)
            times = (settings.lam or 1) if method == "fudge" else 10 * settings.temperature
            texts = {target: [" ".join(["a b"] * int(times))] * 2 for target in LENGTHS}
            make_set(self.config.folder, {method: texts})

    monkeypatch.setattr(runner, "Run", Instead)
    folder = judged(tmp_path / "set").folder
    command = [f"run={folder}", f"store={tmp_path / 'store'}"]
    main([*command, "method=fudge,ft_sample", "task=length"])
    main([*command, "key=fudge.temperature", "values=1", "method=fudge"])
    found = {(p["key"], p["value"]): p for p in swept(ResultSet(folder))}
    assert [p for p in found if p[0] == "fudge.lam"] == [("fudge.lam", v) for v in (2, 4, 8, 16)]
    assert len(found) == 4 + len(METHODS.card("ft_sample").ranges["temperature"]) + 1
    assert found["fudge.lam", 4.0]["length"] == 8 and found["fudge.lam", 4.0]["samples"] == 2
    assert found["ft_sample.temperature", 0.5]["length"] == 10
    assert "length: ft_sample.temperature=0.5" in capsys.readouterr().out


def test_points_of_earlier_versions_are_read(tmp_path: Path) -> None:
    results = judged(tmp_path / "set", OLD)
    assert [p["value"] for p in swept(results)] == [2.0] and not frontiers(results)
    with pytest.raises(Missing, match=f"eval.sweep run={results.folder}"):
        FRONTIERS.draw(results)
    # beside later ones they are passed over
    both = judged(tmp_path / "both", OLD, new(3), new(1))
    assert [[p["value"] for p in one.points] for one in frontiers(both)] == [[1.0, 3.0]]
    for wrong in ({"distinct2": 1.5}, {"length": -1.0}, {"samples": 0.5}):
        broken = judged(tmp_path / next(iter(wrong)), {**new(1), **wrong})
        with pytest.raises(UserError, match=f"sweep.json.*{next(iter(wrong))}"):
            swept(broken)


def test_sweeps_over_steps_and_of_other_tasks_are_no_frontiers(tmp_path: Path) -> None:
    steps = {"method": "diffusion_lm", "key": "diffusion_lm.sampling.steps"}
    elsewhere = {"task": "syntax_spans"}
    results = judged(tmp_path / "set", new(1), new(2, **steps), new(1, **elsewhere))
    assert [(one.task, one.method) for one in frontiers(results)] == [("length", "fudge")]


def test_what_the_panels_show(tmp_path: Path) -> None:
    other = {"method": "fudge", "key": "fudge.temperature"}
    points = (new(3), new(1), new(2, samples=9), new(1, **other), new(5, **other))
    results = judged(tmp_path / "set", *points)
    shown = panels(results, "length", frontiers(results))
    lam, temperature = (line for _, _, line in shown["ctrl"].lines)
    assert lam == [(1, 10, "1"), (2, 20, "2"), (3, 30, "3")]
    assert temperature == [(1, 10, "1"), (5, 50, "5")]
    # distinct-2 of nine samples is not that of two
    assert shown["distinct2"].lines[0][2] == [(1, 1, "1"), (3, pytest.approx(1 / 3), "3")]
    assert shown["length"].lines[0][2][1] == (2, 4, "2")
    names, styles = zip(*((name, look) for name, look, _ in shown["ctrl"].lines), strict=True)
    assert names == ("FUDGE: lam", "FUDGE: temperature")
    assert styles[0]["color"] == styles[1]["color"] and "markerfacecolor" not in styles[0]
    row = measured_tasks(results)["length"].first("fudge")
    assert row is not None and row.lm is not None
    for quantity, figure in (("distinct2", row.distinct2), ("length", row.length)):
        assert [at for _, at in shown[quantity].cells] == [(row.lm.ours, figure)]
    # people's texts: no distinct-2 is stored of them
    assert set(shown["ctrl"].people) <= set(STARS) and OWN in shown["ctrl"].people
    assert shown["ctrl"].people[OWN][1] == 100 and shown["distinct2"].people[OWN][1] is None


def test_the_figure_is_three_panels_a_task_on_one_axis(tmp_path: Path) -> None:
    results = judged(tmp_path / "set", new(1), new(300))
    with looks():
        figure = FRONTIERS.draw(results)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_ylabel() for axis in shown] == list(ROWS.values())
    assert len({axis.get_xlim() for axis in shown}) == 1 and shown[0].get_xscale() == "log"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()][:2] == ["FUDGE: lam", STORED]


def test_tables_say_what_a_row_could_have_been(tmp_path: Path) -> None:
    one = measured_tasks(judged(tmp_path / "set", new(3), new(1), new(2)))["length"]
    (note,) = [note for note in one.notes if "Swept over" in note]
    assert note.startswith("fudge: its row is one setting of many. Swept over lam from 1 to 3,")
    assert note.endswith(
        "lam=1: ctrl 10.0, lm 1.00, distinct-2 1.000, length 2.0; "
        "lam=3: ctrl 30.0, lm 3.00, distinct-2 0.333, length 6.0."
    )
    best = new(1, ctrl=[90.0, 90.0, 90.0])
    (both,) = frontiers(judged(tmp_path / "both", best, new(3)))
    assert both.ends == [best]
    # a point without distinct-2 and length says nothing of them
    old = measured_tasks(judged(tmp_path / "old", OLD))["length"]
    assert not [note for note in old.notes if "Swept over" in note]
