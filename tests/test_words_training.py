"""Training of a network of words: it learns, a killed training goes on as if nothing had been, and
its recipe says what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from killed import goes_on
from word_nets import CPU, TINY, WORDS, Says

from eval.running.command import parse
from eval.running.plan import Plan
from models import d3pm, multinomial, sedd, sundae
from models.diffusion.words.config import WordsConfig
from models.diffusion.words.frame import LENGTHS, count_lengths, texts_of
from models.diffusion.words.masked import Bound
from models.diffusion.words.role import build
from models.mdlm import MDLM, MDLMSettings
from models.nets.artefact import save_network
from models.nets.config import EncoderConfig, TrainConfig
from models.nets.train import fit
from models.udlm import Bound as Replacing
from tasks import load_task
from tasks.base import Target
from tasks.controls import Length

TEXTS = [("a", "b", "."), ("b", "c", "a", "."), ("c", "."), ("a", "a", "c", "b", ".")]
TRAIN = TrainConfig(steps=12, batch=4, lr=3e-3, ema=0.9, every=4, checkpoint=0.0, bf16=False)


def objective(kind: Any, config: Any, role: str) -> Any:
    torch.manual_seed(0)
    module, facts = build(role, config, WORDS)
    texts = texts_of(TEXTS, WORDS, config.length)
    return kind(module, config, texts, texts, 0), facts


@pytest.mark.parametrize("at", [1, 6])
def test_a_killed_training_goes_on(at: int, tmp_path: Path) -> None:
    """The same weights and the same curve as of one that was left alone."""
    config = WordsConfig(length=8, time=True, network=TINY, train=TRAIN)

    assert goes_on(
        lambda: objective(Replacing, config, "uniform")[0], TRAIN, tmp_path, at, "valid_nats"
    )


def test_it_learns_sentences_by_heart(tmp_path: Path) -> None:
    """And says the one of the length that is asked for."""
    network = EncoderConfig(
        layers=2, width=32, heads=2, feedforward=64, dropout=0.0, attention_dropout=0.0
    )
    train = TrainConfig(steps=500, batch=4, lr=5e-3, warmup=20, every=500, bf16=False)
    config = WordsConfig(length=8, network=network, train=train)
    made, facts = objective(Bound, config, "masked")
    curve = fit(made, train, tmp_path, 0)
    assert curve[-1]["valid_nats"] < 0.5
    files = {LENGTHS: count_lengths(TEXTS)}
    save_network(tmp_path, made.module, config, facts, words=("vocabulary", WORDS), files=files)
    method = MDLM.load({"masked": tmp_path}, load_task("length"), MDLMSettings(), CPU)
    targets = [Target(f"t{len(words)}", Length(len(words))) for words in TEXTS]
    for result, words in zip(method.generate(targets, 4, seed=0), TEXTS, strict=True):
        assert [one.words for one in result.samples].count(words) >= 3


def test_the_mask_is_no_word() -> None:
    """What a network says of the mask costs nothing."""
    joint = torch.full((5,), 0.2, dtype=torch.float64)
    texts = texts_of(TEXTS, WORDS, 8)
    found = []
    for of_mask in (0.0, 50.0):
        says: Any = Says(joint, 0.0)
        assert says.words == len(WORDS) + 1
        says.logits[-1] = of_mask
        made = Bound(says, WordsConfig(length=8, network=TINY), texts, texts, 0)
        torch.manual_seed(0)
        found.append(made.nats(texts.ids, made.free(texts.ids, None, None), None))
    assert torch.equal(*found)


def test_middles_alone_are_noised_in_a_share_of_windows() -> None:
    texts = texts_of(TEXTS[1:2] * 400, WORDS, 8, [(1, 3)] * 400)
    config = WordsConfig(length=8, clean_contexts=0.25, network=TINY)
    says: Any = Says(torch.full((5,), 0.2, dtype=torch.float64))
    made = Bound(says, config, texts, texts, 0)
    ids, middle = texts.batch(torch.arange(400))
    free = made.free(ids, middle, torch.Generator().manual_seed(0))
    alone = free.sum(1) == 2
    assert torch.equal(free[alone][0].nonzero()[:, 0], torch.tensor([2, 3]))
    assert bool((free[~alone].sum(1) == 4).all())
    assert float(alone.double().mean()) == pytest.approx(0.25, abs=0.07)


def test_its_recipe() -> None:
    plan = Plan(parse(["task=length", "method=mdlm"]))
    spec = plan.role("masked").spec
    assert plan.config.masked.network.width == 128  # of the preset demo
    assert spec.config["length"] == 32
    assert json.dumps(spec.config)


OBJECTIVES = {
    "masked": (Bound, WordsConfig),
    "scores_absorbing": (sedd.Absorbing, WordsConfig),
    "scores_uniform": (sedd.Uniform, WordsConfig),
    "steps_absorbing": (d3pm.Absorbing, d3pm.D3PMConfig),
    "steps_uniform": (d3pm.Uniform, d3pm.D3PMConfig),
    "steps_multinomial": (multinomial.Bound, multinomial.MultinomialConfig),
    "uniform": (Replacing, WordsConfig),
    "unrolled": (sundae.Unrolled, sundae.SundaeConfig),
}


@pytest.mark.parametrize("role", OBJECTIVES)
def test_a_network_that_denies_the_truth_has_gradients(role: str) -> None:
    """At every level of noise: also where a step leaves none, and no word but the clean one is
    possible."""
    kind, Config = OBJECTIVES[role]
    steps = {"T": 2} if "steps" in role else {}
    config = Config(length=8, time="uniform" in role, network=TINY, train=TRAIN, **steps)
    made, _ = objective(kind, config, role)
    wrong = WORDS.ids["b"]
    with torch.no_grad():
        made.module.bias[wrong] += 15.0
    torch.manual_seed(1)
    for step in range(20):
        made.module.zero_grad()
        loss, _ = made.loss(step)
        loss.backward()
        slopes = [one.grad for one in made.module.parameters() if one.grad is not None]
        assert bool(loss.isfinite()) and all(bool(one.isfinite().all()) for one in slopes)
        assert float(made.module.bias.grad[wrong]) > 0


def test_a_fresh_network_sees_words_before_times() -> None:
    """Told of the time, it says at first what it says without, and learns to heed it."""
    said, slopes = [], []
    ids = torch.tensor([[1, 4, 5, 6, 7, 2]])
    for time in (False, True):
        torch.manual_seed(0)
        module, _ = build("uniform", WordsConfig(length=8, time=time, network=TINY), WORDS)
        said.append(module(ids, torch.tensor([0.5])))
        said[-1][..., 4].sum().backward()
        slopes.append([one for name, one in module.named_parameters() if name.startswith("time")])
    assert torch.equal(*said)
    assert not slopes[0] and any(float(one.grad.abs().sum()) > 0 for one in slopes[1])
