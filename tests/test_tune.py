"""Tuning: what is chosen, which combinations are tried, and that no reported target is seen."""

import json

import pytest

from baselines import METHODS
from eval.running.command import parse
from eval.running.display import Display
from eval.running.keys import override
from eval.running.runner import Run
from eval.studies.choosing import Best, Fewest, Fluent, Tried, pooled
from eval.studies.tune import grid, held_out, main, recipes, with_point
from tasks.common.errors import UserError


def test_the_best_control_among_the_fluent_is_chosen():
    strong, weak, slow, tie = (
        Tried({"x": str(i)}, {"ctrl": ctrl, "ppl": ppl})
        for i, (ctrl, ppl) in enumerate([(0.9, 9.0), (0.5, 4.0), (0.6, 4.9), (0.6, 4.5)])
    )
    assert Fluent(1.25).choose([strong, weak, slow]) == slow
    assert Fluent(3.0).choose([strong, weak, slow]) == strong
    assert Fluent(1.0).choose([weak, slow]) == weak
    assert Fluent(2.0).choose([slow, tie]) == tie


def test_of_several_tasks_one_combination_is_chosen_for_all():
    """Each is best on a task of its own; the third is second on both."""
    spans = [(0.9, 4.0), (0.1, 4.0), (0.7, 4.0)]
    length = [(0.1, 9.0), (0.9, 4.0), (0.7, 1.0)]
    tried = [
        [Tried({"x": str(i)}, {"ctrl": c, "ppl": p}) for i, (c, p) in enumerate(task)]
        for task in (spans, length)
    ]
    together = pooled(tried)
    assert [one.figures["ctrl"] for one in together] == pytest.approx([0.5, 0.5, 0.7])
    assert [one.figures["ppl"] for one in together] == pytest.approx([6.0, 4.0, 2.0])
    assert Fluent(1.25).choose(together).point == {"x": "2"}


def test_the_fewest_evaluations_among_those_as_good_as_the_first_are_chosen():
    first, even, worse, less_fluent, costly = (
        Tried({"x": str(i)}, {"ctrl": ctrl, "ppl": ppl, "nfe": nfe})
        for i, (ctrl, ppl, nfe) in enumerate(
            [(0.9, 4.0, 770), (0.89, 4.1, 98), (0.87, 4.0, 90), (0.9, 4.3, 90), (0.95, 4.0, 100)]
        )
    )
    every = [first, even, worse, less_fluent, costly]
    assert Fewest(2, 5).choose(every) == even
    assert Fewest(4, 5).choose(every) == worse and Fewest(2, 10).choose(every) == less_fluent
    assert Fewest(0.5, 1).choose(every) == costly and Fewest(2, 5).choose([first]) == first
    (both,) = pooled([[first], [Tried(first.point, {"ctrl": 0.5, "ppl": 1.0, "nfe": 30})]])
    assert both.figures == pytest.approx({"ctrl": 0.7, "ppl": 2.0, "nfe": 400})


def test_under_infilling_the_best_in_one_metric_is_chosen():
    first, second, third = (
        Tried({"x": str(i)}, {"cider": cider, "rouge_l": rouge})
        for i, (cider, rouge) in enumerate([(3.0, 25.0), (4.0, 20.0), (4.0, 24.0)])
    )
    assert Best().choose([first, second, third]) == second
    assert Best("rouge_l").choose([first, second, third]) == first


def test_the_grid_is_every_combination_of_given_or_the_papers_values():
    assert grid("fudge", {"fudge.lam": "1,2", "fudge.post_top_k": "5"}) == [
        {"fudge.lam": "1", "fudge.post_top_k": "5"},
        {"fudge.lam": "2", "fudge.post_top_k": "5"},
    ]
    assert len(grid("diffusion_lm", {})) == 16
    with pytest.raises(UserError, match="nothing to tune"):
        grid("ft_search", {})


@pytest.mark.parametrize("method", [m for m in METHODS if METHODS.card(m).ranges])
def test_the_papers_grids_are_valid_keys(method):
    config = parse([f"method={method}"])
    points = grid(method, {})
    changed = [getattr(override(config, point), method) for point in points]
    assert all(changed.count(one) == 1 for one in changed) and len(changed) > 1


def test_held_out_targets_are_none_of_the_reported(tmp_path):
    common = [f"store={tmp_path}/s", f"out={tmp_path}/o", "task=syntax_spans", "method=ft_sample"]
    reported = Run(parse([*common, "targets=20"]), Display())
    reported.build([reported.plan.texts_for("syntax_spans")])
    seen = {target.id for target in reported.lists.sources("syntax_spans")}
    run = Run(parse([*common, "targets=5"]), Display())
    found = held_out(run, "syntax_spans", 5, 20)
    assert len(found) == 5 and not seen & {target.id for target in found}
    assert run.config.targets == 5
    assert seen == {target.id for target in held_out(run, "syntax_spans", 20, 0)}


def test_values_that_are_reported_are_not_tuned_on(tmp_path):
    """Semantic content has few values, which every source of targets shares."""
    common = [f"store={tmp_path}/s", f"out={tmp_path}/o", "task=semantic_content"]
    run = Run(parse([*common, "method=ft_sample", "targets=40", "seed=3"]), Display())
    run.build([run.plan.texts_for("semantic_content")])
    reported = [target.control for target in run.lists.sources("semantic_content")]
    found = [target.control for target in held_out(run, "semantic_content", 8, 40)]
    assert len(found) == 8 and not any(control in reported for control in found)
    with pytest.raises(UserError, match="held-out targets beyond the 40 kept.*not 500: lower"):
        held_out(run, "semantic_content", 500, 40)


