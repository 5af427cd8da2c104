"""Two result sets against each other, and the sweep's bookkeeping."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from stored import TEXTS, make_set

from eval.compare import compare, main, pairs
from eval.reading.equivalence import Equivalence, Margins, tost
from eval.reading.paired import LM
from eval.reading.results import ResultSet
from eval.reading.tables.grid import csv_text
from eval.studies.sweep import configured, store
from eval.studies.varied import Varied
from tasks.common.errors import UserError
from tasks.controls import Length

MANY = {f"t{i}": Length(3) for i in range(15)}


def both(tmp_path: Path) -> tuple[ResultSet, ResultSet]:
    poor = {"fudge": {t: ["a b c d", "a b c"] for t in MANY}}
    good = {"fudge": {t: ["a b c", "a b c"] for t in MANY}}
    first = make_set(tmp_path / "first", poor, MANY)
    return ResultSet(first), ResultSet(make_set(tmp_path / "second", good, MANY))


def test_differences(tmp_path: Path) -> None:
    found = {pair.metric: pair for pair in pairs(*both(tmp_path))}
    assert set(found) == {"len_exact", "len_pm2", "lm"}
    exact = found["len_exact"].difference
    assert exact is not None and exact.value == pytest.approx(50) and exact.p < 0.01
    assert exact.low < 50 < exact.high and found["len_exact"].targets == 15
    same = found["len_pm2"].difference
    assert same is not None and (same.value, same.p) == (0, 1)


def test_the_other_way_round(tmp_path: Path) -> None:
    first, second = both(tmp_path)
    found = {pair.metric: pair.difference for pair in pairs(second, first)}
    exact = found["len_exact"]
    assert exact is not None and exact.value == pytest.approx(-50)


def test_what_cannot_be_compared_says_why(tmp_path: Path) -> None:
    first = ResultSet(make_set(tmp_path / "first", {"fudge": TEXTS["fudge"]}))
    second = ResultSet(make_set(tmp_path / "second"))
    rows = {pair.method: pair for pair in pairs(first, second) if pair.difference is None}
    assert rows["diffusion_lm"].reason == f"{first.folder} has no scores of it"
    assert "has no scores of it" in csv_text(compare(first, second))
    elsewhere = make_set(tmp_path / "third", {"fudge": {"z": ["a"]}}, {"z": Length(1)})
    (only,) = pairs(first, ResultSet(elsewhere))
    assert only.reason == "the sets share no target"


def test_other_controls_under_the_same_name(tmp_path: Path) -> None:
    first = ResultSet(make_set(tmp_path / "first"))
    other = {"t1": Length(4), "t2": Length(2)}
    second = ResultSet(make_set(tmp_path / "second", targets=other))
    with pytest.raises(UserError, match="target t1 of length is another control"):
        compare(first, second)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = both(tmp_path)
    main([str(first.folder), str(second.folder), f"out={tmp_path / 'out'}"])
    assert "second against first" in capsys.readouterr().out
    assert (tmp_path / "out" / "compare.csv").exists()
    with pytest.raises(UserError, match="two result sets are compared, not 1"):
        main([str(first.folder)])


def test_sweep_replaces_a_point(tmp_path: Path) -> None:
    results = ResultSet(make_set(tmp_path / "set"))
    point = {"task": "length", "method": "fudge", "key": "fudge.lam", "value": 2.0, "nfe": 1}
    point |= {"ctrl": [50.0, 40.0, 60.0], "lm": [5.0, 4.0, 6.0]}
    store(results, [point, {**point, "value": 1.0}])
    store(results, [{**point, "nfe": 3}])
    stored = json.loads((results.folder / "sweep.json").read_text())["points"]
    assert [(p["value"], p["nfe"]) for p in stored] == [(1.0, 1), (2.0, 3)]


def test_sweep_keeps_the_other_settings(tmp_path: Path) -> None:
    command = "python -m eval.run task=all method=all targets=7 fudge.lam=9 out=x"
    results = ResultSet(make_set(tmp_path / "set", command=command))
    lam, artefacts = Varied("fudge", "fudge.lam", ["4"], ["length"]), str(tmp_path / "store")
    config, arguments = configured(results, "length", lam, "4", artefacts)
    assert (config.targets, config.fudge.lam, config.task) == (7, 4.0, "length")
    assert config.folder == tmp_path / "store" / "sweep" / "set" / "length-fudge.lam-4"
    assert "fudge.lam=9" not in arguments
    with pytest.raises(UserError, match="lamb"):
        configured(results, "length", replace(lam, key="fudge.lamb"), "4", artefacts)


def test_equivalence_by_hand() -> None:
    """Of ten differences: t against each margin, by its density's integral in the table of t."""
    some = np.array([0.5, -0.5] * 5)
    spread = some.std(ddof=1) / math.sqrt(10)
    found = tost(some, -1.0, 2.0)
    assert found is not None
    assert found.p_low == pytest.approx(stats.t.sf(1 / spread, 9))
    assert found.p_high == pytest.approx(stats.t.sf(2 / spread, 9)) and found.p == found.p_low
    # the 90 % interval of the mean ends where one of the tests has p = 5 %
    low, high = stats.t.interval(0.9, 9, some.mean(), spread)
    edges = tost(some, low, high)
    assert edges is not None and (edges.p_low, edges.p_high) == pytest.approx((0.05, 0.05))
    assert tost(np.ones(5), -2, 2) == Equivalence(-2, 2, 2**-5, 2**-5)
    assert tost(np.full(5, 3.0), -2, 2) == Equivalence(-2, 2, 2**-5, 1.0)
    assert tost(np.ones(1), -2, 2) is None


def test_equivalence_of_two_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second is better by half of all texts: not worse, and not equal."""
    first, second = both(tmp_path)
    for one, other, worse in ((first, second, 0.5**15), (second, first, 1.0)):
        exact = next(
            p for p in pairs(one, other, margins=Margins()) if p.metric == "len_exact"
        ).equivalence
        assert exact is not None and exact.p_low == worse and exact.p == 1
    record = next(r for r in compare(first, second, None, Margins()).records if r["metric"] == LM)
    assert record["p_worse"] != "" and record["p_unequal"] != ""
    assert "p_worse" not in compare(first, second).records[0]
    main([str(first.folder), str(second.folder), "equivalence=true", "margin=60", "legend=full"])
    shown = capsys.readouterr().out
    assert "p worse" in shown and "60 percentage points" in " ".join(shown.split())
    with pytest.raises(UserError, match="are those of equivalence=true"):
        main([str(first.folder), str(second.folder), "lm_margin=3"])
