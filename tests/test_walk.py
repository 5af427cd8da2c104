"""The one loop against known answers: words under absorbing, uniform and any other noise, Gaussian
latents, guidance, pinning, self-conditioning."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.gaussian import Gaussian, Normal
from models.diffusion.loop import CHUNK, Noise, normal, uniform, walk
from models.diffusion.pinning import Pins
from models.diffusion.schedule import make_schedule
from models.diffusion.tokens import (
    Categorical,
    Tokens,
    Transitions,
    absorbing,
    linear,
    uniform_tokens,
)

CPU = torch.device("cpu")
#: two positions that are independent of each other, four words
DATA = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4]], dtype=torch.float64)
WORDS, MASK, ROWS, STEPS = 4, 4, 6000, 10


def drawn(rows: int = ROWS, seed: int = 0):  # type: ignore[no-untyped-def]
    """One uniform a position, from one stream, as many times as it is asked."""
    rng = torch.Generator().manual_seed(seed)
    return lambda: uniform((rows, 2), rng)


def posterior(process: Tokens, ids: int):  # type: ignore[no-untyped-def]
    """The exact log p(x_0 | x_t) of ``DATA``, by Bayes' rule from the process's own noise."""
    data = torch.cat([DATA, torch.zeros(2, ids - WORDS, dtype=torch.float64)], 1)

    def estimate(x: Tensor, t: int, previous: Tensor | None) -> Tensor:
        every = torch.arange(ids)[None].expand(len(x), -1)
        noised = process.noised(every, torch.full((len(x),), t))  # (B, x_0, x_t)
        likely = noised.gather(2, x[:, None, :].expand(-1, ids, -1)).transpose(1, 2)
        return (data * likely).log()

    return estimate


def rotating(ids: int) -> Tokens:
    """Every word goes on to the next ones in a ring, a transition that no keep rate describes."""
    here = torch.eye(ids, dtype=torch.float64)
    step = 0.6 * here + 0.3 * here.roll(1, 1) + 0.1 * here.roll(2, 1)
    return Transitions("ring", step.expand(40, -1, -1), torch.full((ids,), 1 / ids).double())


PROCESSES = {
    "absorbing": (absorbing(linear(STEPS), WORDS + 1, MASK), WORDS + 1),
    "uniform": (uniform_tokens(linear(STEPS), WORDS), WORDS),
    "cosine": (uniform_tokens([math.cos((t + 1) / 16 * math.pi) ** 2 for t in range(8)], 4), 4),
    "ring": (rotating(WORDS), WORDS),
}


def shares(x: Tensor) -> Tensor:
    """How often each word stands at each position, (L, V)."""
    return torch.stack([torch.bincount(column, minlength=5) / len(x) for column in x.T]).double()


def assert_near(found: Tensor, wanted: Tensor, rows: int = ROWS) -> None:
    """Within three standard errors (and half a count) everywhere."""
    bound = 3 * (wanted * (1 - wanted) / rows).sqrt() + 0.5 / rows
    assert bool(((found[:, : wanted.shape[1]] - wanted).abs() <= bound).all()), (found, wanted)


@pytest.mark.parametrize("name", list(PROCESSES))
def test_words_come_out_as_often_as_in_the_data(name: str) -> None:
    process, ids = PROCESSES[name]
    x = walk(posterior(process, ids), process, drawn(), CPU)
    assert_near(shares(x), DATA)
    assert int((x == MASK).sum()) == 0


@pytest.mark.parametrize("name", list(PROCESSES))
def test_words_are_noised_as_the_process_says(name: str) -> None:
    """``corrupt`` draws from q(x_t | x_0), is the identity at -1, and ends where the prior is."""
    process, _ = PROCESSES[name]
    clean = torch.tensor([2, 0]).expand(ROWS, 2)
    rng = torch.Generator().manual_seed(1)
    for level in (0, process.steps // 2, process.steps - 1):
        levels = torch.full((ROWS,), level)
        found = shares(process.corrupt(clean, levels, uniform((ROWS, 2), rng)))
        assert_near(found, process.noised(clean[:1], levels[:1])[0])
        assert torch.equal(
            process.corrupt(clean, level, uniform((ROWS, 2), torch.Generator().manual_seed(5))),
            process.corrupt(clean, levels, uniform((ROWS, 2), torch.Generator().manual_seed(5))),
        )
    assert torch.equal(process.corrupt(clean, -1, uniform((ROWS, 2), rng)), clean)
    assert process.signal(-1) == 1
    prior = shares(process.prior(uniform((ROWS, 2), rng)))
    assert_near(prior, process.limit.expand(2, -1))


@pytest.mark.parametrize("name", list(PROCESSES))
def test_a_step_is_bayes_rule(name: str) -> None:
    """sum over x_0 of q(x_s | x_t, x_0) p(x_0 | x_t) by enumeration, from q(x_s | x_0), and
    q(x_t | x_s) of two levels of the process."""
    process, ids = PROCESSES[name]
    t = 2  # at levels with less signal the step could not be told from two levels
    every = torch.arange(ids)[:, None]
    now, lower = (
        process.noised(every, torch.full((ids,), level))[:, 0].double() for level in (t, t - 1)
    )
    step = torch.linalg.lstsq(lower, now).solution  # q(x_t | x_s): lower @ step = now
    x = every.T
    data = torch.cat([DATA[0], torch.zeros(ids - WORDS, dtype=torch.float64)])
    estimate = (data[:, None] * now).T[x].log()  # (1, x_t, x_0)
    found = process.move(x, estimate, t).logits.double().softmax(-1)[0]
    for here in range(ids):
        joint = data[:, None] * lower * step[:, here]  # x_0, x_s
        if float(joint.sum()) < 1e-12:
            continue  # this id is never seen at that level
        torch.testing.assert_close(found[here], joint.sum(0) / joint.sum(), atol=1e-9, rtol=1e-6)


def test_transitions_of_uniform_noise_are_uniform_noise() -> None:
    keep = linear(STEPS)
    ratios = [b / a for a, b in zip([1.0, *keep[:-1]], keep, strict=True)]
    eye, flat = torch.eye(WORDS).double(), torch.full((WORDS, WORDS), 1 / WORDS).double()
    matrices = torch.stack([r * eye + (1 - r) * flat for r in ratios])
    general = Transitions("uniform", matrices, flat[0])
    special = uniform_tokens(keep, WORDS)
    found = [
        walk(posterior(process, WORDS), process, drawn(500), CPU) for process in (general, special)
    ]
    assert torch.equal(*found)


def test_a_word_that_is_there_stays_under_absorbing_noise() -> None:
    """Whatever the network says of it."""
    process = absorbing(linear(STEPS), WORDS + 1, MASK)
    x = torch.tensor([[2, MASK]])
    wrong = torch.tensor([[[0.0, -torch.inf, -torch.inf, -torch.inf, -torch.inf]] * 2])
    moved = process.move(x, wrong, 4).logits.softmax(-1)[0]
    assert moved[0].tolist() == [0, 0, 1, 0, 0]
    # of ten words in ten steps, of which five are masked, one more is told at each step
    assert moved[1].tolist() == pytest.approx([0.2, 0, 0, 0, 0.8])


def test_pinned_words_stay_and_the_others_follow_the_data() -> None:
    process, ids = PROCESSES["absorbing"]
    clean, fixed = torch.tensor([[3, 0]]), torch.tensor([[True, False]])
    seen: list[Tensor] = []
    inner = posterior(process, ids)

    def estimate(x: Tensor, t: int, previous: Tensor | None) -> Tensor:
        seen.append(x)
        return inner(x, t, previous)

    x = walk(estimate, process, drawn(), CPU, pin=Pins(clean, fixed, process))
    assert len(seen) == STEPS and all(bool((state[:, 0] == 3).all()) for state in [*seen, x])
    assert_near(shares(x)[1:], DATA[1:])


def test_pins_may_be_noised_at_their_level() -> None:
    process, ids = PROCESSES["absorbing"]
    clean, fixed = torch.full((ROWS, 2), 3), torch.tensor([[True, False]])
    masked: dict[int, float] = {}
    inner = posterior(process, ids)

    def estimate(x: Tensor, t: int, previous: Tensor | None) -> Tensor:
        masked[t] = float((x[:, 0] == MASK).double().mean())
        return inner(x, t, previous)

    pin = Pins(clean, fixed, process, drawn(seed=3))
    x = walk(estimate, process, drawn(), CPU, pin=pin)
    assert bool((x[:, 0] == 3).all())
    for t, share in masked.items():
        wanted = (t + 1) / STEPS
        assert abs(share - wanted) <= 3 * math.sqrt(wanted * (1 - wanted) / ROWS)


def test_the_estimate_before_is_handed_back() -> None:
    """As the network gave it, not as it was projected; None at the first step."""
    told: list[float | None] = []

    def estimate(x: Tensor, t: int, previous: Tensor | None) -> Tensor:
        told.append(None if previous is None else float(previous[0, 0, 0]))
        return torch.full_like(x, t)

    process = Gaussian(make_schedule("sqrt", 5))
    noise = Noise([torch.Generator()], (2, 3))
    out = walk(estimate, process, noise, CPU, project=lambda x: x + 100)
    assert told == [None, 4, 3, 2, 1] and bool((out == 100).all())


def test_hooks_are_called_in_order_with_their_levels() -> None:
    calls: list[tuple[str, int]] = []

    def bend(move: Normal, x: Tensor, s: int) -> Normal:
        calls.append(("bend", s))
        return Normal(move.mean + 10, 0.0)

    def correct(x: Tensor, move: Normal, s: int) -> Tensor:
        assert torch.equal(x, move.mean)
        calls.append(("correct", s))
        return x + 1

    def pin(x: Tensor, s: int) -> Tensor:
        calls.append(("pin", s))
        return x

    x = walk(
        lambda x, t, previous: torch.zeros_like(x),
        Gaussian(make_schedule("sqrt", 2)),
        Noise([torch.Generator()], (1, 1)),
        CPU,
        bend=bend,
        correct=correct,
        pin=pin,
        on_step=lambda t: calls.append(("step", t)),
    )
    assert float(x) == 11
    assert calls == [
        ("pin", 1),
        ("bend", 0), ("correct", 0), ("pin", 0), ("step", 1),
        ("bend", -1), ("correct", -1), ("pin", -1), ("step", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(("steps", "draws"), [(5, 5), (CHUNK, CHUNK), (CHUNK + 1, CHUNK + 1)])
def test_the_last_step_of_latents_draws_no_noise(steps: int, draws: int) -> None:
    calls = 0

    def noise() -> Tensor:
        nonlocal calls
        calls += 1
        return torch.zeros(1, 2, 3)

    walk(lambda x, t, previous: x, Gaussian(make_schedule("sqrt", steps)), noise, CPU)
    assert calls == draws


def test_noise_is_drawn_chunk_by_chunk_from_its_own_stream() -> None:
    for drawing, shape in ((normal, (3, 2)), (uniform, (4,))):
        noise = Noise([torch.Generator().manual_seed(s) for s in (7, 8)], shape, drawing)
        found = torch.stack([noise() for _ in range(CHUNK + 3)])
        rng = torch.Generator().manual_seed(8)
        wanted = torch.cat([drawing((CHUNK, *shape), rng) for _ in range(2)])[: CHUNK + 3]
        assert torch.equal(found[:, 1], wanted)


def test_latents_are_noised_at_one_level_or_at_each_rows_own() -> None:
    schedule = make_schedule("sqrt", 20)
    process = Gaussian(schedule)
    rng = torch.Generator().manual_seed(0)
    x, noise = (torch.randn(3, 4, 2, generator=rng) for _ in range(2))
    levels = torch.tensor([-1, 0, 19])
    found = process.corrupt(x, levels, noise)
    assert torch.equal(found[0], x[0]) and process.signal(-1) == 1
    for row, level in ((1, 0), (2, 19)):
        a = float(schedule.alpha_bar[level])
        torch.testing.assert_close(found[row], a**0.5 * x[row] + (1 - a) ** 0.5 * noise[row])
        assert torch.equal(process.corrupt(x, level, noise)[row], found[row])


def test_a_classifier_may_read_any_process() -> None:
    """Latents are the embeddings under Gaussian noise, or those of noised words."""
    table = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    ids, levels = torch.tensor([[0, 1], [2, 3]]), torch.tensor([-1, 9])
    for process in (Gaussian(make_schedule("sqrt", 10)), PROCESSES["absorbing"][0]):
        noise = process.noise_for(ids, table, torch.Generator().manual_seed(0))
        again = process.noise_for(ids, table, torch.Generator().manual_seed(0))
        x = process.latents(ids, table, levels, noise)
        assert torch.equal(noise, again) and x.shape == (2, 2, 3)
        assert torch.equal(x[0], table[ids[0]])
        assert not torch.equal(x[1], table[ids[1]])
    assert torch.equal(x[1], table[[MASK, MASK]])


def test_a_categorical_move_draws_by_its_distribution_function() -> None:
    move = Categorical(torch.tensor([[[0.2, 0.5, 0.3]]]).log().expand(1, 4, 3))
    at = torch.tensor([[0.0, 0.1999, 0.2001, 0.9]], dtype=torch.float64)
    assert move.draw(lambda: at).tolist() == [[0, 0, 1, 2]]
    assert F.one_hot(move.draw(lambda: at), 3).sum() == 4
