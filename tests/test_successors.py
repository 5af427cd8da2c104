"""The families that came after Diffusion-LM: their cards, and what a run of each makes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from carded import needs, refuses

from baselines import METHODS
from eval.run import main
from eval.running.presets import preset_config
from models.base import INFILLING
from models.diffusion.latents.card import LatentCard
from models.diffusion.latents.decoding import ScoreGuidanceConfig
from tasks import in_table, load_task

FAMILIES = [name for name in METHODS if isinstance(METHODS.card(name), LatentCard)]
TINY = "layers=1 width=16 heads=2 feedforward=32"


def card(name: str) -> LatentCard:
    found = METHODS.card(name)
    assert isinstance(found, LatentCard)
    return found


def test_there_are_some() -> None:
    assert {"cdcd", "difformer", "plaid", "langflow", "narrow", "own_words"} <= set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_its_card(name: str) -> None:
    ours, method = card(name), METHODS.load(name)
    guided = f"{ours.network}_classifier"
    for task in in_table("control"):
        spoken = not {"syntax_spans", "syntax_tree"} & set(task.split("+"))
        assert (refuses(method, task) is None) is (spoken or not ours.own)
    if INFILLING in ours.tables:
        assert refuses(method, "infilling") is None
    else:
        assert "contexts" in str(refuses(method, "infilling"))
    assert needs(method, "length") == (ours.network,)
    own = dataclasses.replace(ours.Settings(), guidance=ScoreGuidanceConfig(by="own"))
    trained = dataclasses.replace(ours.Settings(), guidance=ScoreGuidanceConfig(by="classifier"))
    both = load_task("semantic_content+parts_of_speech")
    assert ours.needs(both, own) == (ours.network, "word_tags:parts_of_speech")
    assert set(ours.needs(both, trained)) == {
        ours.network, f"{guided}:semantic_content", f"{guided}:parts_of_speech"
    }  # fmt: skip
    if not ours.own:
        assert needs(method, "syntax_tree") == (ours.network, f"{guided}:syntax_spans")


@pytest.mark.parametrize("preset", ["demo", "small", "paper"])
@pytest.mark.parametrize("name", FAMILIES)
def test_presets_can_be_trained_and_decoded(name: str, preset: str) -> None:
    ours, config = card(name), preset_config(preset, None)
    for task in ("length", "parts_of_speech"):
        ours.check(config, load_task(task))
    settings = getattr(config, name)
    assert getattr(config, f"{ours.network}_classifier").steps == settings.sampling.steps
    assert ours.room(config, load_task("length")) == getattr(config, ours.network).length - 2


@pytest.mark.parametrize("name", ["narrow", "difformer", "plaid"])
def test_a_run_from_nothing(name: str, tmp_path: Path) -> None:
    network = card(name).network
    small = [f"{network}.network.{one}" for one in TINY.split()]
    classifier = f"{network}_classifier"
    small += [f"{classifier}.network.{one}" for one in TINY.split()]
    given = [
        "task=length,syntax_spans", f"method={name}", "targets=2", "samples=2", "floor=0",
        "threads=1", f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}",
        f"{network}.train.steps=3", f"{classifier}.train.steps=2", f"{network}.steps=200",
        f"{network}.train.batch=4", f"{classifier}.train.batch=4", *small,
    ]  # fmt: skip
    assert main(given) == 0
    for task in ("length", "syntax_spans"):
        lines = (tmp_path / "out" / task / name / "samples.jsonl").read_text().splitlines()
        assert len(lines) == 4
