"""NADO, on a language model of random weights small enough to enumerate (landmark 16)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from steered import law as enumerated

from baselines import METHODS
from baselines.autoregressive import Heads, uniforms
from baselines.nado.config import NADOSettings, SuccessConfig
from baselines.nado.labels import annotated, pairs
from baselines.nado.method import NADO, Decomposed
from baselines.nado.objective import Objective, divergence
from baselines.nado.success import Success, load_success
from baselines.nado.training import train_success
from eval.running.command import parse
from eval.running.plan import Plan
from eval.running.presets import demo
from models.jobs import Job
from models.nets.artefact import save_network
from models.nets.backbones import fresh
from models.nets.causal import _save
from models.nets.codec import WordCodec
from models.nets.config import LMConfig, TrainConfig
from models.nets.decoding import sample
from tasks import in_table, load_task
from tasks.base import Target, Text
from tasks.common.errors import UserError
from tasks.composition import Composition
from tasks.controls import AllOf, Length
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
TASK = load_task("length")
CODEC = WordCodec(Vocabulary([*SPECIALS, "a", "b"]))
READS = CODEC.with_prompt([str(n) for n in range(1, 5)])
SHAPE = LMConfig(1, 16, 2, 0.0, 16)
CONFIG = SuccessConfig(1, 16, 2, 0.0, 16, train=TrainConfig(steps=150, batch=64, lr=2e-2, every=75))
LIMIT = CODEC.limit(3)
HEAD, TARGET = CODEC.head(()), Target("t", Length(2))
Law = dict[tuple[int, ...], float]


def language_model() -> Any:
    torch.manual_seed(0)
    model = fresh(len(CODEC), SHAPE).served(CPU)
    for weight in model.network.parameters():
        weight.mul_(1.0 if weight.ndim == 1 else 3.0)
    return model


LM = language_model()


def after(text: Sequence[int]) -> torch.Tensor:
    """log p(next word | text), over the words that can come."""
    logits = LM.logits(LM.hidden(torch.tensor([[*HEAD, *text]])))[0, -1].double()
    logits[CODEC.forbidden] = -torch.inf
    return logits.log_softmax(-1)


def law(step: Any = after) -> Law:
    return enumerated(step, CODEC, LIMIT)


BASE = law()
CONTROL: dict[int, Law] = {}
for words in (1, 2, 3):
    held = {t: p for t, p in BASE.items() if len(CODEC.words(list(t))) == words}
    CONTROL[words] = {t: p / sum(held.values()) for t, p in held.items()}


def mass(of: Law, text: tuple[int, ...]) -> float:
    return sum(p for one, p in of.items() if one[: len(text)] == text)


def success(text: tuple[int, ...], words: int) -> float:
    """R of a prefix, as a ratio to R(empty), by enumeration."""
    return mass(CONTROL[words], text) / mass(BASE, text)


class Fixed:
    """In place of what networks say: the exact log R of every next word."""

    words = CODEC.text_size

    def __init__(self, text: tuple[int, ...]) -> None:
        longer = [(*text, token) for token in range(self.words)]
        values = [success(t, 2) if mass(BASE, t) else 0.0 for t in longer]
        self.said = torch.tensor([values], dtype=torch.float64).log()

    def read(self) -> list[torch.Tensor]:
        return [self.said]


def test_an_exact_success_function_leaves_nothing_to_renormalise() -> None:
    prefixes = {text[:n] for text in CONTROL[2] for n in range(len(text))}
    assert len(prefixes) > 5
    for text in prefixes:
        fixed: Any = Fixed(text)
        p, r = after(text).exp(), fixed.said[0].exp()
        assert math.isclose(float((p * r).sum()), success(text, 2), rel_tol=1e-9)
        steered = (p * r) / success(text, 2)
        mixed = Decomposed(fixed, 1.0).logits(after(text)[None])[0].softmax(-1)
        torch.testing.assert_close(mixed, steered, atol=1e-9, rtol=0)


def test_an_exact_success_function_gives_the_conditional() -> None:
    def step(text: tuple[int, ...]) -> torch.Tensor:
        fixed: Any = Fixed(text)
        return Decomposed(fixed, 1.0).logits(after(text)[None])[0]

    found = law(step)
    for text, p in found.items():
        assert math.isclose(p, CONTROL[2].get(text, 0.0), rel_tol=1e-6, abs_tol=1e-12)


def drawn(count: int, seed: int) -> list[tuple[str, ...]]:
    rng = torch.Generator().manual_seed(seed)
    # texts that were cut have no end to be read
    p = torch.tensor([q if t[-1] == CODEC.eos and len(t) > 1 else 0.0 for t, q in BASE.items()])
    chosen, every = torch.multinomial(p, count, True, generator=rng), list(BASE)
    return [CODEC.words(list(every[i])) for i in chosen.tolist()]


def labelled(texts: Sequence[tuple[str, ...]]) -> Any:
    return pairs(TASK, [Text(words) for words in texts], (), 0), texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A success function trained on the toy's own samples, labelled by the rule."""
    place = tmp_path_factory.mktemp("nado")
    (place / "lm").mkdir()
    _save(place / "lm", LM, CODEC, SHAPE)
    train, held = labelled(drawn(1500, 1)), labelled(drawn(200, 2))
    (place / "success").mkdir()
    train_success(
        place / "success", place / "lm", READS, train, held, CONFIG,
        seed=0, evenly=False, device=CPU,
    )  # fmt: skip
    return place / "success"