def test_lengths_may_come_again_from_other_texts(tmp_path):
    run = Run(parse([f"store={tmp_path}/s", f"out={tmp_path}/o", "task=length"]), Display())
    run.build([run.plan.texts_for("length")])
    reported = [target.id for target in run.lists.sources("length")]
    found = [target.id for target in held_out(run, "length", 30, len(reported))]
    assert len(found) == 30 and not set(found) & set(reported)


def test_a_point_starts_from_the_tasks_own_constants():
    run = Run(parse(["task=syntax_spans", "method=diffusion_lm"]), Display())
    job = run.jobs[0]
    resolved = job.card.resolve(run.own(job.card), run.plan.task("syntax_spans"))
    settings = with_point(run, job, {"diffusion_lm.guidance.lr": "0.2"})
    assert settings.profile == "custom" and settings.guidance.lr == 0.2
    assert settings.guidance.fluency == resolved.guidance.fluency == 0.1


def test_a_point_has_what_it_needs():
    """A start from drafts needs the language model that writes them."""
    run = Run(parse(["task=length", "method=diffuser"]), Display())
    plain, drafted = (
        recipes(run, run.jobs[0], {"diffuser.start": start}) for start in ("nothing", "draft")
    )
    assert "edit_model" in plain and drafted.keys() - plain.keys() == {"lm"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["task=length", "method=all"], "one method at a time"),
        (["task=length", "method=fudge", "fudge.lamb=1,2"], "fudge.lam"),
        (["task=length", "method=fudge", "fudge.lam=1,x"], "fudge.lam=x"),
        (["task=length", "method=fudge", "within=much"], "within=much: a number"),
        (["task=length", "method=fudge", "within=0.5"], "at least 1"),
        (["task=length", "method=ft_search"], "nothing to tune"),
        (["task=length", "method=fudge", "metric=cider"], "metric= says nothing under length"),
        (["task=infilling", "method=ar_infilling", "within=2"], "within= says nothing"),
        (["task=infilling", "method=ar_infilling", "by=evaluations"], "by= says nothing"),
        (["task=length", "method=fudge", "margin=1"], "margin= is that of by=evaluations, not of"),
        (
            ["task=length", "method=fudge", "by=evaluations", "within=2"],
            "within= is that of by=con",
        ),
        (["task=infilling", "method=ar_infilling", "metric=meteor"], "expected one of bleu4,"),
        (["task=infilling", "method=ar_infilling"], "nothing to tune"),
    ],
)
def test_mistakes_are_named(given, said):
    with pytest.raises(UserError, match=said):
        main(given)


def test_infilling_is_tuned_on_held_out_stories(tmp_path):
    """Through the whole command, with a network that was hardly trained."""
    tiny = ["lm.layers=1", "lm.width=16", "lm.heads=2", "lm.train.steps=3", "lm.train.batch=4"]
    given = ["task=infilling", "method=ar_infilling", "ar_infilling.temperature=1,0.1", *tiny]
    given += [f"store={tmp_path}/s", f"out={tmp_path}/o", "targets=6", "samples=3"]
    main(given)
    folder = tmp_path / "o" / "tune" / "infilling" / "ar_infilling"
    record = json.loads((folder / "chosen.json").read_text())
    assert [one["point"] for one in record["tried"]] == [
        {"ar_infilling.temperature": "1"},
        {"ar_infilling.temperature": "0.1"},
    ]
    assert record["metric"] == "cider" and len(record["targets"]) == 6
    assert all(target.startswith("valid-") for target in record["targets"])
    assert record["cider"] == max(one["cider"] for one in record["tried"])
    points = (folder / "points.jsonl").read_text()
    main(given)  # again: nothing is generated anew
    assert (folder / "points.jsonl").read_text() == points


def test_several_tasks_are_tuned_together_and_each_alone(tmp_path):
    given = ["task=length,semantic_content", "method=ft_sample", "ft_sample.temperature=1,0.1"]
    given += [f"out={tmp_path}/o", f"store={tmp_path}/s", "targets=2", "samples=2", "kept=40"]
    main(given)
    folder = tmp_path / "o" / "tune"
    alone = [
        json.loads((folder / task / "ft_sample" / "chosen.json").read_text())["tried"]
        for task in ("length", "semantic_content")
    ]
    both = json.loads((folder / "ft_sample.json").read_text())
    assert both["tasks"] == ["length", "semantic_content"] and len(both["tried"]) == 2
    assert all(one["nfe"] > 0 and 0 < one["distinct2"] <= 1 for one in both["tried"])
    for i, one in enumerate(both["tried"]):
        assert one["point"] == alone[0][i]["point"] == alone[1][i]["point"]
        assert one["ctrl"] == pytest.approx((alone[0][i]["ctrl"] + alone[1][i]["ctrl"]) / 2)
        assert one["ppl"] == pytest.approx((alone[0][i]["ppl"] * alone[1][i]["ppl"]) ** 0.5)
