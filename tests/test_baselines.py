"""FUDGE and the fine-tuned baselines on a toy length task, trained for real."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from carded import needs, refuses

from baselines import METHODS
from baselines.finetuned.method import FTSample, FTSearch
from baselines.finetuned.settings import FTSampleSettings, FTSearchSettings
from baselines.fudge.method import Fudge, lambdas
from baselines.fudge.settings import FudgeSettings
from models.base import Generator, TargetSamples
from models.nets.backbones.gpt2 import GPT2
from models.nets.causal import train_lm
from models.nets.codec import WordCodec
from models.nets.config import DiscriminatorConfig, LMConfig, TrainConfig
from models.nets.decoding import sample
from models.nets.discriminator import (
    Discriminator,
    Mismatches,
    PrefixScorer,
    Steering,
    area_under_roc,
    load_discriminator,
    train_discriminator,
)
from tasks import in_table
from tasks.base import Annotation, Corpus, Target, Task, Text
from tasks.common.errors import UserError
from tasks.controls import Control, Length
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
LENGTHS = range(2, 9)
VOCABULARY = Vocabulary([*SPECIALS, *(f"w{i}_{j}" for i in range(8) for j in range(3))])
CODEC = WordCodec(VOCABULARY)


class ToyLength(Task):
    """Word i is one of three for that place; the control is the number of words."""

    name: ClassVar[str] = "length"
    metrics: ClassVar[Mapping[str, str]] = {"exact": "equal length"}
    paper_metric: ClassVar[str] = "exact"

    def targets(self, corpus: Corpus, n: int, source: str, seed: int) -> list[Target]:
        return [Target(f"t{i}", Length(LENGTHS[i % len(LENGTHS)])) for i in range(n)]

    def examples(
        self, texts: Iterable[Text], seed: int
    ) -> Iterator[tuple[Control, tuple[str, ...]]]:
        for text in texts:
            yield Length(len(text.words)), text.words

    def prompt(self, control: Control) -> list[str]:
        assert isinstance(control, Length)
        return [str(control.words)]

    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        return [str(n) for n in LENGTHS]

    def score(self, target: Target, annotation: Annotation) -> dict[str, float]:
        assert isinstance(target.control, Length)
        return {"exact": float(len(annotation.words) == target.control.words)}


TASK = ToyLength()
TARGETS = TASK.targets(Corpus("toy", (), ()), 7, "validation", 0)


def texts(n: int) -> list[tuple[str, ...]]:
    rng = random.Random(0)
    return [tuple(f"w{i}_{rng.randrange(3)}" for i in range(rng.choice(LENGTHS))) for _ in range(n)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("artefacts")
    found = {role: root / role for role in ("lm", "finetuned", "discriminator")}
    for folder in found.values():
        folder.mkdir()
    corpus = texts(600)
    train = TrainConfig(steps=150, batch=32, lr=5e-3, every=50, bf16=False)
    config = LMConfig(1, 32, 2, 0.0, 16, train=train)
    train_lm(found["lm"], [((), w) for w in corpus], [], CODEC, config, 1, device=CPU)
    pairs = [
        (tuple(TASK.prompt(control)), words)
        for control, words in TASK.examples([Text(w) for w in corpus], 0)
    ]
    prompts = CODEC.with_prompt(TASK.prompt_tokens([]))
    train_lm(
        found["finetuned"], pairs, pairs[:50], prompts, config, 2, device=CPU, init=found["lm"]
    )
    judge = DiscriminatorConfig(2, 32, 2, 0.0, 16, 32, train=replace(train, steps=200))
    train_discriminator(found["discriminator"], pairs, pairs[:150], prompts, judge, 3, device=CPU)
    return found


def make(method: type[Generator], folders: Mapping[str, Path]) -> Generator:
    return method.load(folders, TASK, method.card.Settings(), CPU)


def accuracy(results: Iterable[TargetSamples]) -> float:
    by_id = {target.id: target for target in TARGETS}
    scores = [
        TASK.score(by_id[result.target_id], Annotation(one.words))["exact"]
        for result in results
        for one in result.samples
    ]
    return sum(scores) / len(scores)


def content(results: Iterable[TargetSamples]) -> dict[str, list[tuple[tuple[str, ...], float]]]:
    return {r.target_id: [(s.tokens, s.nfe) for s in r.samples] for r in results}


@pytest.mark.parametrize("name", ["fudge", "ft_sample", "ft_search"])
def test_the_methods_control_what_the_language_model_does_not(
    name: str, folders: Mapping[str, Path]
) -> None:
    method = METHODS.load(name)
    assert method.card.name == name
    results = list(make(method, folders).generate(TARGETS, 12, seed=5))
    assert [r.target_id for r in results] == [t.id for t in TARGETS]
    # one in seven by chance
    assert accuracy(results) > 0.6
    for result in results:
        assert [s.index for s in result.samples] == list(range(1 if name == "ft_search" else 12))
        for one in result.samples:
            assert one.words == VOCABULARY.strip(one.tokens) and one.seconds > 0
            assert "END" not in one.words and set(one.words) <= set(VOCABULARY.words)


def test_without_lambda_fudge_is_the_language_model(folders: Mapping[str, Path]) -> None:
    plain = FudgeSettings(lam=0.0, pre_top_k=10_000, post_top_k=10_000)
    assert accuracy(Fudge.load(folders, TASK, plain, CPU).generate(TARGETS, 12, 5)) < 0.4


@pytest.mark.parametrize("method", [Fudge, FTSample, FTSearch])
def test_a_sample_depends_on_nothing_but_its_names(
    method: type[Generator], folders: Mapping[str, Path]
) -> None:
    """Batch size, order, a run cut in two, other targets and other samples change nothing."""
    generator = make(method, folders)
    whole = content(generator.generate(TARGETS, 6, seed=5))
    one = content(generator.generate(TARGETS, 6, seed=5, batch=1))
    assert whole == one
    shuffled = [TARGETS[i] for i in (4, 2, 6, 0, 5, 1, 3)]
    results = list(generator.generate(shuffled, 6, seed=5, batch=64))
    assert [r.target_id for r in results] == [t.id for t in shuffled]
    assert content(results) == whole
    cut = content(generator.generate(TARGETS[:3], 6, seed=5, batch=5))
    cut |= content(generator.generate(TARGETS[3:], 6, seed=5, batch=5))
    assert cut == whole
    fewer = content(make(method, folders).generate(TARGETS, 2, seed=5))
    assert all(fewer[key] == whole[key][:2] for key in whole)
    if method is not FTSearch:
        other = content(generator.generate(TARGETS, 6, seed=6))
        assert other != whole
        assert len({tokens for tokens, _ in whole["t6"]}) > 1


def test_targets_arrive_as_soon_as_they_are_complete(folders: Mapping[str, Path]) -> None:
    done: list[float] = []
    generator = make(FTSample, folders)
    stream = generator.generate(
        TARGETS, 4, 5, batch=8, progress=lambda d, total, note="": done.append(d / total)
    )
    first = next(stream)
    assert first.target_id == "t0" and len(done) == 1 and done[0] < 0.5
    assert len(list(stream)) == len(TARGETS) - 1 and done[-1] == 1.0


def test_network_evaluations_are_counted(folders: Mapping[str, Path]) -> None:
    for result in make(FTSample, folders).generate(TARGETS, 2, 5):
        assert all(s.nfe == len(s.tokens) for s in result.samples)
    settings = FudgeSettings(pre_top_k=9)
    for result in Fudge.load(folders, TASK, settings, CPU).generate(TARGETS, 2, 5):
        assert all(s.nfe == len(s.tokens) * 10 for s in result.samples)
    for result in make(FTSearch, folders).generate(TARGETS, 2, 5):
        assert all(s.nfe >= 4 * len(s.tokens) and s.nfe % 4 == 0 for s in result.samples)


def test_the_paper_sets_lambda_for_each_task(folders: Mapping[str, Path]) -> None:
    chosen = {name: lambdas(FudgeSettings(), name) for name in in_table("control")}
    assert chosen == {
        "semantic_content": (8.0,),
        "parts_of_speech": (20.0,),
        "syntax_tree": (20.0,),
        "syntax_spans": (20.0,),
        "length": (2.0,),
    }
    assert Fudge.load(folders, TASK, FudgeSettings(lam=3.0), CPU).lams == (3.0,)
    both = "semantic_content+length"
    assert set(lambdas(FudgeSettings(), both)) == {8.0, 2.0}
    assert lambdas(FudgeSettings(lam=3.0), both) == (3.0, 3.0)
    assert lambdas(FudgeSettings(lam=3.0, lams=(4.0, 5.0)), both) == (4.0, 5.0)
    with pytest.raises(UserError, match="3 weights"):
        lambdas(FudgeSettings(lams=(1.0, 2.0, 3.0)), both)
    defaults = FudgeSettings()
    assert (defaults.pre_top_k, defaults.post_top_k) == (200, 10)


@pytest.mark.parametrize("method", [Fudge, FTSample, FTSearch])
def test_targets_that_do_not_fit_are_refused(
    method: type[Generator], folders: Mapping[str, Path]
) -> None:
    generator = make(method, folders)
    unseen = Target("odd", Length(12))
    with pytest.raises(UserError, match="unknown prompt token '12'"):
        list(generator.generate([unseen], 1, 0))
    short = method.load(folders, TASK, method.card.Settings(max_words=5), CPU)
    with pytest.raises(UserError, match=r"target t4 needs 6 words.*at most 5"):
        list(short.generate(TARGETS, 1, 0))
    settings = method.card.Settings(max_words=3)
    for result in method.load(folders, TASK, settings, CPU).generate(TARGETS[:2], 3, 0):
        assert all(len(s.tokens) <= 4 for s in result.samples)


def test_artefacts_that_do_not_fit_are_refused(folders: Mapping[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "lm"
    other.mkdir()
    config = LMConfig(1, 16, 2, 0.0, 16, train=TrainConfig(steps=1, batch=2, every=1))
    vocabulary = Vocabulary([*SPECIALS, "a"])
    train_lm(other, [((), ("a",))] * 2, [], WordCodec(vocabulary), config, 1, device=CPU)
    with pytest.raises(UserError, match="different vocabularies"):
        make(Fudge, {**folders, "lm": other})
    broken = tmp_path / "discriminator"
    shutil.copytree(folders["discriminator"], broken)
    (broken / "weights.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="damaged"):
        make(Fudge, {**folders, "discriminator": broken})
    with pytest.raises(UserError):
        make(FTSample, {"finetuned": tmp_path / "nowhere"})
    for method in (Fudge, FTSample, FTSearch):
        assert set(needs(method, "length")) <= set(folders)
        assert refuses(method, "length") is None


def test_settings_mistakes() -> None:
    for wrong in (
        lambda: FudgeSettings(post_top_k=0),
        lambda: FTSampleSettings(top_p=0.0),
        lambda: FTSampleSettings(temperature=0.0),
        lambda: FTSearchSettings(beams=0),
        lambda: DiscriminatorConfig(near=1.5),
    ):
        with pytest.raises(UserError):
            wrong()


def test_the_discriminator_reports_how_early_it_knows(folders: Mapping[str, Path]) -> None:
    """Whether a text will be n words long shows at its end alone, and there for certain."""
    lines = (folders["discriminator"] / "curve.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    assert last["valid_auc_100"] > 0.97
    assert last["valid_auc_25"] < last["valid_auc_75"] < last["valid_auc_100"]
    assert 0.5 < last["valid_accuracy"] <= 1.0


def test_incremental_scores_equal_those_of_whole_prefixes(folders: Mapping[str, Path]) -> None:
    network, codec, _ = load_discriminator(folders["discriminator"], CPU)
    assert isinstance(network, Discriminator)
    words = ("w0_1", "w1_0", "w2_2")
    ids, head = codec.sequence(("4",), words)
    scorer = Steering([PrefixScorer(network, [ids[:head]])], [3.0], top_k=6)
    logits = torch.randn(8, len(codec), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for i in range(head, len(ids)):
            got = scorer.logits(logits)[0]
            kept = got.isfinite().nonzero()[:, 0]
            assert set(kept.tolist()) == set(logits[0].topk(6).indices.tolist())
            for token in kept.tolist():
                whole = network(torch.tensor([[*ids[:i], token]]))[0, -1]
                expected = logits[0, token] + 3.0 * torch.nn.functional.logsigmoid(whole)
                torch.testing.assert_close(got[token], expected, atol=1e-4, rtol=1e-4)
            scorer.advance(torch.tensor([ids[i]] * 8))


def test_a_wrong_word_counts_before_it_is_chosen(tmp_path: Path) -> None:
    """A candidate meets the control in the perceptron alone. One over the sum of the two, without
    their product, names 0.4 to 0.5 of these controls after as many steps."""
    names = [f"n{i}" for i in range(24)]
    codec = WordCodec(Vocabulary([*SPECIALS, *names, "a", "b"])).with_prompt(names)
    rng = random.Random(0)
    pairs = [((n,), (n, *rng.choices("ab", k=12))) for n in rng.choices(names, k=1200)]
    train = TrainConfig(steps=150, batch=64, lr=3e-3, every=150, bf16=False)
    config = DiscriminatorConfig(1, 32, 2, 0.0, 32, 32, train=train)
    train_discriminator(tmp_path, pairs, [], codec, config, 0, device=CPU)
    network, codec, _ = load_discriminator(tmp_path, CPU)
    scorer = PrefixScorer(network, [codec.head([name]) for name in names])
    with torch.inference_mode():
        found = scorer.log_prob(torch.tensor([codec.encode(names)] * len(names)))
    right = found.argmax(-1) == torch.arange(len(names))
    assert right.float().mean() > 0.65


def test_reweighting_samples_from_the_product() -> None:
    """log p + lambda * log p(c | .), renormalised over the tokens that stay possible."""

    class Fixed:
        def logits(self, logits: torch.Tensor) -> torch.Tensor:
            out = torch.full_like(logits, -torch.inf)
            out[:, 5] = math.log(0.25)
            out[:, 6] = math.log(0.75)
            return out

        def keep(self, rows: torch.Tensor) -> None:
            raise AssertionError("no row ends")

        def advance(self, tokens: torch.Tensor) -> None:
            assert set(tokens.tolist()) <= {5, 6}

    torch.manual_seed(0)
    model = GPT2.fresh(9, 16, 1, 16, 2, 0.0).eval()
    u = torch.rand(2000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows = sample(model, [[4]] * 2000, u, 1, [0], reweighting=Fixed())
    share = np.mean([row.count(6) / len(row) for row in rows])
    assert abs(share - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 4000)


def test_mismatched_controls_never_hold() -> None:
    examples = [((str(n), k), ("a",) * n) for n in range(1, 20) for k in ("x", "y")]
    examples.append((("1", "z"), ("a",) * 7))
    rng = np.random.default_rng(0)
    for near in (0.0, 1.0):
        pool = Mismatches(examples, near, 3)
        for i, (_, words) in enumerate(examples):
            holds = {prompt for prompt, text in examples if text == words}
            drawn = [pool.draw(rng, i) for _ in range(10)]
            assert not holds & set(drawn)
            if near:
                assert all(
                    any(p == prompt and abs(len(t) - len(words)) <= 3 for p, t in examples)
                    for prompt in drawn
                    if prompt is not None
                )
    assert Mismatches([(("1",), ("a",))] * 3, 0.5, 3).draw(rng, 0) is None


def test_area_under_roc() -> None:
    labels = np.array([1, 1, 0, 0])
    assert area_under_roc(np.array([4.0, 3.0, 2.0, 1.0]), labels) == 1.0
    assert area_under_roc(np.array([1.0, 1.0, 1.0, 1.0]), labels) == 0.5
    assert area_under_roc(np.array([4.0, 1.0, 2.0, 3.0]), labels) == 0.5
    assert math.isnan(area_under_roc(np.array([1.0]), np.array([1])))


def test_one_control_is_no_discriminator(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two different controls"):
        train_discriminator(
            tmp_path, [(("2",), ("w0_0",))], [], CODEC, DiscriminatorConfig(), 0, device=CPU
        )
