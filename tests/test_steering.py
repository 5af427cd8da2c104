"""Steered language models, on networks of random weights small enough to enumerate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from steered import (
    ANTI,
    CODEC,
    EXPERT,
    GROUP,
    HEAD,
    LM,
    METHOD_NAMES,
    PLAIN,
    PROMPTED,
    READS,
    TARGET,
    TARGETS,
    TASK,
    Law,
    agrees,
    base,
    content,
    drawn,
    expert,
    finite,
    holds,
    ids,
    law,
    log_p,
    make,
    network,
    plain,
    seen,
)

from baselines import METHODS, suited
from baselines.antiexpert import mismatched
from baselines.gedi import Discrimination, GeDiSettings
from eval.running.command import parse
from tasks import in_table, load_task
from tasks.base import Target
from tasks.common.errors import UserError


def test_the_toys_differ() -> None:
    """Else nothing below says anything."""
    one, other = law(base), law(expert)
    assert len(one) == len(other) > 30 and math.isclose(sum(one.values()), 1)
    assert sum(abs(one[text] - other[text]) for text in one) > 0.5
    assert max(map(holds, one)) > 2 * min(map(holds, one))


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_without_weight_it_is_the_model_that_it_draws_from(name: str) -> None:
    """Byte for byte, at one evaluation a token."""
    samples = drawn(make(name, **PLAIN[name]), 40)
    source = (EXPERT, PROMPTED) if name == "ft_rerank" else (LM, HEAD)
    assert [ids(one) for one in samples] == plain(name, *source, 40)
    assert all(one.nfe == len(one.tokens) for one in samples)


def test_one_particle_is_the_language_model_and_full_weight_the_fine_tuned_one() -> None:
    samples = drawn(make("smc", particles=1), 40)
    assert [ids(one) for one in samples] == plain("smc", LM, HEAD, 40)
    assert all(one.nfe == 2 * len(one.tokens) for one in samples)
    for name, options in (
        ("ft_cfg", {"gamma": 1.0}), ("dexperts", {"alpha": 1.0, "base_top_p": 1.0}),
        ("gedi", {"weight": 1.0, "bayes": "exact", "prior": 1e-9, "filter_p": 0.0}),
    ):  # fmt: skip
        samples = drawn(make(name, **options), 40)
        assert [ids(one) for one in samples] == plain(name, EXPERT, PROMPTED, 40)
        assert all(one.nfe == 2 * len(one.tokens) for one in samples)


def released(text: tuple[int, ...]) -> torch.Tensor:
    gain = finite(expert(text)) - finite(base(text))
    ratio = seen(expert, text) - seen(base, text) + gain
    odds = 2.0 / (len(text) + 1) * ratio + math.log(0.3 / 0.7)
    return base(text) + 3.0 * odds.sigmoid().log()


def exact(text: tuple[int, ...]) -> torch.Tensor:
    gain = finite(expert(text)) - finite(base(text))
    ratio = (seen(expert, text) - seen(base, text) + gain).exp()
    return base(text) + 2.0 * (0.6 * ratio).clamp(max=1.0).log()


def lacking(text: Sequence[int]) -> torch.Tensor:
    return log_p(ANTI, PROMPTED, text)


def against(text: tuple[int, ...]) -> torch.Tensor:
    return base(text) + 0.7 * (finite(expert(text)) - finite(lacking(text)))


def opposed(text: tuple[int, ...]) -> torch.Tensor:
    order = base(text).argsort(descending=True)
    before = base(text).exp()[order].cumsum(0) - base(text).exp()[order]
    kept = torch.full_like(before, -torch.inf)
    kept[order[before < 0.7]] = 0.0
    return base(text) + kept + 0.6 * (finite(expert(text)) - finite(base(text)))


@pytest.mark.parametrize(
    ("name", "options", "step"),
    [
        ("gedi", {"weight": 3.0, "scale": 2.0, "prior": 0.3, "filter_p": 0.0}, released),
        ("gedi", {"weight": 2.0, "bayes": "exact", "prior": 0.6, "filter_p": 0.0}, exact),
        ("dexperts", {"alpha": 0.6, "base_top_p": 0.7}, opposed),
        ("dexperts", {"alpha": 0.7, "base_top_p": 1.0, "anti": "trained"}, against),
        (
            "ft_cfg",
            {"gamma": 1.2},
            lambda text: base(text) + 1.2 * (finite(expert(text)) - finite(base(text))),
        ),
    ],
    ids=["gedi", "gedi-exact", "dexperts", "dexperts-trained", "ft_cfg"],
)
def test_words_come_from_the_stated_distribution(
    name: str, options: dict[str, Any], step: Callable[[tuple[int, ...]], torch.Tensor]
) -> None:
    agrees([ids(one) for one in drawn(make(name, **options), 2000)], law(step))


def test_exact_bayes_conditions_on_a_class_of_a_mixture() -> None:
    """Where the base model is prior * p(x | c) + (1 - prior) * p(x | other), the reweighted words
    have the distribution p(x | c), text by text."""
    other = law(lambda text: log_p(network(5, len(READS)), PROMPTED, text))
    wanted, prior = law(expert), 0.3
    mixture = {text: prior * wanted[text] + (1 - prior) * other[text] for text in wanted}

    def mass(of: Law, text: tuple[int, ...]) -> float:
        return sum(p for one, p in of.items() if one[: len(text)] == text)

    def conditional(of: Law, text: tuple[int, ...]) -> torch.Tensor:
        longer = [mass(of, (*text, token)) for token in range(CODEC.text_size)]
        return torch.tensor([longer], dtype=torch.float64).log() - math.log(mass(of, text))

    class Fixed:
        words = CODEC.text_size

        def advance(self, tokens: torch.Tensor) -> None:
            pass

    options = GeDiSettings(weight=1.0, bayes="exact", prior=prior, filter_p=0.0)
    for text in wanted:
        steered = Discrimination(Fixed(), options)  # type: ignore[arg-type]
        for i, token in enumerate(text):
            said = finite(conditional(wanted, text[:i]))[None]
            mixed = steered.mix(conditional(mixture, text[:i]), said).softmax(-1)
            right = conditional(wanted, text[:i]).exp()
            torch.testing.assert_close(mixed, right, atol=1e-9, rtol=1e-9)
            steered.advance(torch.tensor([token]))


def test_the_filter_leaves_out_what_is_least_like_the_control() -> None:
    """Words 0 to 3 with base probabilities .4 .3 .2 .1; P rises with the word."""

    class Fixed:
        words = 4

    probability = torch.tensor([[0.2, 0.4, 0.7, 0.9]], dtype=torch.float64)
    base = torch.tensor([[0.4, 0.3, 0.2, 0.1]], dtype=torch.float64).log()
    said = (base + probability.logit())[None]

    def kept(filter_p: float, target_p: float) -> list[int]:
        options = GeDiSettings(weight=1.0, filter_p=filter_p, target_p=target_p)
        mixed = Discrimination(Fixed(), options).mix(base, said)  # type: ignore[arg-type]
        return mixed[0].isfinite().nonzero()[:, 0].tolist()

    # reweighted shares .186 .279 .326 .209
    assert kept(0.0, 0.8) == [0, 1, 2, 3]
    assert kept(0.2, 0.8) == [1, 2, 3]
    assert kept(0.5, 0.8) == [2, 3]
    assert kept(0.5, 0.3) == [1, 2, 3]
    assert kept(0.99, 1.0) == [3]


def test_the_best_of_two_is_the_likelier_to_hold() -> None:
    p = law(base)
    value = {text: holds(text) for text in p}
    kept = {
        text: p[text] ** 2 + 2 * p[text] * sum(p[o] for o in p if value[o] < value[text])
        for text in p
    }
    samples = drawn(make("best_of_n", n=2), 1500)
    agrees([ids(one) for one in samples], kept)


def test_reranking_keeps_the_likeliest_a_token() -> None:
    p = law(expert)
    value = {text: seen(base, text) / len(text) for text in p}
    kept = {
        text: p[text] ** 2 + 2 * p[text] * sum(p[o] for o in p if value[o] < value[text])
        for text in p
    }
    agrees([ids(one) for one in drawn(make("ft_rerank", n=2), 1500)], kept)


def test_rejection_conditions_on_the_rule() -> None:
    accepted = {t: p for t, p in law(base).items() if len(CODEC.words(list(t))) == 2}
    total = sum(accepted.values())
    samples = drawn(make("rejection", n=400), 800)
    agrees([ids(one) for one in samples], {t: p / total for t, p in accepted.items()})
    once = drawn(make("rejection", n=1), 800)
    assert abs(sum(len(one.words) == 2 for one in once) / 800 - total) < 0.07
    assert all(one.nfe >= len(one.tokens) for one in samples)


def test_an_anti_expert_learns_from_texts_that_lack_the_control() -> None:
    """And against its equal, an expert changes nothing."""
    pairs = [([str(n)], ("a",) * n) for n in (1, 2, 3)] * 20 + [(["5"], ("b",))]
    drawn_pairs = mismatched(pairs, 0)
    assert [words for _, words in drawn_pairs] == [words for _, words in pairs]
    assert all(prompt != [str(len(words))] for prompt, words in drawn_pairs if "a" in words)
    assert {prompt[0] for prompt, words in drawn_pairs if words == ("a",)} >= {"2", "3"}
    assert mismatched(pairs, 0) == drawn_pairs != mismatched(pairs, 1)
    settings = METHODS.card("dexperts").Settings(max_words=2, base_top_p=1.0, anti="trained")
    cls: Any = METHODS.load("dexperts")
    equal = cls(LM, CODEC, [EXPERT] * 2, [READS] * 2, TASK, settings)
    assert [ids(one) for one in drawn(equal, 20)] == plain("dexperts", LM, HEAD, 20)


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_a_sample_depends_on_nothing_but_its_names(name: str) -> None:
    many = {"n": 5} if "n" in PLAIN[name] else {"particles": 5} if "smc" in name else {}
    generator = make(name, max_words=4, **many)
    whole = content(generator.generate(TARGETS, 7, seed=3))
    assert {len(rows) for rows in whole.values()} == {7}
    assert content(generator.generate(TARGETS, 7, seed=3, batch=1)) == whole
    assert content(generator.generate(TARGETS[::-1], 7, seed=3, batch=5)) == whole
    cut = content(generator.generate(TARGETS[:1], 7, seed=3))
    assert cut == {"t2": whole["t2"]}
    fewer = content(generator.generate(TARGETS, 2, seed=3))
    assert all(fewer[key] == rows[:2] for key, rows in whole.items())
    assert content(generator.generate(TARGETS, 7, seed=4)) != whole


@pytest.mark.parametrize("name", [name for name in METHOD_NAMES if name != "ft_rerank"])
def test_controls_of_a_composition_add_up(name: str) -> None:
    """Twice the same control weighs twice, where weights are exponents."""
    from tasks.composition import Composition
    from tasks.controls import AllOf

    twice = Target("t", AllOf((TARGET.control, TARGET.control)))
    halves = {
        "ft_cfg": ({"gamma": 1.0}, {"gamma": 2.0}), "dexperts": ({"alpha": 1.0}, {"alpha": 2.0}),
        "gedi": ({"weight": 2.0, "filter_p": 0.0}, {"weight": 4.0, "filter_p": 0.0}),
        "smc": ({"lam": 1.0}, {"lam": 2.0}), "smc_rule": ({"lam": 1.0}, {"lam": 2.0}),
    }.get(name, ({}, {}))  # fmt: skip
    pair = make(name, Composition((TASK, TASK)), 2, **halves[0])
    (found,) = pair.generate([twice], 20, 0)
    single = drawn(make(name, **halves[1]), 20)
    assert [one.tokens for one in found.samples] == [one.tokens for one in single]
    if name != "rejection":
        assert sum(one.nfe for one in found.samples) > sum(one.nfe for one in single)


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_numbers_that_are_not_finite_are_those_of_a_target(name: str) -> None:
    """Whichever of its networks they come from."""
    broken = network(0, len(CODEC))
    broken.body.h[0].mlp.c_proj.bias.fill_(float("nan"))
    several = {"n": 2} if "n" in PLAIN[name] else {}
    with pytest.raises(UserError, match="of target t are not finite"):
        drawn(make(name, lm=broken, **several), 3)


def test_cards() -> None:
    assert set(PLAIN) == set(METHOD_NAMES) <= set(suited([TASK], GROUP))
    assert not set(METHOD_NAMES) & set(suited([TASK]))
    assert parse([f"method={GROUP}", "task=length"]).methods == suited([TASK], GROUP)
    cards = {name: METHODS.card(name) for name in METHOD_NAMES}
    assert {n for n, card in cards.items() if card.trained} == {
        "gedi", "dexperts", "ft_cfg", "ft_rerank",
    }  # fmt: skip
    rule = ["rejection", "smc_rule"]
    assert [name for name, card in cards.items() if card.knows_rule] == rule
    for name, card in cards.items():
        assert card.paper and card.tradeoff in PLAIN[name]
        assert set(card.ranges) <= set(card.Settings.__dataclass_fields__)
        assert card.refuses(load_task("infilling")) == "it reads controls and no contexts"
        refused = [task for task in in_table("control") if card.refuses(load_task(task))]
        assert sorted(refused) == sorted(
            ["syntax_spans", "parts_of_speech", "syntax_tree"] if name in rule else []
        )
    both = load_task("length+parts_of_speech")
    for name in rule:
        assert cards[name].refuses(both) == "no rule tells without an oracle's tags"
    assert "single controls" in str(cards["ft_rerank"].refuses(both))
    parts = both.name.split("+")
    assert cards["gedi"].needs(both, None) == ("lm", *(f"finetuned:{part}" for part in parts))
    assert cards["smc"].needs(TASK, None) == ("lm", "discriminator")
    assert cards["rejection"].needs(TASK, None) == ("lm",)
    untwisted = cards["smc_rule"].Settings(lam=0.0)
    assert cards["smc_rule"].needs(TASK, untwisted) == ("lm",)
    assert cards["smc_rule"].needs(TASK, None) == ("lm", "discriminator")
    trained = cards["dexperts"].Settings(anti="trained")
    experts = [f"{role}:{part}" for role in ("finetuned", "antiexpert") for part in parts]
    assert cards["dexperts"].needs(both, trained) == ("lm", *experts)
    assert cards["dexperts"].needs(TASK, None) == ("lm", "finetuned")


@pytest.mark.parametrize(
    "given",
    [
        "gedi.weight=-1", "gedi.prior=1", "gedi.bayes=exactly", "gedi.filter_p=1", "gedi.scale=0",
        "dexperts.alpha=nan", "dexperts.anti=none", "dexperts.base_top_p=0",
        "smc_rule.particles=0", "ft_cfg.gamma=-0.5", "best_of_n.n=0",
        "ft_rerank.n=2.5", "rejection.n=many", "smc.particles=65", "smc.lam=-1", "smc.ess=1.1",
        "smc.temperature=0", "gedi.wieght=3",
    ],
)  # fmt: skip
def test_bad_settings_are_refused_in_one_line(given: str) -> None:
    name = given.split(".")[0]
    with pytest.raises(UserError, match=given.split("=")[0].split(".")[1]) as caught:
        parse([f"method={name}", "task=length", given])
    assert "\n" not in str(caught.value)
