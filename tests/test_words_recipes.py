"""What recipes of discrete diffusion train and measure, from a stored corpus to samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from test_words_families import TEXTS
from word_nets import CPU, WORDS

from eval.running.command import parse
from eval.running.plan import Plan
from models.ardm import ARDM, ARDMSettings
from models.mdlm_cfg import MDLMCFG, CFGSettings, GuidedCFGSettings, MDLMCFGGuided
from models.nos import NOS, NOSSettings
from tasks import load_task
from tasks.base import Corpus, Target
from tasks.common.progress import silent
from tasks.controls import AllOf, Control, FieldValue, TagSequence
from tasks.corpora.stored import VOCABULARY, write_corpus

TAGS = TagSequence(("NOUN", "VERB", "PUNCT"))
NAME = FieldValue("name", "b")
BOTH = "semantic_content+parts_of_speech"


@pytest.fixture(scope="module")
def deps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("corpus")
    write_corpus(place, Corpus("grammar", tuple(TEXTS), tuple(TEXTS)))
    WORDS.save(place / VOCABULARY)
    return dict.fromkeys(("corpus", "texts", "vocabulary"), place)


def plan(method: str, *sections: str) -> Plan:
    small = [
        f"{one}.{key}"
        for one in sections
        for key in ("network.layers=1", "network.width=16", "network.heads=2",
                    "network.feedforward=32", "train.steps=2", "train.batch=4", "train.every=2")
    ]  # fmt: skip
    return Plan(parse([f"task={BOTH}", f"method={method}", "device=cpu", *small]))


def built(plan: Plan, folder: Path, deps: Mapping[str, Path], role: str, task: str = "") -> Path:
    recipe = plan.role(role, task)
    assert set(recipe.deps) <= set(deps)
    place = folder / f"{role}-{task}"
    place.mkdir()
    recipe.build(place, deps, silent)
    return place


def decoded(method: Any, control: Control) -> None:
    (result,) = method.generate([Target("t", control)], 2, seed=0)
    for sample in result.samples:
        assert len(sample.words) == 3 and set(sample.words) <= {"a", "b", "c", "."}


def test_prompted_networks_train(deps: dict[str, Path], tmp_path: Path) -> None:
    made = plan("mdlm_cfg", "masked_prompted")
    folders = {
        f"masked_prompted:{task}": built(made, tmp_path, deps, "masked_prompted", task)
        for task in BOTH.split("+")
    }
    keys = {made.role("masked_prompted", task).key for task in BOTH.split("+")}
    assert len(keys) == 2
    decoded(MDLMCFG.load(folders, load_task(BOTH), CFGSettings(), CPU), AllOf((NAME, TAGS)))
    one = {"masked_prompted": folders["masked_prompted:parts_of_speech"]}
    decoded(MDLMCFG.load(one, load_task("parts_of_speech"), CFGSettings(), CPU), TAGS)
    both = plan("mdlm_cfg_guided", "masked_prompted", "word_classifier")
    for task in BOTH.split("+"):
        place = built(both, tmp_path, deps, "word_classifier", task)
        folders[f"word_classifier:{task}"] = place
    assert both.role("masked_prompted", task).key in keys
    guided = MDLMCFGGuided.load(folders, load_task(BOTH), GuidedCFGSettings(), CPU)
    decoded(guided, AllOf((NAME, TAGS)))


def test_heads_and_losses_are_of_a_trained_network(deps: dict[str, Path], tmp_path: Path) -> None:
    made = plan("nos,ardm", "masked", "masked_head")
    deps = deps | {"masked": built(made, tmp_path, deps, "masked")}
    heads = {
        f"masked_head:{task}": built(made, tmp_path, deps, "masked_head", task)
        for task in BOTH.split("+")
    }
    folders = {"masked": deps["masked"], **heads}
    decoded(NOS.load(folders, load_task(BOTH), NOSSettings(), CPU), AllOf((NAME, TAGS)))
    folders = {
        "masked": deps["masked"],
        "masked_losses": built(made, tmp_path, deps, "masked_losses"),
    }
    settings = ARDMSettings(guidance=type(ARDMSettings().guidance)(weight=0.0))
    decoded(ARDM.load(folders, load_task("parts_of_speech"), settings, CPU), TAGS)
