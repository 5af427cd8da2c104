"""The benchmark in Python: the command line's samples and verdicts, and mistakes named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import control_bench as cb
from baselines import METHODS
from control_bench.api import Bench
from control_bench.asked import keys
from eval.running.command import parse
from models.base import Card, Generator, Sample, TargetSamples
from tasks import TASKS
from tasks.base import Target, Task
from tasks.common.progress import Progress, silent
from tasks.given import given

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "results" / "demo"
OWN = str(Path(__file__).parent / "own" / "last_word.py")


class Parrot(Generator):
    """Says a word as often as the control has words, and draws nothing."""

    card = Card("parrot", label="parrot")

    @classmethod
    def load(cls, folders: Mapping[str, Path], task: Task, settings: Any, device: Any) -> Parrot:
        return cls()

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        for target in targets:
            words = ("cheap",) * target.control.needed_words
            rows = [Sample(i, words, words, 1.0, 0.0) for i in range(samples_per_target)]
            yield TargetSamples(target.id, tuple(rows))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    store = tmp_path_factory.mktemp("store")
    yield cb.load("demo", store=store, prebuilt=ROOT / "results/prebuilt", threads=1)
    METHODS._files.clear()


@pytest.fixture(scope="module")
def drawn(bench: Bench) -> list[Target]:
    return bench.targets("length")


def test_targets_are_those_of_the_commands(drawn: list[Target]) -> None:
    stored = [json.loads(line) for line in (DEMO / "length/targets.jsonl").read_text().splitlines()]
    assert [target.id for target in drawn] == [record["id"] for record in stored]
    assert all(len(target.source or ()) == target.control.needed_words for target in drawn)


@pytest.mark.parametrize("method", ["fudge", "ft_sample"])
def test_samples_and_scores_are_those_of_the_commands(
    bench: Bench, drawn: list[Target], method: str
) -> None:
    """For equal (seed, method, target, index), whatever else is asked for beside them."""
    made = bench.generate(method, drawn[2:0:-1], samples=2)
    assert [(one.target.id, one.index) for one in made] == [
        (drawn[place].id, index) for place in (2, 1) for index in (0, 1)
    ]
    cell = DEMO / "length" / method
    stored = {
        (record["target"], record["index"]): record
        for record in map(json.loads, (cell / "samples.jsonl").read_text().splitlines())
    }
    scores = {
        (record["target"], record["index"]): record
        for record in map(json.loads, (cell / "scores.jsonl").read_text().splitlines())
    }
    judged = bench.score(made).samples
    assert list(judged["method"].unique()) == [method]
    for one in made:
        record = stored[one.target.id, one.index]
        assert list(one.words) == record["words"] and one.nfe == record["nfe"]
        assert one.task == "length" and one.method == method and one.seconds > 0
        row = judged[(judged["target"] == one.target.id) & (judged["index"] == one.index)].iloc[0]
        verdict = scores[one.target.id, one.index]
        assert {m: row[m] for m in verdict["scores"]} == verdict["scores"]
        # read beside other texts, a network's figures move in the last digit
        assert row["nll"] == pytest.approx(verdict["nll"], abs=0.01)
        assert row["tokens"] == verdict["tokens"] and row["text"] == str(one) == one.text


def test_controls_by_hand_have_seeds_of_their_own_and_settings_of_a_call(bench: Bench) -> None:
    first = bench.generate("ft_sample", cb.Length(9), samples=3)
    assert [one.target for one in first] == [given(cb.Length(9))] * 3
    more = bench.generate("ft_sample", [cb.Length(5), cb.Length(9)], samples=1)
    assert [one.control for one in more] == [cb.Length(5), cb.Length(9)]
    assert more[1].words == first[0].words
    other = bench.generate("ft_sample", cb.Length(9), samples=3, seed=1)
    assert [one.words for one in other] != [one.words for one in first]
    cold = bench.generate("ft_sample", cb.Length(9), samples=3, ft_sample={"temperature": 0.01})
    assert len({one.words for one in cold}) == 1
    dotted = bench.generate(
        "ft_sample", cb.Length(9), samples=3, settings={"ft_sample.temperature": 0.01}
    )
    assert [one.words for one in dotted] == [one.words for one in cold]
    told: list[float] = []
    bench.generate(
        "ft_sample", cb.Length(9), progress=lambda done, total, note="": told.append(done)
    )
    assert told[-1] == 1


def test_several_tasks_and_compositions_in_one_call(bench: Bench) -> None:
    both = cb.AllOf((cb.FieldValue("food", "Italian"), cb.Length(8)))
    made = bench.generate(Parrot, [cb.Length(3), both, cb.FieldValue("food", "Thai")], samples=2)
    assert [one.task for one in made[::2]] == [
        "length", "length+semantic_content", "semantic_content",
    ]  # fmt: skip
    cells = bench.score(made).metrics.set_index(["task", "metric"])
    assert cells.loc[("length", "len_exact"), "ctrl"] == 100
    assert cells.loc[("length+semantic_content", "length.len_exact"), "ctrl"] == 100
    assert cells.loc[("length+semantic_content", "semantic_content.value_stated"), "ctrl"] == 0


def test_a_class_of_ones_own_can_be_defined_again(bench: Bench) -> None:
    class Louder(Parrot):
        def generate(self, targets: Any, *rest: Any, **more: Any) -> Iterator[TargetSamples]:
            for one in super().generate(targets, *rest, **more):
                rows = tuple(Sample(s.index, ("LOUD",), (), 1.0, 0.0) for s in one.samples)
                yield TargetSamples(one.target_id, rows)

    assert bench.generate(Parrot, cb.Length(2))[0].text == "cheap cheap"
    assert bench.generate(Louder, cb.Length(2))[0].text == "LOUD"
    assert bench.generate("parrot", cb.Length(2))[0].text == "LOUD"
    assert bench.generate(Parrot, cb.Length(2))[0].text == "cheap cheap"


def test_texts_of_other_programs_are_judged(bench: Bench, drawn: list[Target]) -> None:
    judged = bench.score(
        [
            (cb.Length(5), "The pub is cheap ."),
            (cb.Length(5), ["The", "pub", "is", "cheap", "."]),
            {"target": cb.Length(5), "text": "Cheap ."},
            {"target": drawn[0].id, "words": ["cheap"] * drawn[0].control.needed_words},
        ],
        "length",
        method="other",
    )
    rows = judged.samples
    assert list(rows["len_exact"]) == [1, 1, 0, 1] and list(rows["index"]) == [0, 1, 2, 0]
    assert rows["nll"][0] == rows["nll"][1] and rows["nfe"].isna().all()
    (cell,) = judged.cells.to_dict("records")
    assert (cell["method"], cell["targets"], cell["samples"]) == ("other", 2, 4)
    assert judged.metrics.set_index("metric").loc["len_exact", "ctrl"] == pytest.approx(250 / 3)


def test_stored_results_as_frames() -> None:
    bench = cb.load("demo")
    results = bench.results(DEMO)
    samples, cells = results.samples, results.cells
    lines = [path.read_text().splitlines() for path in DEMO.glob("*/*/samples.jsonl")]
    assert len(samples) == sum(map(len, lines)) > 4000
    table = json.loads((DEMO / "table.json").read_text())
    rows = {
        (one["task"], row["method"], row["metric"]): row
        for one in table["tables"]
        for row in one["rows"]
    }
    filled = cells[cells["note"] == ""]
    assert len(filled) > 40
    for cell in filled.to_dict("records"):
        stored = rows[cell["task"], cell["method"], cell["metric"]]["ctrl"]
        assert cell["ctrl"] == pytest.approx(stored["ours"])
        if stored["low"] is not None:
            found = (cell["ctrl_low"], cell["ctrl_high"])
            assert found == pytest.approx((stored["low"], stored["high"]))
    one = cells.set_index(["task", "method", "metric"]).loc[("syntax_spans", "fudge")].iloc[0]
    assert (one["targets"], one["samples"]) == (40, 200) and one["lm_low"] < one["lm"]
    assert set(cells[cells["task"] == "length"]["method"]) >= {"human text", "unconditional"}
    mean = samples.query("task == 'length' and method == 'fudge'")["len_pm2"].mean()
    assert 100 * mean == pytest.approx(rows["length", "fudge", "len_pm2"]["ctrl"]["ours"])
    figures = {"difference", "low", "high", "p", "p_holm"}
    assert {"task", "method", "metric", *figures} == set(results.paired)


def test_settings_are_the_command_lines() -> None:
    bench = cb.load("small", corpus="grammar", lm={"train": {"lr": 1e-3}}, targets=3)
    assert bench.config == parse(
        ["preset=small", "corpus=grammar", "lm.train.lr=0.001", "targets=3"]
    )
    given = {"a": True, "b": None, "c": {"d": 1e-5, "e": [1, 2]}, "f.g": Path("x/y"), "h": ["u v"]}
    assert dict(keys(given)) == {
        "a": "true", "b": "null", "c.d": "1e-05", "c.e": "[1, 2]", "f.g": "x/y", "h": '["u v"]',
    }  # fmt: skip


def test_a_task_of_ones_own(bench: Bench) -> None:
    store, prebuilt = bench.config.store, bench.config.prebuilt
    own = cb.load("demo", store=store, prebuilt=prebuilt, task=OWN, threads=1)
    try:
        (name,) = own.config.tasks
        target = own.targets(name)[0]
        made = own.generate(Parrot, target)
        assert made[0].task == name and made[0].target == target
        ends = (target.control, f"The {target.control.word} .")
        judged = own.score([*made, ends]).samples.set_index("method")
        assert judged["ends_right"].to_dict() == {"mine": 1, "parrot": 0}
    finally:
        TASKS._files.clear()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda b: cb.load("dmo"), "unknown preset 'dmo': did you mean 'demo'?"),
        (lambda b: cb.load("demo", sead=1), "unknown key 'sead': did you mean 'seed'?"),
        (lambda b: cb.load("demo", lm={"wdth": 3}), "unknown key 'lm.wdth': did you mean"),
        (lambda b: cb.load("demo", seed="x"), "seed=x: a whole number"),
        (lambda b: cb.load("demo", seed=object()), "expected a text, a number"),
        (lambda b: b.generate("fuge", cb.Length(3)), "unknown method 'fuge': did you mean 'fudge'"),
        (lambda b: b.generate("none.py:X", cb.Length(3)), "there is no file none.py"),
        (lambda b: b.generate(3, cb.Length(3)), "method=3 is neither a name nor a class"),
        (lambda b: b.generate(dict, cb.Length(3)), "dict is no subclass of models.base.Generator"),
        (lambda b: b.generate("fudge", 9), "9 is no control: say what is asked for, as Length(9)"),
        (lambda b: b.generate("fudge", [9]), "9 is neither a control, as Length(9), nor a target"),
        (lambda b: b.generate("fudge", "length"), "'length' is no control"),
        (lambda b: b.generate("fudge", cb.Length(0)), "malformed length 0"),
        (lambda b: b.generate("pplm", cb.Length(9)), "pplm has no cell for length (n/a: "),
        (lambda b: b.generate("fudge", cb.Length(9), samples=0), "samples=0: "),
        (lambda b: b.generate("fudge", cb.Length(9), seed=-1), "seed=-1: "),
        (lambda b: b.generate("diffusion_lm", cb.Length(500)), "needs 500 words, but a text of"),
        (
            lambda b: b.generate("fudge", cb.Length(9), **{"fudge.lamb": 3}),
            "unknown key 'fudge.lam",
        ),
        (lambda b: b.targets("lenght"), "unknown task 'lenght': did you mean 'length'?"),
        (lambda b: b.score([]), "there are no samples to judge"),
        (lambda b: b.score(["a text"]), "sample 0 is str: expected a sample of generate"),
        (lambda b: b.score([{"target": cb.Length(1)}]), "sample 0: 'target', and either 'text'"),
        (lambda b: b.score([{"target": "x", "text": "a"}]), "sample 0: name the task that target"),
        (lambda b: b.score([{"target": "x", "text": "a"}], "length"), "unknown target 'x'"),
        (lambda b: b.score([(cb.Length(1), 3)]), "sample 0: its text is neither a string nor a"),
        (lambda b: b.score([(cb.Length(1), "a")], "syntax_spans"), "is of task length, not syntax"),
        (lambda b: b.score([(cb.Length(1), "a")], method="a/b"), "method=a/b: samples cannot be"),
        (lambda b: b.results("no/where"), "there is no result set no/where"),
    ],
)
def test_mistakes_are_named(bench: Bench, call: Any, said: str) -> None:
    with pytest.raises(cb.UserError) as found:
        call(bench)
    assert said in str(found.value) and len(str(found.value).splitlines()) == 1


def test_names_are_there_when_they_are_asked_for() -> None:
    assert set(cb._EXPORTS) <= set(dir(cb))
    for name in cb._EXPORTS:
        assert getattr(cb, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = cb.lod
