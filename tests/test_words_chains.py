"""Chains that replace words by words: one step by hand and by enumeration, whole walks by their
transition matrices."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from word_nets import CROOKED, texts

from models.diffusion.tokens import uniform_tokens
from models.diffusion.words.chains import Form, Redraw, Replaced, Uniform, step_cost
from models.diffusion.words.frame import word_ids
from models.diffusion.words.levels import Cosine, LogLinear
from models.sedd import SEDDUniform
from tasks.vocabulary import END, PAD, START

WORDS = word_ids(6)  # three of them
ALPHA = 0.5, 0.6  # from, to


def chain(form: Form, now: float, before: float, rates: list[float] | None = None) -> Uniform:
    """One step from ``now`` to ``before``, at level 1."""
    return Uniform([before, now], WORDS, form, rates)


def rows(process: Uniform, estimate: Tensor) -> Tensor:
    """The step's probabilities (x_t, x_s) of one word each; ``estimate`` (W,) or (x_t, W)."""
    said = torch.full((3, 1, 6), -torch.inf, dtype=torch.float64)
    said[:, 0, WORDS] = estimate.log().expand(3, -1)
    moved = process.move(WORDS[:, None], said, 1).logits.softmax(-1)[:, 0]
    assert float(moved.sum()) == pytest.approx(3)
    out = moved[:, WORDS]
    torch.testing.assert_close(out.sum(1), torch.ones(3).double())
    return out


def test_the_posterior_by_hand() -> None:
    """alpha_t = .5, alpha_s = .8, three words: of a known word, plug-in and mixture."""
    known = torch.tensor([1.0, 0, 0], dtype=torch.float64)
    said = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    for form in ("plug_in", "mixture"):
        found = rows(chain(form, 0.5, 0.8), known)  # type: ignore[arg-type]
        assert found[1].tolist() == pytest.approx([0.65, 0.30, 0.05], abs=1e-6)
        assert found[0].tolist() == pytest.approx([0.975, 0.0125, 0.0125], abs=1e-6)
    plug_in, mixture = (
        rows(chain(form, 0.5, 0.8), said)[1].tolist()  # type: ignore[arg-type]
        for form in ("plug_in", "mixture")
    )
    assert plug_in == pytest.approx([0.184211, 0.726316, 0.089474], abs=1e-6)
    assert mixture == pytest.approx([0.338750, 0.502500, 0.158750], abs=1e-6)


ONE = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
TWEEDIE = [[0.951971, 0.027240, 0.020789], [0.115278, 0.844444, 0.040278],
           [0.141880, 0.064957, 0.793162]]  # fmt: skip
EULER = [[0.937634, 0.034409, 0.027957], [0.129167, 0.816667, 0.054167],
         [0.158974, 0.082051, 0.758974]]  # fmt: skip


def noised(alpha: float) -> Tensor:
    """q(x_t | x_0), (x_0, x_t)."""
    return alpha * torch.eye(3, dtype=torch.float64) + (1 - alpha) / 3


def exact(data: Tensor, now: float, before: float) -> Tensor:
    """p(x_s | x_t), (x_t, x_s), by Bayes' rule."""
    step = noised(now / before)
    joint = (data @ noised(before))[:, None] * step  # (x_s, x_t)
    return (joint / joint.sum(0)).T


def test_tweedies_step_is_exact_and_eulers_is_not() -> None:
    now, before = ALPHA
    torch.testing.assert_close(
        exact(ONE, now, before), torch.tensor(TWEEDIE).double(), atol=1e-6, rtol=0
    )
    found = rows(chain("plug_in", now, before), ONE)
    torch.testing.assert_close(found, exact(ONE, now, before), atol=1e-9, rtol=0)
    # d sigma / dt is 1 / alpha of alpha = 1 - t, and dt is .1
    euler = chain("euler", now, before, [0.1 / before, 0.1 / now])
    found = rows(euler, ONE)
    torch.testing.assert_close(found, torch.tensor(EULER).double(), atol=1e-6, rtol=0)
    # rows of the truth that change least by the largest rate: halving dt halves the difference
    off = []
    for dt in (0.02, 0.01):
        euler = chain("euler", now, now + dt, [dt / (now + dt), dt / now])
        off.append(float((rows(euler, ONE) - exact(ONE, now, now + dt)).abs().max()) / dt)
    assert off[0] / off[1] == pytest.approx(2, rel=0.1)


