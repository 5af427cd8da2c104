"""What a result set says in one sentence, and the human texts beside its samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from stored import ROOT, TEXTS, make_set

import eval.reading.page.page
from eval.reading.finding import finding
from eval.reading.intervals import interval, mean_interval, paired, paired_mean
from eval.reading.page.human import human_texts, training_texts
from eval.reading.page.index import sets_in
from eval.reading.results import ResultSet
from eval.report import main
from tasks.common.errors import UserError
from tasks.controls import Length

DEMO = ROOT / "results" / "demo"


def many(exact: Sequence[float]) -> Mapping[str, Sequence[str]]:
    """Twenty targets of three words; a target's share of samples that have them."""
    return {
        f"t{i}": ["a b c" if j < round(10 * share) else "a b c d e f g" for j in range(10)]
        for i, share in enumerate(exact)
    }


def set_of(folder: Path, **methods: Sequence[float]) -> ResultSet:
    targets = {f"t{i}": Length(3) for i in range(20)}
    texts = {name: many(exact) for name, exact in methods.items()}
    return ResultSet(make_set(folder / "set", texts, targets))


def test_a_clear_lead(tmp_path: Path) -> None:
    found = finding(set_of(tmp_path, diffusion_lm=[0.9] * 20, fudge=[0.2] * 20))
    assert found.sentence.startswith(
        "Diffusion-LM reaches the highest control, 90.0 % (Length) at perplexity 7.4: 70.0 points ["
    )
    assert found.sentence.endswith("] above FUDGE (perplexity 7.4).")
    assert found.lead is not None and 60 < found.lead.low < 70 < found.lead.high < 80
    assert found.details == []  # no human text is stored, and nobody was trained on the control


def test_who_copies_is_no_contender(tmp_path: Path) -> None:
    results = set_of(tmp_path, retrieval=[1.0] * 20, diffusion_lm=[0.9] * 20, fudge=[0.2] * 20)
    for method, copied in (("retrieval", 120), ("diffusion_lm", 90), ("fudge", 0)):
        place = results.folder / "length" / method / "config.json"
        facts = json.loads(place.read_text()) | {"copied": {"copied": copied, "texts": 200}}
        place.write_text(json.dumps(facts))
    found = finding(ResultSet(results.folder))
    assert found.sentence.startswith("Diffusion-LM reaches the highest control, 90.0 %")
    assert found.details == [
        "retrieval: 100.0 % at perplexity 7.4, 60 % of its texts are training texts word for word."
    ]


def test_an_interval_that_spans_zero_is_no_finding(tmp_path: Path) -> None:
    found = finding(set_of(tmp_path, diffusion_lm=[1.0, 0.0] * 10, fudge=[0.0, 0.9] * 10))
    assert found.lead is not None and found.lead.low < 0 < found.lead.high
    assert found.sentence.startswith("No clear winner on control: Diffusion-LM reaches 50.0 %")
    assert "\N{MINUS SIGN}" in found.sentence and found.sentence.endswith("which may be chance.")


def test_who_was_trained_on_the_control_is_told_apart(tmp_path: Path) -> None:
    results = set_of(tmp_path, ft_sample=[1.0] * 20, diffusion_lm=[0.8] * 20, fudge=[0.1] * 20)
    found = finding(results)
    assert found.sentence.startswith("FT-sample reaches the highest control")
    (said,) = found.details
    assert said.startswith("Of the methods that were not trained on the control: Diffusion-LM ")
    assert "above FUDGE" in said


def test_one_method_and_none(tmp_path: Path) -> None:
    one = finding(set_of(tmp_path / "one", fudge=[0.5] * 20))
    assert one.sentence == "FUDGE reaches 50.0 % control (Length) at perplexity 7.4."
    none = ResultSet(make_set(tmp_path / "none", {}))
    assert finding(none).sentence == "Nothing has been judged yet."


