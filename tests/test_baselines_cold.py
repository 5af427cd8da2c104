"""COLD: its energy's gradient, its dynamics, its rounding, and samples of its own names alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2LMHeadModel

from baselines.cold import Cold
from baselines.cold_energy import Energy, Group, Terms, weights
from baselines.cold_keywords import keywords
from baselines.cold_langevin import adam, langevin
from baselines.cold_reader import BUCKET, Reader, after, before
from baselines.cold_rounding import initial, round_off
from baselines.cold_settings import ColdSettings
from baselines.soft import SoftReader
from models.base import TargetSamples
from models.causal_lm import gpt2, train_lm
from models.codec import WordCodec
from models.config import TrainConfig
from models.lm_config import LMConfig
from tasks.base import Target, Words
from tasks.controls import Infill, Length
from tasks.errors import UserError
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
#: ids of a small vocabulary: bos, eos, UNK and PAD are no words that may be chosen
SIZE, WORDS = 16, list(range(4, 16))
SOFT = ColdSettings(length=4, top_k=3, straight_through=False, temperature=0.7)


def network(seed: int, positions: int = 64) -> GPT2LMHeadModel:
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(gpt2(SIZE, positions, 2, 16, 2, 0.0)).double()
    for parameter in model.parameters():  # far from uniform, so that every term has a slope
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model.eval().requires_grad_(False)


#: contexts of unlike lengths; the keywords are indices into WORDS
LEFT = [[0, 5, 6, 7], [0, 8]]
RIGHT = [[9, 10], [11, 12, 13, 5]]
KEYWORDS = [[5, 6], []]


def energy(settings: ColdSettings, rows: int = 2) -> Energy:
    width = BUCKET
    group = Group(
        torch.tensor([before(ids) for ids in LEFT[:rows]]),
        torch.tensor([before([0, *ids[::-1]]) for ids in RIGHT[:rows]]),
        torch.tensor([after(ids) for ids in RIGHT[:rows]]),
        torch.tensor([[*ids, *[-1] * (width - len(ids))] for ids in KEYWORDS[:rows]]),
    )
    readers = [Reader(SoftReader(network(seed))) for seed in (0, 1)]
    return Energy(*readers, group, torch.tensor(WORDS), settings)


def logits(seed: int = 0, n: int = 4) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(2, n, len(WORDS), dtype=torch.float64, generator=rng)


@torch.no_grad()
def slopes(value: Callable[[Tensor], Tensor], y: Tensor, step: float = 1e-6) -> Tensor:
    """Central differences of each row's values: ``y`` (2, n, A), ``value(y)`` (2, T) -> (T, 2, n,
    A). Both rows move at once, since neither is to touch the other's values."""
    found = []
    for at in range(y[0].numel()):
        up, down = y.clone(), y.clone()
        up.view(2, -1)[:, at] += step
        down.view(2, -1)[:, at] -= step
        found.append((value(up) - value(down)) / (2 * step))
    return torch.stack(found, -1).permute(1, 0, 2).reshape(-1, *y.shape)


NAMES_OF_TERMS = [field.name for field in fields(Terms)]


def stacked(terms: Terms) -> Tensor:
    return torch.stack([getattr(terms, name) for name in NAMES_OF_TERMS], 1)


def test_gradient_of_each_term_matches_finite_differences() -> None:
    e, y = energy(SOFT), logits()
    numeric = slopes(lambda y: stacked(e.terms(y)), y)
    leaf = y.clone().requires_grad_()
    values = stacked(e.terms(leaf))
    for at in range(len(NAMES_OF_TERMS)):
        (exact,) = torch.autograd.grad(values[:, at].sum(), leaf, retain_graph=True)
        assert exact[0].abs().max() > 1e-3
        assert torch.allclose(exact, numeric[at], atol=1e-7, rtol=1e-6), NAMES_OF_TERMS[at]
    assert numeric[3, 1].abs().max() == 0  # the second row has no keyword