def test_the_mixture_of_posteriors_is_the_plug_in_of_one_word() -> None:
    """p(x_0 | x_t) is the plug-in's estimate times what noise makes likely: the same step."""
    now, before = 0.3, 0.7
    posterior = ONE[None] * noised(now).T
    posterior = posterior / posterior.sum(1, keepdim=True)
    mixed = rows(chain("mixture", now, before), posterior)
    torch.testing.assert_close(mixed, exact(ONE, now, before), atol=1e-9, rtol=0)
    # and a wrong pairing is wrong
    assert float((rows(chain("mixture", now, before), ONE) - mixed).abs().max()) > 0.05
    assert float((rows(chain("plug_in", now, before), posterior) - mixed).abs().max()) > 0.05


@pytest.mark.parametrize("clean", [0, 1, 2])
def test_chapman_kolmogorov(clean: int) -> None:
    """sum over x_t of q(x_t | x_0) q(x_s | x_t, x_0) is q(x_s | x_0)."""
    known = F.one_hot(torch.tensor(clean), 3).double()
    for now, before in ((0.5, 0.8), (0.0, 0.4), (0.9, 1.0), (0.3, 0.3)):
        for form in ("plug_in", "mixture"):
            step = rows(chain(form, now, before), known)  # type: ignore[arg-type]
            torch.testing.assert_close(noised(now)[clean] @ step, noised(before)[clean])
    assert torch.equal(rows(chain("plug_in", 0.4, 0.4), known).argmax(1), torch.arange(3))


@pytest.mark.parametrize("grid", [LogLinear(0.0).grid(6), Cosine().grid(5), [0.7, 0.2]])
def test_the_whole_walk_of_one_word_is_its_law(grid: list[float]) -> None:
    """Products of exact steps lead from pure noise to the data; Euler's come near."""
    law = torch.full((3,), 1 / 3, dtype=torch.float64)
    if grid[-1]:  # as it is at the last level
        law = ONE @ noised(grid[-1])
    process = Uniform(grid, WORDS, "plug_in")
    said = torch.full((3, 1, 6), -torch.inf, dtype=torch.float64)
    said[:, 0, WORDS] = ONE.log().expand(3, -1)
    for t in reversed(range(len(grid))):
        law = law @ process.move(WORDS[:, None], said, t).logits.softmax(-1)[:, 0, WORDS]
    torch.testing.assert_close(law, ONE, atol=1e-9, rtol=0)


def test_eulers_walk_comes_near_and_ends_clean() -> None:
    """Its last step is analytic, so that a word that is never said is never left."""
    data = torch.tensor([0.0, 0.7, 0.3], dtype=torch.float64)
    said = torch.full((3, 1, 6), -torch.inf, dtype=torch.float64)
    said[:, 0, WORDS] = data.log().expand(3, -1)
    off = []
    for steps in (4, 16, 64):
        t = torch.arange(1, steps + 1, dtype=torch.float64) / steps
        rates = (LogLinear().rate(t) / steps).tolist()
        process = Uniform(LogLinear().grid(steps), WORDS, "euler", rates)
        law = torch.full((3,), 1 / 3, dtype=torch.float64)
        for level in reversed(range(steps)):
            law = law @ process.move(WORDS[:, None], said, level).logits.softmax(-1)[:, 0, WORDS]
        assert float(law[0]) == 0
        off.append(float((law - data).abs().sum() / 2))
    assert off[0] > off[1] > off[2] and off[2] < 0.01


def test_it_is_interpolating_noise() -> None:
    """The mixture form is the uniform process of every diffusion, over the words alone."""
    grid = [0.8, 0.5, 0.2, 0.0]
    general, special = uniform_tokens(grid, 3), Uniform(grid, torch.arange(3), "mixture")
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(3, (5, 4), generator=rng)
    said = torch.randn(5, 4, 3, generator=rng, dtype=torch.float64).log_softmax(-1)
    for t in range(4):
        ours, theirs = (one.move(x, said, t).logits.softmax(-1) for one in (special, general))
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


def test_what_is_no_word_stays() -> None:
    """The frame is neither noised away by a step, nor offered to guidance."""
    x = torch.tensor([[START, 4, 2, 5, END, PAD]]).expand(50, -1)
    said = torch.zeros(50, 6, 6)
    for process in (
        chain("plug_in", 0.2, 0.5), chain("mixture", 0.2, 0.5),
        chain("euler", 0.2, 0.5, [0.2, 0.4]), Redraw(3, WORDS, 1.0),
    ):  # fmt: skip
        move = process.move(x, said, 1)
        assert move.open[0].tolist() == [False, True, True, True, False, False]
        after = move.draw(lambda: torch.rand(50, 2, 6, dtype=torch.float64))
        assert torch.equal(after[:, [0, 4, 5]], x[:, [0, 4, 5]])
        assert not torch.equal(after, x)


