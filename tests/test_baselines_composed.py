"""Baselines under compositions: sums of discriminators, products of fine-tuned models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from carded import needs, refuses
from torch import Tensor

from baselines.finetuned.method import FTPoE, FTSample, FTSearch
from baselines.finetuned.settings import FTPoESettings
from baselines.fudge.method import Fudge
from baselines.fudge.settings import FudgeSettings
from models.base import Generator
from models.nets.causal import load_lm, train_lm
from models.nets.codec import WordCodec
from models.nets.config import DiscriminatorConfig, LMConfig, TrainConfig, long_enough
from models.nets.decoding import Experts, sample
from models.nets.discriminator import Mismatches, PrefixScorer, Steering, train_discriminator
from tasks import load_task
from tasks.base import Target, Text, Words
from tasks.common.errors import UserError
from tasks.controls import AllOf, FieldValue, Length, TagSequence
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
CODEC = WordCodec(Vocabulary([*SPECIALS, "a", "b", "c", "."]))
TAGS = {"a": "DET", "b": "NOUN", "c": "VERB", ".": "PUNCT"}
BOTH = "parts_of_speech+length"
TASK = load_task(BOTH)
PARTS = {name: load_task(name) for name in ("length", "parts_of_speech")}
TRAIN = TrainConfig(steps=3, batch=8, every=10, bf16=False)


def texts() -> list[Text]:
    rng = np.random.default_rng(0)
    words: list[Words] = [
        (*rng.choice(["a", "b", "c"], rng.integers(1, 7)).tolist(), ".") for _ in range(40)
    ]
    return [Text(w, tags=tuple(TAGS[x] for x in w), fields=(("food", w[0]),)) for w in words]


def control(words: Words) -> AllOf:
    """In the order of the composition's parts."""
    each = {
        "length": Length(len(words)),
        "parts_of_speech": TagSequence(tuple(TAGS[w] for w in words)),
    }
    return AllOf(tuple(each[name] for name in TASK.name.split("+")))