def test_composed_gradient_is_the_weighted_sum() -> None:
    settings = replace(SOFT, constraint=0.3, left_right=0.8, keywords=0.7)
    e, y = energy(settings), logits()
    weighed = {"left": 0.7 * 0.8, "right": 0.7 * 0.2, "ahead": 0.3, "overlap": 0.21}
    assert weights(settings) == pytest.approx(weighed)
    total = torch.zeros_like(y)
    for name, weight in weighed.items():
        leaf = y.clone().requires_grad_()
        (part,) = torch.autograd.grad(getattr(e.terms(leaf), name).sum(), leaf)
        total += weight * part
    assert torch.allclose(e.gradient(y), total, atol=1e-12)


def test_published_weights() -> None:
    expected = {"left": 0.3, "right": 0.2, "ahead": 0.5, "overlap": 0.025}
    assert weights(ColdSettings()) == pytest.approx(expected)


def one_hot(ids: list[int]) -> Tensor:
    """Logits (2, n, A) that leave no doubt about ``ids``."""
    at = torch.tensor([WORDS.index(i) for i in ids])
    return 400.0 * F.one_hot(at, len(WORDS)).double().expand(2, -1, -1)


def test_terms_of_certain_words_are_plain_likelihoods() -> None:
    """With all mass on one word, each term is a log-likelihood of an unpadded, uncached pass."""
    e, middle = energy(replace(SOFT, top_k=0)), [6, 14, 4, 9]
    terms = e.terms(one_hot(middle))
    for row, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        text = torch.tensor([[*left, *middle, *right]])
        log_probs = network(0)(text).logits[0, :-1].log_softmax(-1)
        picked = log_probs.gather(1, text[0, 1:, None])[:, 0]
        behind = len(left) + len(middle) - 1
        assert float(terms.ahead[row]) == pytest.approx(-float(picked[behind:].mean()), abs=1e-9)
        # the fluency terms: cross-entropy of the model's distribution to q, near 400 nats wherever
        # the model's mass is not on the chosen word
        of_words = network(0)(text).logits[0, len(left) - 1 : behind][:, WORDS].softmax(-1)
        back = torch.tensor([[0, *right[::-1], *middle[::-1]]])
        reverse = network(1)(back).logits[0, len(right) : -1][:, WORDS].softmax(-1).flip(0)
        log_q = one_hot(middle)[row].log_softmax(-1)
        for found, p in ((terms.left, of_words), (terms.right, reverse)):
            assert float(found[row]) == pytest.approx(float(-(p * log_q).sum(-1).mean()), abs=1e-8)


def test_top_k_keeps_the_best_words_and_the_keywords() -> None:
    e, y = energy(replace(SOFT, top_k=2)), logits()
    for allowed, support in ((True, {2, 3, 4}), (False, {2})):
        e.settings = replace(e.settings, keywords_allowed=allowed)
        target, _ = e._targets(*(y.softmax(-1) @ table for table in e.tables))
        assert torch.allclose(target.sum(-1), torch.ones(2, 4, dtype=torch.float64))
        assert set((target[0] > 0).sum(-1).tolist()) <= support
        assert set((target[1] > 0).sum(-1).tolist()) == {2}  # it has no keyword
        assert not allowed or bool((target[0][:, KEYWORDS[0]] > 0).all())


def test_straight_through_gradient() -> None:
    """Fluency moves y through q alone, towards what the models expect behind the chosen words;
    ``ahead`` has the slope of its soft tokens, but for the temperature."""
    e, y = energy(replace(SOFT, straight_through=True)), logits()
    chosen = y.argmax(-1)  # nothing restricts them in the first call
    with torch.no_grad():
        targets = e._targets(*(F.embedding(chosen, table) for table in e.tables))
    for name, target in zip(("left", "right"), targets, strict=True):
        e.best = None
        leaf = y.clone().requires_grad_()
        (exact,) = torch.autograd.grad(getattr(e.terms(leaf), name).sum(), leaf)
        assert target is not None
        assert torch.allclose(exact, (y.softmax(-1) - target) / 4, atol=1e-12)
    leaf = y.clone().requires_grad_()
    (exact,) = torch.autograd.grad(e.terms(leaf).ahead.sum(), leaf)
    (numeric,) = slopes(lambda y: e._ahead(y / SOFT.temperature)[:, None], y)
    assert torch.allclose(exact, SOFT.temperature * numeric, atol=1e-7)


