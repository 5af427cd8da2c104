"""PPLM: its objective's gradient, its rule, and samples that depend on nothing but their names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from carded import refuses
from torch import Tensor, nn

from baselines.pplm.head import (
    AttributeHead,
    features,
    load_attribute_head,
    train_attribute_head,
)
from baselines.pplm.method import PPLM, Context, Steering
from baselines.pplm.settings import PPLMSettings
from models.nets.backbones.gpt2 import GPT2
from models.nets.causal import load_lm, train_lm
from models.nets.codec import WordCodec
from models.nets.config import AttributeHeadConfig, LMConfig, TrainConfig
from tasks import load_task
from tasks.base import Target, Words
from tasks.common.errors import UserError
from tasks.controls import Control, FieldValue, Length
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
TASK = load_task("semantic_content")
FOODS = {"thai": "rice", "greek": "feta", "french": "brie"}
FILLERS = ("we", "serve", "good", "cheap")
CODEC = WordCodec(Vocabulary([*SPECIALS, *FILLERS, *FOODS.values(), "."]))
TARGETS = [Target(f"t{i}", FieldValue("food", food)) for i, food in enumerate(FOODS)]
#: large steps, so that a few of them show
STRONG = PPLMSettings(steps=10, step_size=0.3, max_words=8, gm_scale=1.0)


def examples(n: int = 400) -> list[tuple[Control, Words]]:
    """Texts of random words with one food in a random place."""
    rng = np.random.default_rng(0)
    found: list[tuple[Control, Words]] = []
    for _ in range(n):
        food, word = list(FOODS.items())[rng.integers(3)]
        filler = rng.choice(FILLERS, rng.integers(2, 7)).tolist()
        at = rng.integers(len(filler))
        words = (*filler[:at], word, *filler[at:], ".")
        found += [
            (FieldValue("food", food), words),
            (FieldValue("price", "cheap" if "cheap" in words else "none"), words),
        ]
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("artefacts")
    found = {role: root / role for role in ("lm", "attribute_head")}
    for folder in found.values():
        folder.mkdir()
    train = TrainConfig(steps=60, batch=16, lr=5e-3, every=60, bf16=False)
    data = [((), words) for _, words in examples()]
    train_lm(found["lm"], data, [], CODEC, LMConfig(2, 32, 2, 0.0, 16, train=train), 0, device=CPU)
    config = AttributeHeadConfig(replace(train, steps=300, batch=64, lr=5e-2))
    pairs, held = examples(), examples(200)
    train_attribute_head(found["attribute_head"], found["lm"], pairs, held, config, 0, device=CPU)
    return found


def make(folders: Mapping[str, Path], settings: PPLMSettings = STRONG) -> PPLM:
    return PPLM.load(folders, TASK, settings, CPU)


def content(generator: PPLM, n: int = 4, **options: int) -> dict[str, list[tuple[Words, float]]]:
    results = generator.generate(TARGETS, n, seed=3, **options)
    return {r.target_id: [(s.tokens, s.nfe) for s in r.samples] for r in results}


def random_problem(kl_scale: float) -> tuple[Steering, list[Tensor], Context, Tensor]:
    """An untrained network in fp64 and a text of four tokens, in three rows."""
    torch.manual_seed(0)
    model = GPT2.fresh(11, 12, 2, 8, 2, 0.0).double().eval().requires_grad_(False)
    head = AttributeHead(8, {"food": ["x", "y", "z"], "price": ["u", "none"]}).double()
    nn.init.normal_(head.linear.weight)
    head.centre.normal_()
    head.spread.uniform_(0.5, 2.0)
    steering = Steering(model, head.requires_grad_(False), PPLMSettings(kl_scale=kl_scale))
    ids = torch.randint(11, (3, 5))
    plain, total = [], torch.zeros(3, 8, dtype=torch.float64)
    for i in range(4):
        hidden, plain = steering.feed(model.embed(ids[:, i : i + 1]), plain)
        total = total + hidden
    cache = [x + 0.3 * torch.randn_like(x) for pair in plain for x in pair]
    embedded = model.embed(ids[:, 4:])
    hidden, longer = steering.feed(embedded, plain)
    unsteered = model.logits(hidden).log_softmax(-1)
    context = Context(embedded, longer, unsteered, total, 4, torch.tensor([0, 2, 4]))
    return steering, cache, context, hidden


def pair_up(flat: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]


@pytest.mark.parametrize("kl_scale", [0.0, 1.0])
def test_gradients_of_the_objective(kl_scale: float) -> None:
    """Finite differences with respect to the cached keys and values."""
    steering, cache, context, fixed = random_problem(kl_scale)

    def losses(flat: list[Tensor]) -> Tensor:
        hidden, _ = steering.feed(context.embedded, pair_up(flat))
        # the state of the last token counts in the mean as a constant: the same one at each point
        return steering.losses(steering.model.logits(hidden), fixed, context)

    leaves = [x.clone().requires_grad_() for x in cache]
    gradients = torch.autograd.grad(losses(leaves).sum(), leaves)
    rng = torch.Generator().manual_seed(1)
    for i, gradient in enumerate(gradients):
        direction = torch.randn(gradient.shape, generator=rng, dtype=torch.float64)
        step = 1e-5
        ahead = losses([x + step * direction * (i == j) for j, x in enumerate(cache)])
        behind = losses([x - step * direction * (i == j) for j, x in enumerate(cache)])
        slope = (ahead - behind) / (2 * step)
        # each row's loss depends on its own cache alone
        torch.testing.assert_close(slope, (gradient * direction).sum((1, 2, 3)))
        assert float(gradient.abs().max()) > 0


def test_no_gradient_passes_through_the_last_state() -> None:
    """As in the original: the state of the last token is detached."""
    steering, cache, context, _ = random_problem(0.5)
    leaves = [x.clone().requires_grad_() for x in cache]
    hidden, _ = steering.feed(context.embedded, pair_up(leaves))
    logits = steering.model.logits(hidden)
    through = torch.autograd.grad(
        steering.losses(logits, hidden, context).sum(), leaves, retain_graph=True
    )
    fixed = torch.autograd.grad(steering.losses(logits, hidden.detach(), context).sum(), leaves)
    for a, b in zip(through, fixed, strict=True):
        torch.testing.assert_close(a, b)


def test_the_objective_is_the_papers() -> None:
    """log p(value | mean) by hand, and the divergence where the cache is not steered: zero."""
    steering, _, context, hidden = random_problem(1.0)
    logits = steering.model.logits(hidden)
    found = steering.losses(logits, hidden, context)
    expected = logits.softmax(-1) @ steering.model.table
    ahead, _ = steering.feed(expected[:, None], context.plain)
    mean = (context.total + hidden + ahead) / 6
    scores = steering.head.linear((mean - steering.head.centre) / steering.head.spread)
    by_hand = [
        -scores[0, :3].log_softmax(-1)[0],
        -scores[1, :3].log_softmax(-1)[2],
        -scores[2, 3:].log_softmax(-1)[1],
    ]
    torch.testing.assert_close(found, torch.stack(by_hand))


@pytest.mark.parametrize("gamma", [1.0, 1.5])
def test_one_step_is_the_originals(gamma: float) -> None:
    """Each row and layer moves by step_size * gradient / norm ** gamma, keys and values jointly."""
    steering, cache, context, _ = random_problem(0.01)
    steering.settings = PPLMSettings(steps=1, gamma=gamma, step_size=0.04)
    moved = [x for pair in steering.steer(pair_up(cache), context) for x in pair]
    leaves = [x.clone().requires_grad_() for x in cache]
    hidden, _ = steering.feed(context.embedded, pair_up(leaves))
    losses = steering.losses(steering.model.logits(hidden), hidden, context)
    gradients = torch.autograd.grad(losses.sum(), leaves)
    for layer in range(2):
        keys, values = gradients[2 * layer : 2 * layer + 2]
        for row in range(3):
            norm = torch.cat([keys[row].flatten(), values[row].flatten()]).norm()
            for part in (2 * layer, 2 * layer + 1):
                expected = cache[part][row] - 0.04 * gradients[part][row] / norm**gamma
                torch.testing.assert_close(moved[part][row], expected)


def test_steering_raises_the_objective() -> None:
    steering, cache, context, _ = random_problem(0.01)
    steering.settings = PPLMSettings(steps=30, step_size=0.02)

    def losses(past: list[tuple[Tensor, Tensor]]) -> Tensor:
        hidden, _ = steering.feed(context.embedded, past)
        return steering.losses(steering.model.logits(hidden), hidden, context)

    steered = list(steering.steer(pair_up(cache), context))
    assert bool((losses(steered) < losses(pair_up(cache))).all())


def test_a_sample_depends_on_nothing_but_its_names(folders: Mapping[str, Path]) -> None:
    settings = replace(STRONG, steps=4)
    generator = make(folders, settings)
    whole = content(generator, n=3)
    assert content(generator, n=3, batch=5) == whole
    alone = content(generator, n=1, batch=1)
    assert all(alone[key] == whole[key][:1] for key in whole)
    (last,) = generator.generate(TARGETS[2:], 3, seed=3)
    assert [(s.tokens, s.nfe) for s in last.samples] == whole["t2"]
    assert any(len(tokens) != len(whole["t0"][0][0]) for row in whole.values() for tokens, _ in row)
    for row in whole.values():
        for tokens, nfe in row:
            assert nfe == 2 * len(tokens) + 2 * settings.steps * (len(tokens) - 1)
            assert not {"START", "PAD"} & set(tokens)


def test_the_head_finds_the_value_in_steered_texts(folders: Mapping[str, Path]) -> None:
    """What PPLM climbs is the head's opinion, which need not be the word that the field is about
    (on E2E the paper's own PPLM states the value in 9.9 % of texts)."""
    model, codec, _ = load_lm(folders["lm"], CPU)

    def share(settings: PPLMSettings) -> float:
        generator = make(folders, settings)
        found = []
        for target, result in zip(TARGETS, generator.generate(TARGETS, 40, seed=3), strict=True):
            wanted = generator.head.wanted([target.control] * 40)
            means = features(model, codec, [sample.words for sample in result.samples])
            found.append(generator.head.log_probs(means, wanted).argmax(-1) == wanted)
        return float(torch.cat(found).float().mean())

    # 120 texts each: a difference of 0.15 is more than twice its standard error
    plain, steered = share(replace(STRONG, steps=0)), share(STRONG)
    assert steered > plain + 0.15


def test_without_steps_it_is_the_language_model(folders: Mapping[str, Path]) -> None:
    """Nothing is steered, whatever the head says: only each target's random numbers differ."""
    plain = make(folders, replace(STRONG, steps=0))
    nn.init.normal_(plain.head.linear.weight)
    assert content(plain) == content(make(folders, replace(STRONG, steps=0, gm_scale=0.3)))


def test_what_the_head_learns(folders: Mapping[str, Path]) -> None:
    lines = (folders["attribute_head"] / "curve.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["valid_accuracy"] > 0.95
    head = load_attribute_head(folders["attribute_head"], folders["lm"], CPU)
    assert head.values == {"food": ("french", "greek", "thai"), "price": ("cheap", "none")}
    model, codec, _ = load_lm(folders["lm"], CPU)
    mean = features(model, codec, [("we", "serve", "good", "feta", ".")])
    wanted = head.wanted([FieldValue("food", "greek")])
    found = head.log_probs(mean, wanted)[0].exp()
    assert float(found[1]) > 0.9 and float(found.sum()) == pytest.approx(1.0, abs=1e-5)
    assert found[3:].tolist() == [0.0, 0.0]


def test_features_are_means_over_the_text(folders: Mapping[str, Path]) -> None:
    model, codec, _ = load_lm(folders["lm"], CPU)
    texts: list[Words] = [("we", "serve", "."), ("good", "rice", ".", "we", "serve")]
    found = features(model, codec, texts)
    for row, words in zip(found, texts, strict=True):
        ids = torch.tensor([[codec.bos, *codec.encode(words)]])
        with torch.no_grad():
            mean = model.body(ids).last_hidden_state[0].mean(0)
        torch.testing.assert_close(row, mean, atol=1e-5, rtol=1e-4)


def test_mistakes_are_named(folders: Mapping[str, Path], tmp_path: Path) -> None:
    assert refuses(PPLM, "semantic_content") is None
    for task in ("length", "syntax_tree", "semantic_content+syntax_tree"):
        assert "positional" in str(refuses(PPLM, task))
    generator = make(folders)
    with pytest.raises(UserError, match="unknown food 'thay': did you mean 'thai'"):
        list(generator.generate([Target("x", FieldValue("food", "thay"))], 1, 0))
    with pytest.raises(UserError, match="unknown field 'foot'"):
        list(generator.generate([Target("x", FieldValue("foot", "thai"))], 1, 0))
    config = AttributeHeadConfig(TrainConfig(steps=1, batch=2, every=1))
    for pairs in ([], [(Length(3), ("we",))]):
        with pytest.raises(UserError):
            train_attribute_head(tmp_path, folders["lm"], pairs, [], config, 0, device=CPU)
    other = tmp_path / "lm"
    shutil.copytree(folders["lm"], other)
    weights = other / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(UserError, match="made for language_model"):
        load_attribute_head(folders["attribute_head"], other, CPU)
    with pytest.raises(UserError, match="cannot read"):
        load_attribute_head(tmp_path / "nowhere", folders["lm"], CPU)
    for wrong in ({"gm_scale": 2.0}, {"steps": -1}, {"temperature": 0.0}):
        with pytest.raises(UserError):
            PPLMSettings(**wrong)  # type: ignore[arg-type]