def make(network: Any, **options: Any) -> NADO:
    settings = NADOSettings(**{"max_words": 3, **options})
    return NADO(LM, CODEC, [network], [READS], TASK, settings)


def distance(one: Law, other: Law) -> float:
    """Total variation."""
    every = {*one, *other}
    return sum(abs(one.get(t, 0.0) - other.get(t, 0.0)) for t in every) / 2


def test_it_learns_the_success_function_from_samples(folder: Path) -> None:
    """Decoding is close to the language model under the control, for each of three lengths; and
    samples come from what the trained network says."""
    network, codec = load_success(folder, CPU)
    assert codec.digest == READS.digest
    for words in (1, 2, 3):
        prompt = READS.head([str(words)])

        def step(text: tuple[int, ...], prompt: list[int] = prompt) -> torch.Tensor:
            read = network.logits(network.hidden(torch.tensor([[*prompt, *text]])))
            return after(text) + read[0, -1].double()

        steered = law(step)
        assert distance(BASE, CONTROL[words]) > 0.3
        assert distance(steered, CONTROL[words]) < 0.3 * distance(BASE, CONTROL[words])
        if words == 2:
            (found,) = make(network).generate([TARGET], 500, 0, batch=512)
            assert all(one.nfe == 2 * len(one.tokens) for one in found.samples)
            counts = Counter(
                tuple(CODEC.vocabulary.ids[w] for w in one.tokens) for one in found.samples
            )
            common = [t for t, p in steered.items() if p * 500 >= 5]
            seen = [*(counts[t] for t in common), 500 - sum(counts[t] for t in common)]
            share = [steered[t] for t in common]
            wanted = [500 * p for p in (*share, 1 - sum(share))]
            assert chisquare(seen, wanted).pvalue > 1e-3


