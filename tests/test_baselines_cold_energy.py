"""COLD's energy and its gradient, Langevin dynamics, and the rounding of its logits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.cold.energy import Energy, Group, Terms, weights
from baselines.cold.langevin import adam, langevin
from baselines.cold.reader import BUCKET, Reader, after, before
from baselines.cold.rounding import initial, round_off
from baselines.cold.settings import ColdSettings
from baselines.soft import SoftReader
from models.nets.backbones import CausalLM
from models.nets.backbones.gpt2 import GPT2

#: ids of a small vocabulary: bos, eos, UNK and PAD are no words that may be chosen
SIZE, WORDS = 16, list(range(4, 16))
SOFT = ColdSettings(length=4, top_k=3, straight_through=False, temperature=0.7)


def network(seed: int, positions: int = 64) -> CausalLM:
    torch.manual_seed(seed)
    model = GPT2.fresh(SIZE, positions, 2, 16, 2, 0.0)
    model.double()
    for parameter in model.parameters():  # far from uniform, so that every term has a slope
        parameter.data += 0.3 * torch.randn_like(parameter)
    model.requires_grad_(False).train(False)
    return model


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
    forward, backward = (Reader(SoftReader(network(seed))) for seed in (0, 1))
    return Energy(forward, backward, group, torch.tensor(WORDS), settings)


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
        log_probs = network(0).network(text).logits[0, :-1].log_softmax(-1)
        picked = log_probs.gather(1, text[0, 1:, None])[:, 0]
        behind = len(left) + len(middle) - 1
        assert float(terms.ahead[row]) == pytest.approx(-float(picked[behind:].mean()), abs=1e-9)
        # the fluency terms: cross-entropy of the model's distribution to q, near 400 nats wherever
        # the model's mass is not on the chosen word
        of_words = network(0).network(text).logits[0, len(left) - 1 : behind][:, WORDS].softmax(-1)
        back = torch.tensor([[0, *right[::-1], *middle[::-1]]])
        reverse = network(1).network(back).logits[0, len(right) : -1][:, WORDS].softmax(-1).flip(0)
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


def test_langevin_draws_its_noise_on_the_cpu_whatever_the_device() -> None:
    """A row asks the same numbers of its stream on a device of which a CPU has no generator."""
    settings = ColdSettings(iterations=3, noise=(1.0,), noise_from=(0,))
    left = []
    for device in ("cpu", "meta"):
        streams = [torch.Generator().manual_seed(i) for i in range(2)]
        y = langevin(torch.zeros(2, 3, 5, device=device), torch.zeros_like, settings, streams)
        assert y.device.type == device
        left.append([torch.rand(4, generator=stream) for stream in streams])
    assert all(torch.equal(*pair) for pair in zip(*left, strict=True))


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
        plain = network(0).body(text).last_hidden_state[0]
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
            after_ = model.network(text).logits[0, -1][WORDS]
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
        plain = network(0).network(torch.tensor([text])).logits[0, -1][WORDS]
        assert torch.allclose(y[1, n], plain, atol=1e-12)
        text.append(WORDS[int(plain.argmax())])