def test_straight_through_reads_the_best_words_of_the_last_call() -> None:
    e, y = energy(replace(SOFT, straight_through=True)), logits()
    e.terms(y)
    best = e.best
    assert best is not None
    chosen = e.choose(y, best)
    for row in range(2):
        for n in range(4):
            pool = {*best[row, n].tolist(), *KEYWORDS[row]}
            assert int(chosen[row, n]) == max(pool, key=lambda i: float(y[row, n, i]))


def test_overlap_is_least_where_a_keyword_stands() -> None:
    e = energy(SOFT)
    flat = torch.zeros(2, 4, len(WORDS), dtype=torch.float64)
    absent = flat.clone()
    absent[..., KEYWORDS[0]] = -40.0
    present = flat.clone()
    present[:, 1, KEYWORDS[0][0]] = 40.0
    both = absent.clone()
    both[:, 1, KEYWORDS[0][0]] = both[:, 3, KEYWORDS[0][1]] = 40.0
    found = [float(e.terms(y).overlap[0]) for y in (both, present, flat, absent)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(0.0, abs=1e-6)
    assert found[2] == pytest.approx(math.log(len(WORDS)))
    assert found[3] == pytest.approx(20.0)  # clamped
    # one position has a keyword with probability a, the others with b: by hand
    y = flat.clone()
    y[0, 2, KEYWORDS[0]] = torch.tensor([2.0, 1.0], dtype=torch.float64)
    log_q = y[0].log_softmax(-1)[:, KEYWORDS[0]]
    by_hand = 0.0
    for column in log_q.T.tolist():
        mass = [math.exp(x) for x in column]  # softmax of log-probabilities
        by_hand -= sum(m * x for m, x in zip(mass, column, strict=True)) / sum(mass) / 2
    assert float(e.terms(y).overlap[0]) == pytest.approx(by_hand)


def test_without_keywords_there_is_no_overlap() -> None:
    e, y = energy(replace(SOFT, constraint=1.0, keywords=5.0)), logits()
    assert float(e.terms(y).overlap[1]) == 0.0
    e.weights = {**e.weights, "ahead": 0.0}
    gradient = e.gradient(y)
    assert float(gradient[0].abs().max()) > 0
    assert float(gradient[1].abs().max()) == 0


def test_noise_follows_its_schedule() -> None:
    published = ColdSettings()
    marks = {0: 1.0, 49: 1.0, 50: 0.5, 499: 0.5, 500: 0.1, 999: 0.1, 1000: 0.05, 1499: 0.05}
    marks |= {1500: 0.01, 1999: 0.01}
    assert {i: published.noise_std(i) for i in marks} == marks
    # a tenth of the iterations: a tenth of each mark; more than the published ones: no stretching
    short, long = ColdSettings(iterations=200), ColdSettings(iterations=9000)
    assert [short.noise_std(i) for i in (4, 5, 49, 50, 150)] == [1.0, 0.5, 0.5, 0.1, 0.01]
    assert long.noise_std(8999) == 0.01
    late = ColdSettings(noise=[1.0, 0.5], noise_from=[50, 500])  # type: ignore[arg-type]
    assert [late.noise_std(i) for i in (0, 49, 50, 500)] == [0.0, 0.0, 1.0, 0.5]


def test_langevin_adds_the_scheduled_noise_to_adams_steps() -> None:
    """On a quadratic energy: noise is what each step adds beyond torch's own Adam."""
    settings = ColdSettings(
        length=1, iterations=60, step_size=0.05, noise=(1.0, 0.25, 0.0), noise_from=(0, 700, 1400)
    )
    centre, seen = torch.linspace(-3, 3, 40_000).view(2, 1, -1), []

    def slope(y: Tensor) -> Tensor:
        seen.append(y.clone())
        return y - centre

    streams = [torch.Generator().manual_seed(i) for i in range(2)]
    last = langevin(torch.zeros_like(centre), slope, settings, streams)
    assert len(seen) == settings.iterations
    offset = torch.nn.Parameter(torch.zeros_like(centre))
    optimizer = torch.optim.Adam([offset], lr=0.05)
    added = torch.zeros_like(centre)
    for i, following in enumerate([*seen[1:], last]):
        offset.grad = seen[i] - centre
        optimizer.step()
        noise = following - offset.detach() - added
        std = 1.0 if i < 21 else 0.25 if i < 42 else 0.0
        assert float(noise.std()) == pytest.approx(std, rel=0.02, abs=1e-4), i
        added += noise
    # the rows' streams are their own
    alone = langevin(torch.zeros(2, 1, 20_000), lambda y: y - centre, settings, streams[:1])
    assert not torch.equal(alone[1], last[1])


def test_langevin_without_noise_ends_at_the_minimum() -> None:
    settings = ColdSettings(iterations=800, step_size=0.05, noise=(), noise_from=())
    centre = torch.linspace(-1, 1, 9).view(1, 1, 9)
    last = langevin(torch.zeros_like(centre), lambda y: y - centre, settings, [])
    assert torch.allclose(last, centre, atol=1e-3)
    direction = adam(torch.tensor([5.0, -2.0, 1e-3]), torch.zeros(3), torch.zeros(3), 1)
    assert torch.allclose(direction, torch.tensor([1.0, -1.0, 1.0]), atol=1e-4)


def test_reader_gives_padded_contexts_the_results_they_have_alone() -> None:
    reader = Reader(SoftReader(network(0)))
    state = reader.start(torch.tensor([before(ids) for ids in LEFT]))
    more = torch.tensor([[6, 7, 8], [9, 10, 11]])
    hidden, state = reader.read(reader.soft.embed_ids(more[:, :2]), state)
    last, _ = reader.read(reader.soft.embed_ids(more[:, 2:]), state)
    for row, left in enumerate(LEFT):
        text = torch.tensor([[*left, *more[row].tolist()]])
        plain = network(0).transformer(text).last_hidden_state[0]
        assert torch.allclose(hidden[row], plain[len(left) - 1 : -1], atol=1e-12)
        assert torch.allclose(last[row, 1], plain[-1], atol=1e-12)


def test_rounding_takes_the_largest_logit_among_what_the_model_proposes() -> None:
    settings = replace(SOFT, top_k=3)
    e, y, marks = energy(settings), logits(3), [0]
    found = round_off(e, y, [9, 6], marks)
    model = network(0)
    for row, (left, limit) in enumerate(zip(LEFT, (9, 6), strict=True)):
        expected: list[int] = []
        while len(expected) < limit and not (expected and expected[-1] in marks):
            text = torch.tensor([[*left, *[WORDS[i] for i in expected]]])
            after_ = model(text).logits[0, -1][WORDS]
            n = len(expected)
            if n < 4:
                pool = {*after_.topk(3).indices.tolist(), *KEYWORDS[row]}
                expected.append(max(pool, key=lambda i: float(y[row, n, i])))
            else:
                expected.append(int(after_.argmax()))
        assert found[row] == expected
    every = round_off(energy(replace(settings, top_k=0)), y, [4, 4], [])
    assert every == y.argmax(-1).tolist()
    assert round_off(e, y, [0], marks) == [[]]


def test_initial_logits_are_those_of_a_greedy_pass() -> None:
    y = initial(energy(SOFT), 4)
    text = [*LEFT[1]]
    for n in range(4):
        plain = network(0)(torch.tensor([text])).logits[0, -1][WORDS]
        assert torch.allclose(y[1, n], plain, atol=1e-12)
        text.append(WORDS[int(plain.argmax())])


def test_keywords() -> None:
    left = ("Mia", "had", "a", "dog", ".")
    right = ("The", "dog", "was", "not", "barking", "at", "Tom", "!")
    assert keywords(left, right) == ("barking", "Tom")
    assert keywords(left, ("Barking", "barking", "Mia", ".")) == ("Barking",)


# ---------------------------------------------------------------- the method as a whole

#: story -> (first sentence, middle, last sentence): what the first sentence leaves open, the last
#: one decides
STORIES: dict[tuple[str, str], str] = {
    ("Ann", "wet"): "swam",
    ("Ann", "tired"): "ran",
    ("Bob", "full"): "ate",
    ("Bob", "rich"): "sold",
}
NAMES = ("Ann", "Bob")
CODEC = WordCodec(
    Vocabulary(
        [*SPECIALS, *NAMES, *{end for _, end in STORIES}, *STORIES.values(), "went", "out", "."]
    )
)


def parts(name: str, end: str) -> tuple[Words, Words, Words]:
    extra = ("went",) if name == "Bob" else ()  # contexts of unlike lengths
    return (name, *extra, "out", "."), (name, STORIES[name, end], "."), (name, end, ".")


TARGETS = [Target(f"{name}-{end}", Infill(*parts(name, end)[::2])) for name, end in STORIES]
ANSWERS = {f"{name}-{end}": parts(name, end)[1] for name, end in STORIES}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("artefacts")
    found = {role: root / role for role in ("lm", "backward_lm")}
    stories = [sum(parts(*key), ()) for key in STORIES] * 8
    train = TrainConfig(steps=150, batch=8, lr=5e-3, every=150, bf16=False)
    for role, folder in found.items():
        folder.mkdir()
        step = 1 if role == "lm" else -1
        data = [((), words[::step]) for words in stories]
        train_lm(folder, data, [], CODEC, LMConfig(2, 32, 2, 0.0, 32, train=train), 0, CPU)
    return found


QUICK = ColdSettings(length=3, iterations=30, max_words=6)


def make(folders: Mapping[str, Path], settings: ColdSettings = QUICK) -> Cold:
    class Infilling:
        name = "infilling"

    return Cold.load(folders, Infilling(), settings, CPU)  # type: ignore[arg-type]


def content(found: list[TargetSamples]) -> dict[str, list[Words]]:
    return {one.target_id: [sample.words for sample in one.samples] for one in found}


def test_it_finds_the_word_that_suits_both_sides(folders: dict[str, Path]) -> None:
    """The language model alone gives both endings of a name the same middle."""
    found = list(make(folders, replace(QUICK, iterations=150)).generate(TARGETS, 4, seed=0))
    chosen = {one.target_id: one.samples[one.chosen or 0].words for one in found}
    assert chosen == ANSWERS
    # most chains, and not only the best ranked ones
    every = [words == ANSWERS[name] for name, rows in content(found).items() for words in rows]
    assert sum(every) >= 0.75 * len(every)
    plain = make(folders, replace(QUICK, iterations=0))
    unguided = {one.target_id: one.samples[0].words for one in plain.generate(TARGETS, 1, seed=0)}
    assert len(set(unguided.values())) == len(NAMES)


def test_a_sample_depends_on_its_names_alone(folders: dict[str, Path]) -> None:
    method = make(folders)
    whole = content(list(method.generate(TARGETS, 4, seed=3, batch=16)))
    single = content(list(method.generate(TARGETS[:3], 2, seed=3, batch=1)))
    assert single == {one.id: whole[one.id][:2] for one in TARGETS[:3]}
    some = content(list(method.generate(TARGETS[::-2], 3, seed=3)))
    assert some == {one.id: whole[one.id][:3] for one in TARGETS[::-2]}
    assert content(list(method.generate(TARGETS, 4, seed=4))) != whole


def test_optimised_logits_do_not_depend_on_the_batch(folders: dict[str, Path]) -> None:
    """Words hide small differences; logits do not."""
    method, seen = make(folders, replace(QUICK, iterations=10)), []
    from baselines import cold

    whole = cold.round_off

    def spy(energy: Energy, y: Tensor, limits: list[int], marks: list[int]) -> list[list[int]]:
        seen.append(y[: len(limits)].clone())
        return whole(energy, y, limits, marks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cold, "round_off", spy)
        list(method.generate(TARGETS[1:], 3, seed=3, batch=16))
        list(method.generate(TARGETS[1:], 3, seed=3, batch=1))
    together, apart = seen[0], torch.cat(seen[1:])
    assert together.shape == apart.shape and len(together) == 9
    assert torch.equal(together, apart)
    assert not torch.equal(together[0], together[1])


def test_samples_are_sentences_and_counted(folders: dict[str, Path]) -> None:
    found = list(make(folders).generate(TARGETS[:2], 3, seed=1))
    for one in found:
        assert one.chosen is not None and 0 <= one.chosen < 3
        for sample in one.samples:
            assert 1 <= len(sample.words) <= 6
            assert "." not in sample.words[:-1] and "UNK" not in sample.words
            assert sample.nfe == 3 + 30 * 3 + len(sample.tokens)
    assert list(make(folders).generate([], 3, seed=1)) == []


def test_without_room_for_a_mark_the_middle_stays_as_it_is(folders: dict[str, Path]) -> None:
    method = make(folders, replace(QUICK, length=2, max_words=2, iterations=2))
    (one,) = method.generate(TARGETS[:1], 2, seed=0)
    assert all(len(sample.words) == 2 for sample in one.samples)


def test_empty_middles_lose(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from baselines import cold

    def empty(energy: Energy, y: Tensor, limits: list[int], marks: list[int]) -> list[list[int]]:
        return [[], *round_off(energy, y, limits, marks)[1:]] if len(limits) > 1 else [[]]

    monkeypatch.setattr(cold, "round_off", empty)
    (one,) = make(folders).generate(TARGETS[:1], 3, seed=0)
    assert one.samples[0].words == () and one.chosen != 0
    (one,) = make(folders).generate(TARGETS[:1], 1, seed=0)
    assert one.samples[0].words == () and one.chosen == 0


def test_no_keywords_in_the_right_context(folders: dict[str, Path]) -> None:
    target = Target("bare", Infill(("Ann", "out", "."), ("Ann", "out", ".")))
    (one,) = make(folders).generate([target], 2, seed=0)
    assert all(sample.words for sample in one.samples)


def test_unknown_words_of_the_contexts_are_no_keywords(folders: dict[str, Path]) -> None:
    method = make(folders)
    assert method._keywords(("Ann", "."), ("zebras", "wet", "Ann")) == [
        method.index[CODEC.encode(["wet"])[0]]
    ]


def test_what_it_refuses(folders: dict[str, Path], tmp_path: Path) -> None:
    assert Cold.refuses("infilling") is None
    assert "sentences only" in str(Cold.refuses("length"))
    method = make(folders)
    long = Target("long-one", Infill(("out",) * 20, ("Ann", ".") * 10))
    with pytest.raises(UserError, match="target long-one takes 44 tokens.*read 32"):
        list(method.generate([*TARGETS, long], 1, seed=0))
    with pytest.raises(UserError, match="target t: infilling cannot read"):
        list(method.generate([Target("t", Length(5))], 1, seed=0))
    other = WordCodec(Vocabulary([*SPECIALS, "else", "."]))
    train = TrainConfig(steps=1, batch=1, every=1, bf16=False)
    config = LMConfig(1, 8, 1, 0.0, 32, train=train)
    train_lm(tmp_path, [((), ("else", "."))], [], other, config, 0, CPU)
    with pytest.raises(UserError, match="different vocabularies"):
        make({**folders, "backward_lm": tmp_path})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": (1.0,)}, "noise has 1 entries and noise_from 5"),
        ({"noise": (-1.0,), "noise_from": (0,)}, "negative standard deviation"),
        ({"noise": (1.0, 0.5), "noise_from": (50, 0)}, "must be increasing"),
        ({"length": 0}, "length must be at least 1"),
        ({"length": 50}, "at most max_words"),
        ({"iterations": -1}, "must not be negative"),
        ({"left_right": 1.2}, "left_right is a share"),
        ({"constraint": -0.1}, "constraint is a share"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"unk": "repair"}, "unk=repair needs repair_model"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ColdSettings(**options)  # type: ignore[arg-type]
