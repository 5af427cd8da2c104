"""Masked diffusion: its bound against closed forms, and samples of a length."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from carded import needs, refuses

from eval.running.command import parse
from eval.running.plan import Plan
from models.mdlm import MDLM, Bound, MaskedConfig, MDLMSettings, build
from models.nets.artefact import save_network
from models.nets.config import EncoderConfig, TrainConfig
from models.nets.sequences import encode
from models.nets.train import fit
from tasks import load_task
from tasks.base import Target
from tasks.common.batching import BatchPlan
from tasks.controls import Length
from tasks.vocabulary import Vocabulary

CPU = torch.device("cpu")
TEXTS = [("a", "b", "."), ("b", "c", "a", "."), ("c", "."), ("a", "a", "c", "b", ".")]
WORDS = Vocabulary(["START", "END", "UNK", "PAD", "a", "b", "c", "."])
CONFIG = MaskedConfig(
    length=8,
    network=EncoderConfig(
        layers=2, width=32, heads=2, feedforward=64, dropout=0.0, attention_dropout=0.0
    ),
    train=TrainConfig(steps=1500, batch=4, lr=3e-3, every=1500),
)


class Knows(torch.nn.Module):
    """Says ``logits`` (L, V + 1) whatever it reads."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits, self.words, self.device = logits, logits.shape[1], CPU

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(ids), -1, -1)


def bound(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    module: Any = Knows(logits)
    return Bound(module, ids, ids, BatchPlan(len(ids), len(ids), 0)).each(ids)


def test_the_bound_of_independent_words_is_their_cross_entropy() -> None:
    """Where nothing is learned of a context, each word costs what it costs alone, whatever t."""
    probabilities = torch.tensor([[0.5, 0.3, 0.2, 0.0], [0.1, 0.1, 0.8, 0.0]])
    ids = torch.tensor([[0, 2]]).expand(40_000, 2)
    nats = bound(probabilities.log(), ids)
    expected = -(math.log(0.5) + math.log(0.8)) / 2
    error = float(nats.std()) / len(nats) ** 0.5
    assert abs(float(nats.mean()) - expected) < 4 * error < 0.1


def test_the_mask_is_no_word() -> None:
    """Zero masking: what a network says of the mask costs nothing."""
    plain = torch.zeros(2, 4)
    masked = plain.clone()
    masked[:, -1] = 50.0
    ids = torch.tensor([[0, 2]]).expand(64, 2)
    assert torch.equal(bound(plain, ids), bound(masked, ids))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that knows four sentences by heart."""
    place = tmp_path_factory.mktemp("masked")
    torch.manual_seed(0)
    module, facts = build(CONFIG, WORDS)
    ids = encode(TEXTS, WORDS, CONFIG.length, "pad")
    curve = fit(Bound(module, ids, ids, BatchPlan(4, 4, 0)), CONFIG.train, place, 0)
    assert curve[-1]["valid_bound"] < 0.6 * math.log(len(WORDS))
    save_network(place, module, CONFIG, facts, words=("vocabulary", WORDS))
    return place


def made(folder: Path, **options: int) -> dict[str, list[tuple[str, ...]]]:
    method = MDLM.load({"masked": folder}, load_task("length"), MDLMSettings(steps=24), CPU)
    targets = [Target(f"t{n}", Length(n)) for n in (2, 3, 4, 5)]
    results = list(method.generate(targets, 4, seed=0, **options))
    assert [one.target_id for one in results] == ["t2", "t3", "t4", "t5"]
    assert {sample.nfe for one in results for sample in one.samples} == {24.0}
    return {one.target_id: [sample.words for sample in one.samples] for one in results}


def test_a_length_gives_the_sentence_of_that_length(folder: Path) -> None:
    texts = made(folder)
    for words in TEXTS:
        samples = texts[f"t{len(words)}"]
        assert all(len(sample) == len(words) for sample in samples)
        assert samples.count(words) >= 3


def test_a_sample_depends_on_nothing_but_its_names(folder: Path) -> None:
    assert made(folder) == made(folder, batch=3)


def test_its_card() -> None:
    assert needs(MDLM, "length") == ("masked",)
    assert refuses(MDLM, "length") is None
    assert "no guidance is defined for syntax_spans" in str(refuses(MDLM, "syntax_spans"))
    config: Any = SimpleNamespace(masked=replace(CONFIG, length=10))
    assert MDLM.card.room(config, load_task("length")) == 8
    plan = Plan(parse(["task=length", "method=mdlm"]))
    assert plan.config.masked.network.width == 192  # of the preset demo
    assert plan.role("masked").spec.config["length"] == 32
