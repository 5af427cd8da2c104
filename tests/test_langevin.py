"""Langevin sampling of autoregressive models: its density and its law on toys that are known."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from test_steering import content
from torch import Tensor

from baselines import METHODS
from baselines.langevin.annealed import anneal, joint, score
from baselines.langevin.card import build
from baselines.langevin.method import Free, Langevin
from baselines.langevin.network import CleanWords
from baselines.langevin.settings import LangevinSettings, NoisyLMConfig
from eval.running.command import parse
from eval.running.plan import Plan
from models.nets.artefact import save_network
from models.nets.config import EncoderConfig, TrainConfig
from tasks import load_task
from tasks.base import Corpus, Target, Text
from tasks.common.batching import BatchPlan
from tasks.common.errors import UserError
from tasks.controls import Length, Span
from tasks.corpora.stored import VOCABULARY, write_corpus
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
#: texts of START (id 0, which nothing else is) and of two of the words 1, 2, 3
LAW = torch.tensor([[30, 5, 5], [2, 25, 3], [10, 5, 15]]).double() / 100
TABLE = torch.tensor([[9.0], [-1.0], [0.5], [1.5]]).double()


class Knows:
    """The exact p(w | y_<i, s) of texts of two words."""

    table = TABLE

    def __init__(self, law: Tensor = LAW) -> None:
        self.law = law

    def __call__(self, y: Tensor, noise: Tensor) -> Tensor:
        apart = (y[:, 1:] - self.table[1:, 0]).square()  # (B, 1, 3)
        first = self.law.sum(1)
        seen = first * (-apart[:, 0] / (2 * noise[:, None] ** 2)).exp()
        second = seen @ (self.law / first[:, None])
        both = torch.stack([first.expand(len(y), 3), second / second.sum(-1, keepdim=True)], 1)
        never = both.new_full((*both.shape[:2], 1), -torch.inf)
        return torch.cat([never, both.log()], -1)


def texts(y: Tensor) -> Tensor:
    """Behind START."""
    return torch.cat([TABLE[:1].expand(len(y), 1, 1), y], 1)


@pytest.mark.parametrize("noise", [0.25, 0.5, 1.0, 2.0, 4.0, 10.0])
def test_one_word_of_two(noise: float) -> None:
    """log p(+1 | y) is log sigmoid(2 y / s^2), and the score (tanh(y / s^2) - y) / s^2."""
    toy: Any = SimpleNamespace(table=torch.tensor([[9.0], [-1.0], [1.0]]).double())

    class BPSK:
        table = toy.table

        def __call__(self, y: Tensor, noise: Tensor) -> Tensor:
            return torch.tensor([-torch.inf, 0.0, 0.0]).double().expand(len(y), 1, 3)

    y = torch.linspace(-3, 3, 13).double()
    both = torch.stack([torch.full_like(y, 9.0), y], 1)[..., None]
    said = joint(BPSK(), both, noise)[:, 0].log_softmax(-1)[:, 2]
    torch.testing.assert_close(said, (2 * y / noise**2).sigmoid().log())
    found = score(BPSK(), both, noise)[:, 1, 0]
    torch.testing.assert_close(found, ((y / noise**2).tanh() - y) / noise**2)


@pytest.mark.parametrize("noise", [0.3, 1.0, 5.0])
def test_the_score_is_that_of_the_noised_law(noise: float) -> None:
    """Of the mixture over whole texts: what stands behind a word pulls at it too."""
    y = (torch.randn(50, 2, 1, generator=torch.Generator().manual_seed(0)) * (1 + noise)).double()
    with torch.enable_grad():
        given = y.clone().requires_grad_(True)
        apart = (given - TABLE[1:, 0]).square() / (2 * noise**2)
        whole = LAW.log() - apart[:, 0, :, None] - apart[:, 1, None, :]
        total = whole.flatten(1).logsumexp(1)
        (wanted,) = torch.autograd.grad(total.sum(), given)
    found = joint(Knows(), texts(y), noise).logsumexp(-1).sum(1)
    torch.testing.assert_close(found, total.detach())
    torch.testing.assert_close(score(Knows(), texts(y), noise)[:, 1:], wanted)


def levels(most: float, least: float, count: int) -> list[float]:
    ratio = (least / most) ** (1 / (count - 1))
    return [most * ratio**i for i in range(count)]


def drawn(rows: int, free: Tensor, ids: Tensor, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return anneal(
        Knows(), ids.expand(rows, 3), free.expand(rows, 3), levels(5.0, 0.1, 30),
        LangevinSettings(updates=30, step=0.1),
        lambda: torch.randn(rows, 3, 1, generator=rng).double(), silent=(0,),
    )  # fmt: skip


def test_samples_are_of_the_law() -> None:
    """Annealed slowly enough, of a network that knows the answer."""
    rows = 1500
    x = drawn(rows, torch.tensor([False, True, True]), torch.tensor([0, 1, 1]))
    assert (x[:, 0] == 0).all()
    counts = torch.bincount((x[:, 1] - 1) * 3 + x[:, 2] - 1, minlength=9)
    assert chisquare(counts.numpy(), rows * LAW.flatten().numpy()).pvalue > 1e-3


def test_a_pinned_word_conditions_those_before_it() -> None:
    """p(first | second), which no sampling from left to right gives."""
    rows = 1500
    x = drawn(rows, torch.tensor([False, True, False]), torch.tensor([0, 1, 3]))
    assert (x[:, 2] == 3).all()
    wanted = LAW[:, 2] / LAW[:, 2].sum()
    counts = torch.bincount(x[:, 1] - 1, minlength=3)
    assert chisquare(counts.numpy(), rows * wanted.numpy()).pvalue > 1e-3


# real networks

SHAPE = EncoderConfig(
    layers=1, width=16, heads=2, feedforward=32, dropout=0.0, attention_dropout=0.0
)
WORDS = Vocabulary([*SPECIALS, "a", "b", "c", "."])
CONFIG = NoisyLMConfig(length=10, network=SHAPE, train=TrainConfig(steps=1), embedding=4)
TASK = load_task("length")
TARGETS = [Target(f"t{n}", Length(n)) for n in (3, 8, 5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("noisy")
    torch.manual_seed(0)
    network, facts = build(CONFIG, WORDS)
    save_network(place, network, CONFIG, facts, words=("vocabulary", WORDS))
    return place


def loaded(folder: Path, cls: Any = Langevin, **options: Any) -> Any:
    settings = LangevinSettings(**{"levels": 3, "updates": 4, **options})
    return cls.load({"noisy_lm": folder}, TASK, settings, CPU)


@pytest.mark.parametrize("cls", [Langevin, Free])
def test_a_sample_depends_on_nothing_but_its_names(folder: Path, cls: Any) -> None:
    generator = loaded(folder, cls)
    whole = content(generator.generate(TARGETS, 4, seed=1))
    assert content(generator.generate(TARGETS[::-1], 4, seed=1, batch=5)) == whole
    assert content(generator.generate(TARGETS, 4, seed=1, batch=1)) == whole
    assert content(generator.generate(TARGETS, 4, seed=2)) != whole
    assert all(nfe == 13 for rows in whole.values() for _, nfe in rows)


def test_texts_have_the_words_that_are_asked_for(folder: Path) -> None:
    for result in loaded(folder).generate(TARGETS, 4, seed=0):
        for sample in result.samples:
            assert len(sample.words) == int(result.target_id[1:])
            assert set(sample.words) <= {"a", "b", "c", "."} and len(sample.tokens) == 10
    for result in loaded(folder, Free).generate(TARGETS, 8, seed=0):
        for sample in result.samples:
            assert sample.tokens[0] == "START" and "START" not in sample.tokens[1:]
            assert not {"END", "PAD"} & set(sample.words)
    with pytest.raises(UserError, match="target t needs 9 words; this network has 8"):
        list(loaded(folder).generate([Target("t", Length(9))], 1, seed=0))


def test_numbers_that_are_not_finite_are_those_of_a_target(folder: Path) -> None:
    generator = loaded(folder)
    generator.network.down.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="of target t3 are not finite"):
        list(generator.generate(TARGETS, 2, seed=0))


def test_the_network_is_causal_and_learns() -> None:
    torch.manual_seed(0)
    network, _ = build(CONFIG, WORDS)
    y, noise = torch.randn(8, 6, 4), torch.linspace(0.3, 10.0, 8)
    torch.testing.assert_close(network.table.norm(dim=-1), torch.full((8,), 2.0))
    changed = y.clone()
    changed[:, 3] += 1.0
    network.eval()
    gap = (network(y, noise) - network(changed, noise)).abs().amax((0, 2))
    assert not gap[:3].any() and (gap[3:] > 0).all()
    # "a b a b ...": the next word is known from clean ones before it, and not from noise
    ids = torch.tensor([[0, *[4, 5] * 4, 1], [0, *[5, 4] * 4, 1]]).repeat(16, 1)
    objective = CleanWords(network.train(), ids, ids, BatchPlan(len(ids), 16, 0))
    before = objective.validate()["nats"]
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for step in range(60):
        loss, _ = objective.loss(step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    assert objective.validate()["nats"] < before / 2
    with torch.no_grad():
        clean = network.table[ids[:2, :-1]]
        low, high = (
            torch.nn.functional.cross_entropy(
                network(clean, torch.full((2,), s)).transpose(1, 2)[..., 2:], ids[:2, 3:]
            )
            for s in (0.3, 10.0)
        )
    assert low < high


def test_cards() -> None:
    card, free = METHODS.card("langevin"), METHODS.card("langevin_free")
    assert "experimental" in card.label and card.group == "experimental" and not card.trained
    assert free.floor and "langevin_free" not in METHODS
    assert card.refuses(TASK) is None
    for name in ("syntax_spans", "semantic_content+length"):
        assert "without control" in str(card.refuses(load_task(name)))
    assert card.refuses(load_task("infilling")) == "it reads controls and no contexts"
    config = parse(["method=langevin", "task=length", "preset=demo"])
    assert card.room(config, TASK) == 30 and config.langevin.updates == 20
    assert parse(["method=langevin", "task=length", "preset=paper"]).langevin.updates == 300
    plan = Plan(config)
    assert (
        plan.role("noisy_lm").key
        != Plan(parse(["method=langevin", "task=length", "preset=demo", "noisy_lm.most=5"]))
        .role("noisy_lm")
        .key
    )
    assert parse(["method=langevin", "task=length", "floor_by=langevin_free"]).floor_by
    for given, match in (
        ("langevin.step=2", "step"), ("langevin.levels=0", "levels"),
        ("noisy_lm.least=10", "no less than noisy_lm.most="), ("noisy_lm.embedding=0", "embedding"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=match) as caught:
            parse(["method=langevin", "task=length", given])
        assert "\n" not in str(caught.value)


def test_a_span_is_no_number_of_words(folder: Path) -> None:
    with pytest.raises(UserError, match="target t needs any number of words"):
        list(loaded(folder).generate([Target("t", Span(0, 1, "NP"))], 1, seed=0))


def test_it_is_trained_from_a_corpus(tmp_path: Path) -> None:
    texts = tuple(Text(tuple("a b c . a b"[: 2 * n - 1].split())) for n in (2, 4, 5, 6))
    write_corpus(tmp_path, Corpus("grammar", texts, texts))
    WORDS.save(tmp_path / VOCABULARY)
    small = ["network.layers=1", "network.width=16", "network.heads=2", "network.feedforward=32"]
    small += ["train.steps=3", "train.batch=4", "train.every=2", "length=10"]
    keys = [f"noisy_lm.{one}" for one in small]
    recipe = Plan(parse(["task=length", "method=langevin", "device=cpu", *keys])).role("noisy_lm")
    assert set(recipe.deps) == {"corpus", "vocabulary"}
    place = tmp_path / "made"
    place.mkdir()
    recipe.build(place, dict.fromkeys(recipe.deps, tmp_path), lambda *given: None)
    curve = [json.loads(line) for line in (place / "curve.jsonl").read_text().splitlines()]
    assert curve[-1]["valid_nats"] > 0
    (result,) = loaded(place).generate(TARGETS[:1], 1, seed=0)
    assert len(result.samples[0].words) == 3
