"""Every control task and both compositions through a whole run at toy size, on gold trees."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from test_runner import write_corpus

from eval.run import main
from eval.running.command import parse
from eval.running.display import Display
from eval.running.plan import Plan
from eval.running.runner import Run
from eval.running.taggers import load_tagger, tagger_source
from tasks import COMPOSITIONS, in_table, load_task
from tasks.common.errors import UserError
from tasks.common.jsonl import read
from tasks.controls import AllOf, TagSequence, from_json
from tasks.corpora import grammar, load_corpus
from tasks.corpora.stored import read_texts

LM = "{0}.layers=1 {0}.width=16 {0}.heads=2 {0}.train.steps=2"
TOY = (
    "task=all method=fudge targets=5 samples=2 floor=3 floor_by=unconditional batch=64 threads=1 "
    "prebuilt= "
    "fudge.max_words=22 fudge.pre_top_k=5 "
    "longest=22 diffusion.length=24 diffusion.positions=24 diffusion.steps=40 diffusion.time=16 "
    "diffusion.train.steps=2 diffusion.network.layers=1 diffusion.network.width=16 "
    "diffusion.network.heads=2 diffusion.network.feedforward=32 unconditional.sampling.steps=10 "
    "parser.train.steps=4 discriminator.layers=1 discriminator.width=16 discriminator.hidden=16 "
    "discriminator.train.steps=2 " + " ".join(LM.format(name) for name in ("lm", "teacher"))
).split()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of everything from nothing, on a grammar corpus of 300 texts."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grammar, "load", partial(grammar.load, size_train=200, size_valid=100))
        given = [*TOY, f"out={folder / 'out'}", f"store={folder / 'store'}"]
        assert main(given) == 0
        run = Run(parse(given), Display())
        assert not run.execute(), "a second run finds nothing to do"
    return folder


def rows(whole: Path, task: str) -> dict[tuple[str, str], dict[str, Any]]:
    tables = json.loads((whole / "out" / "table.json").read_text())["tables"]
    (table,) = (table for table in tables if table["task"] == task)
    return {(row["method"], row["metric"]): row for row in table["rows"]}


def test_every_task_has_a_table_with_ceiling_and_floor(whole: Path) -> None:
    for name in (*in_table("control"), *COMPOSITIONS):
        task, found = load_task(name), rows(whole, name)
        for metric in task.headlines:
            human, floor = found["human text", metric], found["unconditional", metric]
            assert 0 <= floor["ctrl"]["ours"] <= human["ctrl"]["ours"] <= 100
            assert 0 <= found["fudge", metric]["ctrl"]["ours"] <= 100
        # lm and diversity stand once a method
        lm = [
            row["lm"]["ours"]
            for (method, _), row in found.items()
            if method == "fudge" and row["lm"]
        ]
        assert len(lm) == 1 and lm[0] > 1


def test_tags_of_targets_are_the_oracles(whole: Path) -> None:
    (store,) = (whole / "store").glob("tagger-*")
    tagger = load_tagger(store)
    (corpus,) = (whole / "store").glob("corpus-*")
    valid = read_texts(corpus / "valid.jsonl")
    for name in ("parts_of_speech", "semantic_content+parts_of_speech"):
        for record in read(whole / "out" / name / "targets.jsonl"):
            control = from_json(record["control"])
            tags = control.controls[-1] if isinstance(control, AllOf) else control
            words = valid[int(record["id"].split("-")[1])].words
            assert tags == TagSequence(tagger.tag([words])[0])
        found = rows(whole, name)
        ceilings = [r["ctrl"]["ours"] for (m, k), r in found.items() if m == "human text"]
        assert set(ceilings) == {100.0}  # the same tagger on the same texts
        record = json.loads((whole / "out" / name / "fudge" / "config.json").read_text())
        assert record["oracles"]["tagger"]["accuracy"] > 80
        assert record["judges"]["tagger"] == store.name


def test_the_ceiling_of_semantic_content_is_measured_on_texts_with_the_pair(whole: Path) -> None:
    (corpus,) = (whole / "store").glob("corpus-*")
    valid = read_texts(corpus / "valid.jsonl")
    names = {"Type": "eatType", "price": "priceRange", "family friendly": "familyFriendly"}
    for record in read(whole / "out" / "semantic_content" / "human" / "scores.jsonl"):
        targets = read(whole / "out" / "semantic_content" / "targets.jsonl")
        (pair,) = (t["control"] for t in targets if t["id"] == record["target"])
        own = [
            t for t in valid if (names.get(pair["field"], pair["field"]), pair["value"]) in t.fields
        ]
        hits = sum(pair["value"] in " ".join(text.words) for text in own)
        assert record["of"] == len(own) > 0
        assert record["scores"]["value_stated"] == pytest.approx(hits / len(own))


def test_trees_are_judged_at_the_targets_length(whole: Path) -> None:
    folder = whole / "out" / "syntax_tree"
    words = {r["id"]: from_json(r["control"]).needed_words for r in read(folder / "targets.jsonl")}
    judged = [r for r in read(folder / "fudge" / "annotations.jsonl") if "tree" in r]
    assert {len(record["words"]) for record in judged} <= set(words.values())
    for record in read(folder / "fudge" / "scores.jsonl"):
        over, under = record["scores"]["tree_f1"]
        assert 0 <= over <= under and record["scores"]["tree_f1_mean"] == over / under


def test_what_tasks_read_decides_what_is_derived(tmp_path: Path) -> None:
    """Parses and tags of a corpus are work: a task that reads neither depends on neither."""
    write_corpus(tmp_path / "data")
    more = [f"data={tmp_path / 'data'}", f"store={tmp_path}", "corpus=e2e"]
    plan = Plan(parse([*more, "parser.source=benepar", "tagger.source=spacy"]))
    both = plan.texts_for("parts_of_speech+syntax_tree")
    assert plan.texts_for("semantic_content") is plan.role("corpus")
    assert plan.texts_for("semantic_content+syntax_tree").key == plan.role("texts").key
    corpus, tagger = plan.role("corpus").key, plan.role("tagger").key
    tags = plan.texts_for("parts_of_speech")
    assert tags.spec.deps == {"corpus": corpus, "tagger": tagger}
    assert both.spec.deps == {"corpus": plan.role("texts").key, "tagger": tagger}
    assert both.key != tags.key
    # a role may name its task, and no network is trained on a composition
    assert plan.role("finetuned:length", COMPOSITIONS[0]) is plan.role("finetuned", "length")
    assert (
        plan.role("classifier:syntax_spans", "x").key == plan.role("classifier", "syntax_spans").key
    )
    with pytest.raises(UserError, match="but on each of its tasks"):
        plan.role("finetuned", COMPOSITIONS[0])


def test_which_tagger_auto_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"stanza", "en_core_web_sm"}
    monkeypatch.setattr(
        "eval.running.taggers.importlib.util.find_spec", lambda name: name in installed
    )
    monkeypatch.setenv("STANZA_RESOURCES_DIR", str(tmp_path))
    assert tagger_source("auto", True) == "trained"
    assert tagger_source("auto", False) == "spacy"  # stanza is there, its model is not
    (tmp_path / "en").mkdir()
    assert tagger_source("auto", False) == "stanza"
    installed.clear()
    assert tagger_source("auto", False) == "nltk"
    assert tagger_source("nltk", True) == "nltk"
    data = tmp_path / "data"
    write_corpus(data)
    given = [f"data={data}", f"store={tmp_path}", "corpus=e2e", "tagger.source=trained"]
    with pytest.raises(UserError, match="no gold tags"):
        Plan(parse(given)).role("tagger")


def test_the_small_grammar_is_the_large_ones_beginning() -> None:
    """What the toy run patches in is the corpus itself."""
    small = load_corpus("grammar", size_train=20, size_valid=10)
    assert small.valid == load_corpus("grammar", size_train=20, size_valid=30).valid[:10]
