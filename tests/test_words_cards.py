"""What the cards of the families of discrete diffusion say of tasks and settings."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from carded import needs, refuses, resolve

from baselines import METHODS
from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import WordGuidanceConfig
from tasks import in_table, load_task
from tasks.common.errors import UserError

FAMILIES = [
    name
    for name in METHODS
    if isinstance(METHODS.card(name), WordsCard) and CLASSIFIER in METHODS.card(name).brings
]


@pytest.mark.parametrize("name", FAMILIES)
def test_its_card(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method = METHODS.load(name)
    card = method.card
    assert all(refuses(method, task) is None for task in in_table("control"))
    assert refuses(method, "infilling") is None
    classifier = CLASSIFIER.name
    assert needs(method, "length") == (card.network, *card.uses)
    assert needs(method, "infilling") == (card.network, *card.uses, "lengths")
    assert needs(method, "syntax_tree") == (
        card.network, *card.uses, f"{classifier}:syntax_spans"
    )  # fmt: skip
    both = ("semantic_content", "parts_of_speech")
    wanted = {card.network, *card.uses, *(f"{classifier}:{task}" for task in both)}
    assert set(needs(method, "+".join(both))) == wanted
    guided = card.Settings(guidance=WordGuidanceConfig(weight=3.0))
    assert resolve(method, guided, "parts_of_speech") == guided
    for task in ("length", "infilling"):  # guidance plays no part
        assert resolve(method, guided, task) == card.Settings()
    config: Any = SimpleNamespace(**{card.network: SimpleNamespace(length=10)})
    assert card.room(config, load_task("length")) == 8
    with monkeypatch.context() as patch:
        patch.setattr("models.diffusion.words.card.control_kinds", lambda name: {"rhyme": "rhyme"})
        assert refuses(method, "length") == "no guidance is defined for rhyme"


def test_settings_are_checked() -> None:
    for name, wrong in (
        ("mdlm", {"steps": 0}), ("udlm", {"temperature": 0.0}), ("remdm", {"eta": 1.5}),
        ("sundae", {"share": 0.0}),
    ):  # fmt: skip
        with pytest.raises(UserError):
            METHODS.card(name).Settings(**wrong)
    with pytest.raises(UserError):
        WordGuidanceConfig(candidates=0)
    assert replace(WordGuidanceConfig(), weight=2.0).weight == 2.0
