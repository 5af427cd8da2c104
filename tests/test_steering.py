"""Steered language models, on networks of random weights small enough to enumerate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import torch
from scipy.stats import chisquare

from baselines import METHODS, suited
from baselines.antiexpert import mismatched
from baselines.autoregressive import Heads, uniforms
from baselines.gedi import Discrimination, GeDiSettings
from baselines.particles import Weights, systematic
from eval.running.command import parse
from models.base import Generator, Sample
from models.jobs import Job
from models.nets.backbones.gpt2 import GPT2
from models.nets.codec import WordCodec
from models.nets.config import DiscriminatorConfig
from models.nets.decoding import sample
from models.nets.discriminator import Discriminator
from tasks import in_table, load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import Length
from tasks.vocabulary import SPECIALS, Vocabulary

GROUP = "steering"
#: the settings under which a method is the language model that it draws from
PLAIN = {
    "gedi": {"weight": 0.0}, "dexperts": {"alpha": 0.0}, "ft_cfg": {"gamma": 0.0},
    "best_of_n": {"n": 1}, "ft_rerank": {"n": 1}, "rejection": {"n": 1}, "smc": {"lam": 0.0},
    "smc_rule": {"particles": 1},
}  # fmt: skip
#: those of the group whose networks are the ones below; others have tests of their own
METHOD_NAMES = [name for name, card in METHODS.items() if card.group == GROUP and name in PLAIN]
TASK = load_task("length")
TARGET = Target("t", Length(2))
TARGETS = [Target(f"t{n}", Length(n)) for n in (2, 1, 3)]
CODEC = WordCodec(Vocabulary([*SPECIALS, "a", "b"]))
READS = CODEC.with_prompt([token for t in TARGETS for token in TASK.prompt(t.control)])
#: tokens of a text of two words, and of one that is cut
LIMIT = CODEC.limit(2)
Law = Mapping[tuple[int, ...], float]


def network(seed: int, vocabulary: int) -> GPT2:
    torch.manual_seed(seed)
    model = GPT2.fresh(vocabulary, 16, 1, 16, 2, 0.0).eval().requires_grad_(False)
    for weight in model.parameters():
        weight.mul_(1.0 if weight.ndim == 1 else 3.0)
    return model


LM, EXPERT, ANTI = network(0, len(CODEC)), network(1, len(READS)), network(3, len(READS))
torch.manual_seed(2)
JUDGE = Discriminator(len(READS), DiscriminatorConfig(1, 16, 2, 0.0, 16, 16)).eval()
JUDGE.requires_grad_(False)
JUDGE.out.weight.mul_(8.0)


def make(name: str, task: Any = TASK, parts: int = 1, lm: GPT2 = LM, **options: Any) -> Any:
    cls: Any = METHODS.load(name)
    other: Any = {"finetuned": EXPERT, "discriminator": JUDGE}.get(cls.card.role)
    others = [] if other is None else [other] * parts
    if options.get("anti") == "trained":
        others = [*others, *[ANTI] * parts]
    settings = cls.card.Settings(**{"max_words": 2, **options})
    return cls(lm, CODEC, others, [READS] * len(others), task, settings)


def drawn(generator: Generator, count: int, seed: int = 0, **more: Any) -> list[Any]:
    (result,) = generator.generate([TARGET], count, seed, **{"batch": 512, **more})
    return list(result.samples)


def ids(one: Any) -> tuple[int, ...]:
    return tuple(CODEC.vocabulary.ids[token] for token in one.tokens)


def log_p(model: GPT2, head: Sequence[int], text: Sequence[int]) -> torch.Tensor:
    """log p(next word | head, text) over the words that can come, computed without a cache."""
    logits = model.logits(model.hidden(torch.tensor([[*head, *text]])))[0, -1].double()
    logits = logits[: CODEC.text_size].clone()
    logits[CODEC.forbidden] = -torch.inf
    return logits.log_softmax(-1)


HEAD = CODEC.head(())
PROMPTED = READS.head(TASK.prompt(TARGET.control))


def law(step: Callable[[tuple[int, ...]], torch.Tensor]) -> dict[tuple[int, ...], float]:
    """The distribution of texts whose next word has log-weights ``step(text)``."""

    def grow(text: tuple[int, ...], p: float) -> Iterator[tuple[tuple[int, ...], float]]:
        if text and (text[-1] == CODEC.eos or len(text) == LIMIT):
            yield text, p
            return
        for token, q in enumerate(step(text).softmax(-1).tolist()):
            if q:
                yield from grow((*text, token), p * q)

    return dict(grow((), 1.0))


def base(text: Sequence[int]) -> torch.Tensor:
    return log_p(LM, HEAD, text)


def expert(text: Sequence[int]) -> torch.Tensor:
    return log_p(EXPERT, PROMPTED, text)


def holds(text: Sequence[int]) -> float:
    """p(control | text) by the discriminator."""
    logit = JUDGE(torch.tensor([[*PROMPTED, *text]]))[0, -1]
    return float(logit.double().sigmoid())


def seen(model: Callable[[Sequence[int]], torch.Tensor], text: Sequence[int]) -> float:
    return sum(float(model(text[:i])[token]) for i, token in enumerate(text))


def finite(x: torch.Tensor) -> torch.Tensor:
    return x.nan_to_num(neginf=0.0)


def agrees(texts: Sequence[tuple[int, ...]], expected: Law) -> None:
    """Chi-square, rare texts together."""
    found = Counter(texts)
    assert set(found) <= {text for text, p in expected.items() if p > 0}
    common = [text for text, p in expected.items() if p * len(texts) >= 5]
    counts = [found[text] for text in common]
    shares = [expected[text] for text in common]
    rest = 1 - sum(shares)
    if rest * len(texts) >= 1:
        counts, shares = [*counts, len(texts) - sum(counts)], [*shares, rest]
    else:
        shares = [share / sum(shares) for share in shares]
        assert sum(counts) >= len(texts) - 10
    wanted = [share * sum(counts) / sum(shares) for share in shares]
    assert len(common) > 3
    assert chisquare(counts, wanted).pvalue > 1e-3


def plain(name: str, model: GPT2, head: Sequence[int], count: int) -> list[tuple[int, ...]]:
    jobs = [Job(0, TARGET, i, Heads.of([head])) for i in range(count)]
    codec = CODEC if model is LM else READS
    u = uniforms(name, jobs, 0, LIMIT)
    return [tuple(x) for x in sample(model, [head] * count, u, codec.eos, codec.forbidden)]


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


def log_z_of(samples: Sequence[Sample]) -> torch.Tensor:
    return torch.tensor([one.log_z for one in samples], dtype=torch.float64)


@pytest.mark.parametrize(("particles", "ess"), [(1, 0.5), (3, 1.0), (8, 0.0), (8, 0.9)])
def test_particles_are_properly_weighted(particles: int, ess: float) -> None:
    """The mean of exp(log_z) is Z, and that of exp(log_z) [y is drawn] is p(y) p(c | y)^lam, for
    any number of particles, resampled or not."""
    p, count = law(base), 600
    wanted = {text: q * holds(text) ** 2 for text, q in p.items()}
    generator = make("smc", particles=particles, ess=ess, lam=2.0)
    samples = drawn(generator, count, seed=particles)
    weights = log_z_of(samples).exp()

    def close(values: torch.Tensor, to: float) -> None:
        error = float(values.std()) / math.sqrt(count)
        assert abs(float(values.mean()) - to) < 4 * error + 1e-9

    close(weights, sum(wanted.values()))
    texts = [ids(one) for one in samples]
    for text in sorted(p, key=wanted.__getitem__)[-5:]:
        close(weights * torch.tensor([float(one == text) for one in texts]), wanted[text])


#: what p(text) is under the rule that the target states, not normalised
RULE = {t: p for t, p in law(base).items() if len(CODEC.words(list(t))) == 2}


@pytest.mark.parametrize(
    ("particles", "lam", "ess"), [(1, 1.0, 0.5), (3, 0.0, 0.5), (3, 1.0, 1.0), (8, 2.0, 0.5)]
)
def test_the_rule_is_the_final_potential(particles: int, lam: float, ess: float) -> None:
    """The mean of exp(log_z) is p(control), and that of exp(log_z) [y is drawn] is p(y), whatever
    the twists and however often all particles die; where one is left, the text satisfies the
    control."""
    generator, count = make("smc_rule", particles=particles, lam=lam, ess=ess), 600
    samples = drawn(generator, count, seed=particles)
    log_z = log_z_of(samples)
    texts = [ids(one) for one in samples]
    (likely,) = sorted(RULE, key=RULE.__getitem__)[-1:]
    for values, wanted in (
        (log_z.exp(), sum(RULE.values())),
        (log_z.exp() * torch.tensor([float(t == likely) for t in texts]), RULE[likely]),
    ):
        error = float(values.std()) / math.sqrt(count)
        assert abs(float(values.mean()) - wanted) < 4 * error + 1e-9
    right = [len(one.words) == 2 for one in samples]
    assert right == log_z.isfinite().tolist() and any(right)
    asked = 2 if lam and particles > 1 else 1
    assert all(one.nfe >= asked * len(one.tokens) for one in samples)
    if particles == 1:
        assert not all(right) and set(log_z[log_z.isfinite()].tolist()) == {0.0}
        assert texts == plain_of(count, particles)


def plain_of(count: int, seed: int) -> list[tuple[int, ...]]:
    jobs = [Job(0, TARGET, i, Heads.of([HEAD])) for i in range(count)]
    u = uniforms("smc_rule", jobs, seed, LIMIT)
    return [tuple(x) for x in sample(LM, [HEAD] * count, u, CODEC.eos, CODEC.forbidden)]


def test_particles_draw_from_the_language_model_under_the_rule() -> None:
    """Where one of them is left: without twists it is a draw of its own."""
    total, generator = sum(RULE.values()), make("smc_rule", particles=32, lam=0.0)
    samples = drawn(generator, 300)
    left = [ids(one) for one, z in zip(samples, log_z_of(samples), strict=True) if z.isfinite()]
    agrees(left, {text: p / total for text, p in RULE.items()})
    assert abs(len(left) / 300 - (1 - (1 - total) ** 32)) < 0.1


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


def test_many_particles_draw_from_the_posterior() -> None:
    wanted = {text: p * holds(text) ** 2 for text, p in law(base).items()}
    total = sum(wanted.values())
    agrees(
        [ids(one) for one in drawn(make("smc", particles=32, lam=2.0), 300)],
        {text: p / total for text, p in wanted.items()},
    )


def test_resampling_copies_in_proportion() -> None:
    log = torch.tensor([[0.5, 0.3, 0.15, 0.05]], dtype=torch.float64).log().repeat(500, 1)
    u = torch.linspace(0, 1, 501, dtype=torch.float64)[:-1]
    copies = torch.nn.functional.one_hot(systematic(log, u), 4).sum(1)
    assert set(copies[:, 0].tolist()) == {2} and set(copies[:, 1].tolist()) == {1, 2}
    torch.testing.assert_close(copies.double().mean(0), 4 * log[0].exp(), atol=0.01, rtol=0)
    weights = Weights(2, 4, torch.device("cpu"))
    weights.log[0] = log[0] + 3.0
    before = weights.log_z
    assert weights.effective.tolist() == pytest.approx([1 / 0.365, 4.0])
    every = torch.ones(2, dtype=torch.bool)
    assert weights.resampled(0.5, every, u[:2]) is None
    assert weights.resampled(0.9, ~every, u[:2]) is None
    origin = weights.resampled(0.9, every, u[:2])
    assert origin is not None and origin[1].tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(weights.log_z, before)
    assert not weights.log.any()


def content(results: Any) -> dict[str, list[tuple[Any, float]]]:
    return {r.target_id: [(s.tokens, s.nfe) for s in r.samples] for r in results}


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