def test_tasks_count_alike_and_are_drawn_apart() -> None:
    rng = np.random.default_rng(0)
    few, lots = rng.random((5, 4)), rng.random((50, 4))
    value, low, high = mean_interval([(few, None), (lots, None)])
    assert value == pytest.approx((few.mean() + lots.mean()) / 2) and low < value < high
    assert mean_interval([(lots, None)])[1:] == interval(lots)
    zero = few * 0
    d = paired_mean([((few, None), (zero, None)), ((lots, None), (lots, None))])
    assert d.value == pytest.approx(few.mean() / 2)
    alone = paired_mean([((few, None), (zero, None))])
    assert alone == paired((few, None), (zero, None))


# human texts


def test_human_texts_of_an_embedded_corpus() -> None:
    results = ResultSet(DEMO)
    lengths = {target.id: target.control for target in results.targets("length")}
    found = human_texts(results, "length", None)
    assert found.keys() == lengths.keys()
    assert all(lengths[name] == Length(len(words)) for name, (words,) in found.items())
    values = human_texts(results, "semantic_content", None)
    stated = [name for name, texts in values.items() if "Red Kite" in " ".join(texts[0])]
    assert "valid-name-The.Red.Kite" in stated and len(values) == 40


def test_training_texts_have_the_very_control() -> None:
    results = ResultSet(DEMO)
    found = training_texts(results, "length", None, 2)
    targets = {target.id: target.control for target in results.targets("length")}
    assert set(found) == set(targets)
    assert all(
        targets[name] == Length(len(words)) for name, texts in found.items() for words in texts
    )
    assert max(map(len, found.values())) == 2


def test_human_texts_that_are_not_at_hand(tmp_path: Path) -> None:
    results = ResultSet(ROOT / "results" / "small-e2e")
    assert human_texts(results, "length", None) == {}
    with pytest.raises(UserError, match=str(tmp_path)):
        human_texts(results, "parts_of_speech", tmp_path)
    # a set without scores of human texts has none to show
    assert human_texts(ResultSet(make_set(tmp_path / "set")), "length", None) == {}


# the index


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two sets; drawing takes most of a page's time."""
    monkeypatch.setattr(eval.reading.page.page, "svg_figures", lambda results: iter(()))
    make_set(tmp_path / "sets" / "first")
    make_set(tmp_path / "sets" / "second", {"fudge": TEXTS["fudge"]})
    return tmp_path / "sets"


def test_a_folder_of_sets_gives_an_index(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sets_in(two) == [two / "first", two / "second"] and sets_in(two / "first") == []
    main([f"run={two}"])
    index = (two / "index.html").read_text(encoding="utf-8")
    assert 'href="first/report.html"' in index and 'href="second/report.html"' in index
    assert "FUDGE reaches 50.0 % control (Length)" in index
    assert 'href="../index.html"' in (two / "second" / "report.html").read_text(encoding="utf-8")
    assert capsys.readouterr().out.count("MiB") == 3


def test_an_index_elsewhere_has_its_pages_beside_it(two: Path, tmp_path: Path) -> None:
    main([f"run={two}", f"out={tmp_path / 'site' / 'sets.html'}"])
    made = {str(p.relative_to(tmp_path / "site")) for p in (tmp_path / "site").rglob("*.html")}
    assert made == {"sets.html", "first/report.html", "second/report.html"}
    page = (tmp_path / "site" / "first" / "report.html").read_text(encoding="utf-8")
    assert 'href="../sets.html"' in page
    assert not list(two.rglob("*.html"))


@pytest.mark.parametrize("key", ["against", "data"])
def test_keys_of_one_set_are_refused_for_several(two: Path, key: str) -> None:
    with pytest.raises(UserError, match=f"^{key}= is of one result set, and .* holds 2$"):
        main([f"run={two}", f"{key}={two}"])


def test_a_set_that_cannot_be_read_stops_the_index(two: Path) -> None:
    scores = two / "second" / "length" / "fudge" / "scores.jsonl"
    scores.write_text(json.dumps({"target": 1}) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="second"):
        main([f"run={two}"])
    assert not list(two.rglob("*.html"))