@torch.no_grad()
def test_the_loss_is_lowest_at_the_exact_success_function() -> None:
    """Of all texts of the toy, weighted by their probability: the loss of exact log R is below
    that of R = 1, and its consistency is 0."""
    network = Success(READS, CONFIG)
    train, held = labelled(drawn(400, 3)), labelled(drawn(50, 4))
    objective = Objective(network, LM, READS, train, held, config=CONFIG, seed=0)
    rows = objective._batch(np.random.default_rng(0), 200)
    flat = {name: float(values.mean()) for name, values in objective.terms(rows).items()}
    assert math.isclose(flat["entropy"], math.log(2), rel_tol=1e-5) and flat["consistency"] < 1e-6
    assert math.isclose(flat["nll"], flat["base"], rel_tol=1e-4)
    said = []
    for head, text in rows:
        words = int(READS.tokens(head)[0].strip("<>"))
        for n in range(len(text)):
            longer = [(*text[:n], token) for token in range(CODEC.text_size)]
            said.append([success(t, words) if mass(BASE, t) else 1.0 for t in longer])
    exact = torch.tensor(said).log().clamp(min=-20)
    network.logits = lambda hidden: exact  # type: ignore[method-assign,assignment]
    best = {name: float(values.mean()) for name, values in objective.terms(rows).items()}
    assert best["entropy"] < flat["entropy"] - 0.1 and best["consistency"] < 1e-3
    assert best["nll"] < flat["nll"] - 0.1
    one, other = torch.tensor([0.3]), torch.tensor([-1.0])
    p, q = one.sigmoid(), other.sigmoid()
    wanted = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    torch.testing.assert_close(divergence(one, other), wanted)


def test_controls_are_drawn_evenly_where_it_is_asked() -> None:
    held = ([(("1",), ("a",))] * 90 + [(("2",), ("a", "b"))] * 10, [("a",)])
    shares = {}
    for evenly in (False, True):
        network = Success(READS, CONFIG)
        objective = Objective(network, LM, READS, held, held, config=CONFIG, seed=0, evenly=evenly)
        rows = objective._batch(np.random.default_rng(0), 500)
        assert rows[0][0] == rows[500][0] and len(rows) == 1000
        shares[evenly] = sum(head == READS.head(["2"]) for head, _ in rows[:500]) / 500
    assert abs(shares[False] - 0.1) < 0.05 and abs(shares[True] - 0.5) < 0.08


def test_held_out_controls_are_read_with_texts_of_others() -> None:
    """Of pairs and texts that lie in one order, as a task's examples of its texts do."""
    texts = [("a",) * n for n in (1, 2, 3)] * 2 + [("b",) * n for n in (1, 2, 3)] * 2
    held = ([((str(len(one)),), one) for one in texts], texts)
    network = Success(READS, CONFIG)
    objective = Objective(network, LM, READS, held, held, config=CONFIG, seed=0)
    rows = objective._held_rows()
    assert len(rows) == 2 * len(texts)
    half = zip(rows[: len(texts)], rows[len(texts) :], strict=True)
    assert all(own[0] == other[0] and own[1] != other[1] for own, other in half)
    alone = ([(("1",), ("a",))], [("a",)])  # nothing else to read it with
    lonely = Objective(network, LM, READS, held, alone, config=CONFIG, seed=0)
    assert len(lonely._held_rows()) == 2


def content(results: Any) -> dict[str, list[Any]]:
    return {r.target_id: [(s.tokens, s.nfe) for s in r.samples] for r in results}


def test_without_weight_or_training_it_is_the_language_model(folder: Path) -> None:
    """Byte for byte: the last layer starts at zero."""
    jobs = [Job(0, TARGET, i, Heads.of([HEAD])) for i in range(30)]
    u = uniforms("nado", jobs, 0, LIMIT)
    plain = [CODEC.tokens(x) for x in sample(LM, [HEAD] * 30, u, CODEC.eos, CODEC.forbidden)]
    for generator in (make(load_success(folder, CPU)[0], weight=0.0), make(Success(READS, CONFIG))):
        (found,) = generator.generate([TARGET], 30, 0)
        assert [one.tokens for one in found.samples] == plain


def test_a_sample_depends_on_nothing_but_its_names(folder: Path) -> None:
    generator = make(load_success(folder, CPU)[0])
    targets = [Target(f"t{n}", Length(n)) for n in (2, 1, 3)]
    whole = content(generator.generate(targets, 7, seed=3))
    assert content(generator.generate(targets, 7, seed=3, batch=1)) == whole
    assert content(generator.generate(targets[::-1], 7, seed=3, batch=5)) == whole
    assert content(generator.generate(targets[1:2], 4, seed=3)) == {"t1": whole["t1"][:4]}
    assert content(generator.generate(targets, 7, seed=4)) != whole


