"""Networks that did not learn their task say so, and what trainings took is stored and shown."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.nado.config import SuccessConfig
from baselines.nado.training import train_success
from baselines.pplm.head import train_attribute_head
from models.nets.causal import train_lm
from models.nets.codec import WordCodec
from models.nets.config import (
    AttributeHeadConfig,
    DiscriminatorConfig,
    LMConfig,
    TrainConfig,
)
from models.nets.discriminator import train_discriminator
from models.nets.learned import Learned, compared, surprise
from tasks.base import Words
from tasks.controls import FieldValue
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
WORDS = ("a", "b", "c", "d")
CODEC = WordCodec(Vocabulary([*SPECIALS, *WORDS]))
READS = CODEC.with_prompt([f"ask-{word}" for word in WORDS])
TRAIN = TrainConfig(steps=80, batch=16, lr=1e-2, every=80, bf16=False)
SHAPE = LMConfig(1, 16, 2, 0.0, 12, train=TRAIN)
Pairs = list[tuple[Sequence[str], Words]]


def pairs(count: int, told: bool, seed: int) -> Pairs:
    """Texts of one word thrice, behind a prompt that names it or, else, any."""
    rng, made = random.Random(seed), Pairs()
    for _ in range(count):
        word, other = rng.choice(WORDS), rng.choice(WORDS)
        text = (word, word, word, *rng.choices(WORDS, k=3))
        made.append(((f"ask-{word if told else other}",), text))
    return made


def facts(folder: Path) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((folder / "training.json").read_text())
    return stored


def said(folder: Path, told: bool, out: str) -> dict[str, Any]:
    """What was stored and printed of a training."""
    learned: dict[str, Any] = facts(folder)["learned"]
    assert learned["refused"] is not told
    assert (learned["low"] > 0) is told and learned["low"] <= learned["gain"] <= learned["high"]
    lines = [line for line in out.splitlines() if "at chance" in line]
    assert len(lines) == (not told)
    if not told:
        assert lines[0].startswith(f"warning: {folder.name} is at chance: ")
        assert learned["chance"] in lines[0]
    return learned


@pytest.mark.parametrize("told", [True, False])
def test_a_model_that_learned_nothing_of_its_prompt(
    told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = pairs(300, told, 0), pairs(200, told, 1), READS, SHAPE, 0
    train_lm(tmp_path, *args, device=CPU)
    learned = said(tmp_path, told, capsys.readouterr().out)
    assert "prompts" in learned["chance"]


@pytest.mark.parametrize("told", [True, False])
def test_a_discriminator_that_learned_nothing(
    told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = DiscriminatorConfig(1, 16, 2, 0.0, 12, 16, generative=0.0, train=TRAIN)
    args = pairs(300, told, 0), pairs(200, told, 1), READS, config, 0
    train_discriminator(tmp_path, *args, device=CPU)
    learned = said(tmp_path, told, capsys.readouterr().out)
    assert "entropy" in learned["chance"]


def test_a_model_without_prompts_is_held_against_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain: Pairs = [((), words) for _, words in pairs(50, True, 0)]
    train_lm(
        tmp_path, plain, plain, CODEC, replace(SHAPE, train=replace(TRAIN, steps=3)), 0, device=CPU
    )
    assert "learned" not in facts(tmp_path)
    assert not capsys.readouterr().out


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lm")
    plain: Pairs = [((), words) for _, words in pairs(200, True, 0)]
    train_lm(folder, plain, [], CODEC, SHAPE, 0, device=CPU)
    return folder


@pytest.mark.parametrize("told", [True, False])
def test_a_success_function_that_learned_nothing(
    told: bool, lm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = SuccessConfig(1, 16, 2, 0.0, 12, consistency=0.0, generative=0.0, train=TRAIN)
    train, held = pairs(300, told, 0), pairs(200, told, 1)
    texts = [[words for _, words in one] for one in (train, held)]
    random.Random(0).shuffle(texts[1])
    train_success(
        tmp_path, lm, READS, (train, texts[0]), (held, texts[1]), config, seed=0, evenly=False,
        device=CPU,
    )  # fmt: skip
    said(tmp_path, told, capsys.readouterr().out)


@pytest.mark.parametrize("told", [True, False])
def test_a_head_that_learned_nothing(
    told: bool, lm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against the entropy of values in their field: a field with one value has none."""

    def examples(seed: int) -> list[tuple[FieldValue, Words]]:
        made = pairs(200, told, seed)
        return [
            one
            for (prompt,), words in made
            for one in ((FieldValue("first", prompt), words), (FieldValue("kind", "any"), words))
        ]

    config = AttributeHeadConfig(replace(TRAIN, steps=150, batch=64))
    train_attribute_head(tmp_path, lm, examples(0), examples(1), config, 0, device=CPU)
    learned = said(tmp_path, told, capsys.readouterr().out)
    assert learned["gain"] < np.log(4) / 2


def test_what_a_training_took(tmp_path: Path) -> None:
    """A matrix product of its weights costs two operations a weight forward and four backward, for
    every token; attention adds little at this length."""
    steps, batch = 4, 8
    train = replace(TRAIN, steps=steps, batch=batch)
    made: Pairs = [((), ("a", "b", "c", "d"))] * 40
    train_lm(tmp_path, made, made, CODEC, replace(SHAPE, train=train), 0, device=CPU)
    stored = facts(tmp_path)
    assert (stored["steps"], stored["examples"]) == (steps, steps * batch)
    assert stored["seconds"] >= 0 and stored["machine"].endswith("1 thread")
    width, tokens = SHAPE.width, steps * batch * 5
    weights = 12 * width**2 + width * len(CODEC)
    assert 1 <= stored["pflop"] * 1e15 / (6 * weights * tokens) < 1.3


def test_counting_changes_no_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.nets import facts as module

    made = pairs(60, True, 0)
    config = replace(SHAPE, dropout=0.1, train=replace(TRAIN, steps=5))
    for name in ("counted", "not"):
        (tmp_path / name).mkdir()
        if name == "not":
            monkeypatch.setattr(module, "counted", lambda *args: float("nan"))
        train_lm(tmp_path / name, made, made, READS, config, 0, device=CPU)
    weights = [
        (tmp_path / name / "weights.safetensors").read_bytes() for name in ("counted", "not")
    ]
    assert weights[0] == weights[1]
    assert "pflop" in facts(tmp_path / "counted") and "pflop" not in facts(tmp_path / "not")


def test_a_text_counts_once() -> None:
    """By hand: gains of 1 and 3 of one text, and of 0 and 1 of two more."""
    found = compared([1.0, 1.0, 2.0, 1.0], [2.0, 4.0, 2.0, 2.0], ["x", "x", "y", "z"], "chance")
    assert found is not None and (found.texts, found.gain) == (3, 1.0)
    # the standard deviation of 2, 0, 1 is 1; Student's 97.5 % point at two degrees is 4.3027
    assert found.high - found.gain == pytest.approx(4.3027 / 3**0.5, abs=1e-4)
    assert found.refused and not Learned(1.0, 0.1, 2.0, 3, "chance").refused
    assert compared([1.0], [2.0], ["x"], "chance") is None


def test_surprise_averages_to_the_entropy_within_groups() -> None:
    labels, groups = [0, 0, 1, 1, 5, 5], [0, 0, 0, 0, 1, 1]
    each = surprise(labels, groups)
    assert each == pytest.approx([np.log(2)] * 4 + [0.0] * 2)