TARGETS = [
    Target(f"t{i}", control(words))
    for i, words in enumerate([("a", "b", "."), ("c", "."), ("a", "c", "b", "."), ("b", "a", ".")])
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("artefacts")
    found = {"lm": root / "lm"}
    found["lm"].mkdir()
    data = [((), text.words) for text in texts()]
    train_lm(found["lm"], data, [], CODEC, LMConfig(1, 16, 2, 0.0, 16, train=TRAIN), 0, device=CPU)
    for seed, (name, task) in enumerate(PARTS.items()):
        pairs = [(tuple(task.prompt(c)), words) for c, words in task.examples(texts(), 0)]
        codec = CODEC.with_prompt(task.prompt_tokens(texts()))
        for kind in ("finetuned", "discriminator"):
            found[f"{kind}:{name}"] = root / f"{kind}-{name}"
            found[f"{kind}:{name}"].mkdir()
        # room for a prompt of tags that the language model it starts from does not have
        tuned = LMConfig(1, 16, 2, 0.0, 24, train=TRAIN)
        folder, start = found[f"finetuned:{name}"], found["lm"]
        train_lm(folder, pairs, [], codec, tuned, seed + 1, device=CPU, init=start)
        judge = DiscriminatorConfig(1, 16, 2, 0.0, 24, 16, train=TRAIN)
        train_discriminator(
            found[f"discriminator:{name}"], pairs, [], codec, judge, seed, device=CPU
        )
    return found


def make(method: type[Generator], folders: Mapping[str, Path]) -> Generator:
    return method.load(folders, TASK, method.card.Settings(), CPU)


def content(generator: Generator, **options: int) -> dict[str, list[tuple[Words, float]]]:
    results = generator.generate(TARGETS, 5, seed=3, **options)
    return {r.target_id: [(s.tokens, s.nfe) for s in r.samples] for r in results}


def test_roles_name_the_parts() -> None:
    assert needs(Fudge, "length") == ("lm", "discriminator")
    found = needs(Fudge, BOTH)
    assert found[0] == "lm"
    assert set(found[1:]) == {"discriminator:length", "discriminator:parts_of_speech"}
    assert set(needs(FTPoE, BOTH)) == {"finetuned:length", "finetuned:parts_of_speech"}
    assert refuses(FTPoE, BOTH) is None and refuses(Fudge, BOTH) is None
    assert "two controls" in str(refuses(FTPoE, "length"))
    for single in (FTSample, FTSearch):
        assert refuses(single, "length") is None and "product of experts" in str(
            refuses(single, BOTH)
        )


@pytest.mark.parametrize("method", [Fudge, FTPoE])
def test_a_composed_sample_depends_on_nothing_but_its_names(
    method: type[Generator], folders: Mapping[str, Path]
) -> None:
    generator = make(method, folders)
    whole = content(generator)
    assert list(whole) == [target.id for target in TARGETS]
    assert content(generator, batch=1) == whole
    assert len({tokens for tokens, _ in whole["t0"]}) > 1
    per_token = 2 if method is FTPoE else 1 + 2 * len(CODEC)
    assert all(nfe == per_token * len(tokens) for row in whole.values() for tokens, nfe in row)


def test_a_product_of_a_model_with_itself_halves_the_temperature(
    folders: Mapping[str, Path],
) -> None:
    """p ** 2, renormalised, is the distribution at half the temperature."""
    model, codec, _ = load_lm(folders["finetuned:length"], CPU)
    prompts = [codec.head(["3"])] * 50
    u = torch.rand(50, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        twice = Experts([model], [prompts], codec.text_size)
        hidden = model.body(torch.tensor(prompts)).last_hidden_state[:, -1]
        words = slice(0, codec.text_size)
        logits = model.logits(hidden)[:1].expand(56, -1)
        product = twice.logits(logits)[0, words].softmax(-1)
        torch.testing.assert_close(product, (logits[0, words] / 0.5).softmax(-1))
        squared = logits[0, words].softmax(-1) ** 2
        torch.testing.assert_close(product, squared / squared.sum())
    options = codec.eos, codec.forbidden
    twice = Experts([model], [prompts], codec.text_size)
    expected = sample(model, prompts, u, *options, temperature=0.5)
    assert sample(model, prompts, u, *options, reweighting=twice) == expected
    assert sample(model, prompts, u, *options) != expected


def test_the_product_is_of_both_models_with_their_own_prompts(
    folders: Mapping[str, Path],
) -> None:
    """The likelihood of a text is that of the renormalised product, token by token."""
    generator = make(FTPoE, folders)
    assert isinstance(generator, FTPoE)
    generator.settings = FTPoESettings(top_k=1)
    (result,) = generator.generate(TARGETS[:1], 1, seed=3)
    tokens = result.samples[0].tokens
    heads = generator._heads(TARGETS[0].control)
    assert len(heads) == 2 and {len(head) for head in heads} == {2, 4}
    ids = [*CODEC.encode([t for t in tokens if t != "END"]), CODEC.eos][: len(tokens)]
    with torch.inference_mode():
        for i, token in enumerate(ids):
            log_probs = [
                model.network(torch.tensor([[*head, *ids[:i]]]))
                .logits[0, -1]
                .log_softmax(-1)[: len(CODEC)]
                for model, head in zip(generator.models, heads, strict=True)
            ]
            total: Tensor = log_probs[0] + log_probs[1]
            total[CODEC.forbidden] = -torch.inf
            assert int(total.argmax()) == token


def test_composed_fudge_adds_the_discriminators(folders: Mapping[str, Path]) -> None:
    generator = Fudge.load(folders, TASK, FudgeSettings(lams=(2.0, 5.0)), CPU)
    assert generator.lams == (2.0, 5.0)
    _, *heads = generator._heads(TARGETS[0].control)
    logits = torch.randn(8, len(CODEC), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        scorers = [
            PrefixScorer(network, [head])
            for network, head in zip(generator.discriminators, heads, strict=True)
        ]
        got = Steering(scorers, generator.lams, 100).logits(logits)[0]
        for token in range(len(CODEC)):
            expected = logits[0, token]
            for lam, network, head in zip((2.0, 5.0), generator.discriminators, heads, strict=True):
                whole = network(torch.tensor([[*head, token]]))[0, -1]
                expected = expected + lam * torch.nn.functional.logsigmoid(whole)
            torch.testing.assert_close(got[token], expected, atol=1e-4, rtol=1e-4)
    plain = Fudge.load(folders, TASK, FudgeSettings(lam=0.0), CPU)
    assert content(plain) != content(generator)


def test_models_of_other_words_are_refused(folders: Mapping[str, Path], tmp_path: Path) -> None:
    codec = WordCodec(Vocabulary([*SPECIALS, "z"]), ["3"])
    config = LMConfig(1, 16, 2, 0.0, 24, train=TRAIN)
    train_lm(tmp_path, [(("3",), ("z",))] * 8, [], codec, config, 0, device=CPU)
    for role in ("finetuned:length", "finetuned:parts_of_speech"):
        with pytest.raises(UserError, match="different vocabularies"):
            make(FTPoE, {**folders, role: tmp_path})


def test_long_prompts_get_room() -> None:
    for config in (LMConfig(), DiscriminatorConfig()):
        assert long_enough(config, load_task("length")) is config
        assert long_enough(config, load_task("syntax_tree")).max_length == 256
    assert long_enough(LMConfig(max_length=512), load_task("syntax_tree")).max_length == 512


def test_a_longer_model_starts_as_the_shorter_one(
    folders: Mapping[str, Path], tmp_path: Path
) -> None:
    """Positions that the start lacks are new; the others begin as they were."""
    still = TrainConfig(steps=1, batch=8, every=10, bf16=False, lr=0.0)
    pairs = [(("3",), text.words) for text in texts()]
    codec, config = CODEC.with_prompt(["3"]), LMConfig(1, 16, 2, 0.0, 40, train=still)
    train_lm(tmp_path, pairs, [], codec, config, 0, device=CPU, init=folders["lm"])
    short, long = load_lm(folders["lm"], CPU)[0], load_lm(tmp_path, CPU)[0]
    ids = torch.tensor([[CODEC.bos, *CODEC.encode(("a", "b", "c"))]])
    words = slice(0, len(CODEC))
    torch.testing.assert_close(
        long.network(ids).logits[..., words], short.network(ids).logits[..., words]
    )
    assert long.positions == 40 and short.positions == 16
    assert math.isfinite(float(long.hidden(torch.zeros(1, 40, dtype=torch.long)).sum()))


def test_a_mismatched_value_is_one_that_no_example_of_the_text_has() -> None:
    """Values of other texts, and ``none`` where the text does say something of the field."""
    task = load_task("semantic_content")
    examples = [(tuple(task.prompt(c)), words) for c, words in task.examples(texts(), 0)]
    pool = Mismatches(examples, 0.5, 2)
    rng = np.random.default_rng(0)
    drawn = set()
    for i, (_, words) in enumerate(examples):
        holds = {prompt for prompt, text in examples if text == words}
        for _ in range(5):
            prompt = pool.draw(rng, i)
            if prompt is not None:
                assert prompt not in holds
                drawn.add(prompt)
    # of the other fields, which no text has, "none" holds everywhere and is never drawn
    assert drawn == {tuple(task.prompt(FieldValue("food", value))) for value in "abc"}