def test_ratios_of_a_composition_multiply(folder: Path) -> None:
    network, _ = load_success(folder, CPU)
    twice, settings = Composition((TASK, TASK)), NADOSettings(max_words=3, weight=1.0)
    pair = NADO(LM, CODEC, [network] * 2, [READS] * 2, twice, settings)
    (found,) = pair.generate([Target("t", AllOf((Length(2), Length(2))))], 20, 0)
    (single,) = make(network, weight=2.0).generate([TARGET], 20, 0)
    assert [one.tokens for one in found.samples] == [one.tokens for one in single.samples]
    assert found.samples[0].nfe == 3 * len(found.samples[0].tokens)


def test_texts_are_labelled_by_the_rule() -> None:
    task = load_task("semantic_content")
    human = [
        Text(("The", "Mill"), fields=(("name", "Mill"), ("food", "Thai")), verbatim=True),
        Text(("no",), fields=(("food", "no"),), verbatim=True),
    ]
    texts = [Text(("a", "Mill", "with", "Thai")), Text(("it", "is", "not")), Text(("b",))]
    found = {(" ".join(prompt), words) for prompt, words in pairs(task, texts, human, 0)}
    assert found == {
        ("name : Mill", texts[0].words), ("food : Thai", texts[0].words),
        ("food : no", texts[1].words),  # inside not, as the headline metric has it
    }  # fmt: skip
    assert pairs(TASK, texts[2:], (), 0) == [(["1"], ("b",))]


def test_oracles_read_what_a_task_is_scored_by(tmp_path: Path) -> None:
    """The very ones of the run, and the language model's texts in place of the corpus."""
    plan = Plan(replace(demo(), store=str(tmp_path)))
    samples = plan.role("lm_samples")
    assert annotated(plan, load_task("length")) is samples
    tagged = annotated(plan, load_task("parts_of_speech"))
    assert tagged.spec.deps == {"corpus": samples.key, "tagger": plan.role("tagger").key}
    parsed = annotated(plan, load_task("syntax_tree"))
    assert parsed.spec.deps == {"corpus": samples.key, "parser": plan.role("parser").key}
    success = plan.role("success", "parts_of_speech")
    assert success.spec.deps["lm_samples"] == tagged.key


def test_networks_of_other_words_are_refused(folder: Path, tmp_path: Path) -> None:
    other = WordCodec(Vocabulary([*SPECIALS, "a", "c"]), ["1"])
    with pytest.raises(UserError, match="another vocabulary"):
        train_success(
            tmp_path, folder.parent / "lm", other, ([], []), ([], []), CONFIG,
            seed=0, evenly=False, device=CPU,
        )  # fmt: skip
    network = Success(other, CONFIG)
    save_network(tmp_path, network, CONFIG, network.facts, words=("codec", other))
    folders = {"lm": folder.parent / "lm", "success": tmp_path}
    with pytest.raises(UserError, match="different vocabularies"):
        NADO.load(folders, TASK, NADOSettings(), CPU)


def test_its_card() -> None:
    card = METHODS.card("nado")
    assert card.trained and not card.knows_rule and card.group == "steering"
    assert not any(card.refuses(load_task(n)) for n in in_table("control"))
    assert card.refuses(load_task("infilling")) == "it reads controls and no contexts"
    assert card.needs(TASK, None) == ("lm", "success")
    both = load_task("length+syntax_spans")
    assert card.needs(both, None) == ("lm", *(f"success:{part}" for part in both.name.split("+")))


@pytest.mark.parametrize(
    "given", ["nado.weight=-1", "success.consistency=-1", "success.width=3", "nado.top_p=0"]
)
def test_bad_settings_are_refused_in_one_line(given: str) -> None:
    with pytest.raises(UserError, match=given.split("=")[0].split(".")[1]) as caught:
        parse(["method=nado", "task=length", given])
    assert "\n" not in str(caught.value)