def test_a_share_of_the_words_is_drawn_again() -> None:
    """At first all of them, then a share; the others stay bit for bit."""
    process = Redraw(4, WORDS, 0.3)
    x = torch.full((20_000, 3), 4)
    said = torch.full((20_000, 3, 6), -torch.inf)
    said[..., 5] = 0.0
    rng = torch.Generator().manual_seed(0)
    for t, share in ((3, 1.0), (2, 0.3), (0, 0.3)):
        move = process.move(x, said, t)
        after = move.draw(lambda: torch.rand(20_000, 2, 3, dtype=torch.float64, generator=rng))
        assert bool(((after == 4) | (after == 5)).all())
        assert float((after == 5).double().mean()) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("process", [Redraw(4, WORDS, 0.3), Uniform([0.75, 0.5, 0.25, 0.0], WORDS,
                                                                    "plug_in")])  # fmt: skip
def test_words_are_noised_as_its_levels_say(process: Redraw | Uniform) -> None:
    clean, rng = torch.full((20_000, 2), 4), torch.Generator().manual_seed(0)

    def noise() -> Tensor:
        return torch.rand(20_000, 2, 2, dtype=torch.float64, generator=rng)

    assert torch.equal(process.corrupt(clean, -1, noise()), clean)
    for level in range(4):
        x = process.corrupt(clean, level, noise())
        lost = (level + 1) / 4
        for word, chance in ((4, 1 - lost + lost / 3), (2, lost / 3), (5, lost / 3)):
            assert float((x == word).double().mean()) == pytest.approx(chance, abs=0.01)
    x = process.prior(noise())
    shares = torch.stack([(x == word).double().mean() for word in WORDS])
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3).double(), atol=0.01, rtol=0)
    assert process.time(clean, 3)[0] == (1 if isinstance(process, Uniform) else 0)


def test_scores_tell_the_clean_words() -> None:
    """SEDD's uniform scores are ratios of noised words; what is left without the noise is
    p(x_0 | the others)."""
    ids, _ = texts(CROOKED)
    x = ids[5:6]
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    reader: Any = SimpleNamespace(reader=SimpleNamespace(words=6))
    method = SEDDUniform(reader, None)
    for t in (0.01, 0.3, 0.9):
        alpha = float(LogLinear().alpha(torch.tensor(t)))
        mixed = alpha * p + (1 - alpha) / 3
        logits = torch.zeros(1, 4, 6)
        for l in (1, 2):  # noqa: E741
            own = int((x[0, l] == WORDS).nonzero())
            logits[0, l, WORDS] = (mixed / mixed[own]).log().float()
        said = method.estimate(logits, x, torch.tensor([t])).softmax(-1)
        torch.testing.assert_close(
            said[0, 1:3][:, WORDS].double(), p.expand(2, -1), atol=1e-5, rtol=0
        )


@pytest.mark.parametrize(("now", "before"), [(0.5, 0.8), (0.2, 0.3), (0.0, 0.1), (0.9, 1.0)])
def test_the_cost_of_a_step_is_its_divergence(now: float, before: float) -> None:
    """By enumeration from the step's own rows."""
    said = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    alphas = [torch.tensor([[a]], dtype=torch.float64) for a in (now, before)]
    plug_in = rows(chain("plug_in", now, before), said)
    for clean, x in itertools.product(range(3), range(3)):
        known = rows(chain("plug_in", now, before), F.one_hot(torch.tensor(clean), 3).double())[x]
        wanted = float((torch.special.xlogy(known, known / plug_in[x])).sum())
        found = step_cost(said.log()[None, None], torch.tensor([[clean]]), torch.tensor([[x]]),
                          *alphas)  # fmt: skip
        assert float(found) == pytest.approx(wanted, abs=1e-9)


def test_a_move_names_what_it_may_change() -> None:
    open = torch.tensor([[False, True]])
    move = Replaced(torch.zeros(1, 2, 6), torch.tensor([[0, 4]]), open, 0.0)
    assert move.draw(lambda: torch.zeros(1, 2, 2).double()).tolist() == [[0, 0]]
