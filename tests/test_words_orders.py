"""Orders in which masked words are decided: how many in each step, and the law that they draw from
with a network that knows the answer, by enumeration."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from word_nets import (
    AGREEING,
    SKEWED,
    Knows,
    Says,
    apart,
    assert_drawn,
    distance,
    frequencies,
    sampled,
    texts,
)

from models.d3pm import D3PMAbsorbing
from models.maskgit import MaskGIT, left
from models.mdlm import MDLM
from models.remdm import ReMDM, chances
from models.sedd import SEDDAbsorbing

ROWS = 4000
FLAT = torch.full((3,), 1 / 3, dtype=torch.float64)


def drawn(method: Any, joint: Tensor = SKEWED, **settings: Any) -> Tensor:
    """How often each text is drawn; a mask that is left is an error."""
    x, _ = sampled(method, Knows(joint), ROWS, **settings)
    return frequencies(x, joint)


@pytest.mark.parametrize(
    ("settings", "joint"),
    [
        ({"sampler": "first_hitting"}, SKEWED),
        ({"sampler": "first_hitting"}, AGREEING),
        ({"sampler": "left_to_right"}, SKEWED),
        ({"sampler": "semi_autoregressive", "block": 1}, SKEWED),
        ({"sampler": "semi_autoregressive", "block": 8}, SKEWED),
    ],
)
def test_one_word_a_step_draws_the_texts_as_they_are(settings: Any, joint: Tensor) -> None:
    assert_drawn(drawn(MDLM, joint, **settings), joint)


@pytest.mark.parametrize("sampler", ["first_hitting", "left_to_right", "semi_autoregressive"])
def test_two_words_in_one_step_are_drawn_apart(sampler: str) -> None:
    assert_drawn(drawn(MDLM, sampler=sampler, steps=1), apart(SKEWED))


@pytest.mark.parametrize("method", [MDLM, SEDDAbsorbing, D3PMAbsorbing])
@pytest.mark.parametrize("steps", [1, 4])
def test_ancestral_steps_are_wrong_by_one_over_their_number(method: Any, steps: int) -> None:
    """Both words share a step with chance 1 / T, and are then drawn apart."""
    settings: dict[str, Any] = {"sampler": "ancestral"} if method is MDLM else {}
    for joint in (SKEWED, AGREEING):
        law = apart(joint) / steps + joint * (1 - 1 / steps)
        assert_drawn(drawn(method, joint, steps=steps, **settings), law)
    assert distance(law, AGREEING) == pytest.approx(0.3 / steps, abs=1e-9)


def test_how_many_are_left() -> None:
    def falls(words: int, steps: int, schedule: str) -> list[int]:
        return [int(left(torch.tensor([words]), i, steps, schedule)) for i in range(1, steps + 1)]

    assert falls(48, 8, "cosine") == [47, 44, 39, 33, 26, 18, 9, 0]
    assert falls(48, 12, "cosine") == [47, 46, 44, 41, 38, 33, 29, 24, 18, 12, 6, 0]
    assert falls(48, 8, "linear") == [42, 36, 30, 24, 18, 12, 6, 0]
    # by integers: floating point would leave 7 of 48 after 10 of 12
    assert falls(48, 12, "linear")[9] == 8
    assert falls(48, 3, "cosine") == [41, 24, 0]  # cos(pi / 3) is a half


def masks(method: Any, words: int, **settings: Any) -> list[int]:
    """How many masks one text has before each step. The network reads it where it has some and is
    not as it was before."""
    states: list[Tensor] = []
    net = Says(FLAT, length=words)
    _, reading = sampled(method, net, 1, watch=states.append, **settings)
    seen = [int((state == net.words - 1).sum()) for state in states]
    changed = [True, *(not torch.equal(a, b) for a, b in itertools.pairwise(states))]
    asked = sum(new and left > 0 for new, left in zip(changed, seen, strict=True))
    assert reading.evaluations.tolist() == [asked]
    return seen


def test_as_many_are_masked_as_an_order_says() -> None:
    for order in ("maskgit", "margin", "entropy"):
        assert masks(MaskGIT, 48, steps=8, order=order) == [48, 47, 44, 39, 33, 26, 18, 9]
    wanted = [48, 42, 36, 30, 24, 18, 12, 6]
    assert masks(MaskGIT, 48, steps=8, order="mask_predict", schedule="linear") == wanted
    # one word at least is decided in a step, and one is left for the next
    assert masks(MaskGIT, 3, steps=8)[:4] == [3, 2, 1, 0]
    assert masks(MaskGIT, 6, steps=4, schedule="linear") == [6, 4, 3, 1]
    assert masks(MaskGIT, 2, steps=4, order="mask_predict") == [2, 1, 1, 1]
    assert masks(MDLM, 10, steps=4) == [10, 7, 5, 2]
    assert masks(MDLM, 3, steps=64) == [3, 2, 1]


@pytest.mark.parametrize(("steps", "calls"), [(8, 7.99), (16, 15.28), (48, 30.53), (128, 40.16)])
def test_a_step_that_changes_nothing_costs_nothing(steps: int, calls: float) -> None:
    """T (1 - (1 - 1/T)^L) calls of the network in T ancestral steps over L = 48 words."""
    assert steps * (1 - (1 - 1 / steps) ** 48) == pytest.approx(calls, abs=0.006)
    net = Says(FLAT, length=48)
    _, reading = sampled(MDLM, net, 150, sampler="ancestral", steps=steps)
    spread = float(reading.evaluations.std()) / 150**0.5
    assert float(reading.evaluations.mean()) == pytest.approx(calls, abs=4 * spread + 0.02)


def surest_first(joint: Tensor) -> Tensor:
    """The law of two steps that keep the word that is surer, of words drawn apart."""
    first, second = joint.sum(1), joint.sum(0)
    law = torch.zeros_like(joint)
    for a, b in itertools.product(range(len(joint)), repeat=2):
        chance = first[a] * second[b]
        if not chance:
            continue
        if first[a] > second[b]:
            law[a] += chance * joint[a] / first[a]
        else:
            law[:, b] += chance * joint[:, b] / second[b]
    return law


def test_confidence_is_biased_as_it_must_be() -> None:
    """One step draws words apart. Of two, keeping the surer word favours likely words; where the
    position is chosen by what the words may be, and not by the word drawn, nothing is favoured."""
    assert_drawn(drawn(MaskGIT, steps=1), apart(SKEWED))
    law = surest_first(SKEWED)
    assert distance(law, SKEWED) > 0.02
    assert_drawn(drawn(MaskGIT, steps=2, noise=0.0), law)
    assert_drawn(drawn(MaskGIT, steps=2, order="mask_predict", schedule="linear"), law)
    for order in ("margin", "entropy"):
        assert_drawn(drawn(MaskGIT, steps=2, order=order), SKEWED)
    # with noise that drowns confidence the order is random; of equal words it is exact anyway
    assert_drawn(drawn(MaskGIT, steps=2, noise=1e6), SKEWED)
    assert_drawn(drawn(MaskGIT, AGREEING, steps=2, noise=0.0), AGREEING)


def test_the_least_sure_words_are_masked_again() -> None:
    """Mask-Predict may change a word that it had kept, which the others never do."""
    kept, again = [], []
    for order, found in (("maskgit", kept), ("mask_predict", again)):
        states: list[Tensor] = []
        net = Knows(SKEWED)
        sampled(
            MaskGIT, net, 200, order=order, schedule="linear", steps=4, watch=states.append, seed=1
        )
        mask = net.words - 1
        for before, after in itertools.pairwise(states):
            found.append(int(((before != mask) & (after == mask)).sum()))
    assert sum(kept) == 0 and sum(again) > 0


def test_words_are_masked_again_so_that_marginals_are_kept() -> None:
    """alpha from .5 to .6 with sigma .1, which is an eighth of the largest, .4 / .5."""
    assert chances(0.5, 0.6, 0.125) == pytest.approx((0.3, 0.1))
    assert chances(0.5, 0.6, 0.0) == pytest.approx((0.2, 0.0))
    for now, before, eta in itertools.product((0.0, 0.2, 0.5, 0.9), (0.3, 0.6, 1.0), (0, 0.3, 1)):
        if now < before:
            up, down = chances(now, before, eta)
            assert 0 <= up <= 1 and 0 <= down <= 1
            assert now * (1 - down) + (1 - now) * up == pytest.approx(before)
    assert chances(0.9, 1.0, 1.0) == (1.0, 0.0)


def remasked_law(joint: Tensor, steps: int, eta: float) -> tuple[Tensor, list[float]]:
    """The law of two words, and the chance that one is masked at each level, by enumeration; the
    last state of a position is the mask."""
    net, count = Knows(joint), len(joint)
    every = torch.tensor([*net.known.tolist(), net.words - 1])
    pairs = torch.cartesian_prod(torch.arange(count + 1), torch.arange(count + 1))
    ids = torch.cat([torch.zeros(len(pairs), 1), every[pairs], torch.ones(len(pairs), 1)], 1).long()
    said = net(ids)[:, 1:3][..., net.known].exp().nan_to_num(0.0)
    law = torch.zeros(len(pairs), dtype=torch.float64)
    law[-1] = 1.0
    masked = []
    for t in reversed(range(steps)):
        up, down = chances(1 - (t + 1) / steps, 1 - t / steps, eta)
        step = torch.zeros(len(pairs), 2, count + 1, dtype=torch.float64)
        for s, place in itertools.product(range(len(pairs)), range(2)):
            here = int(pairs[s, place])
            if here == count:
                step[s, place, :count], step[s, place, count] = up * said[s, place], 1 - up
            else:
                step[s, place, here], step[s, place, count] = 1 - down, down
        law = law @ (step[:, 0, :, None] * step[:, 1, None, :]).flatten(1)
        masked.append(float(law.view(count + 1, -1)[count].sum()))
    return law.view(count + 1, -1)[:count, :count], masked


@pytest.mark.parametrize(("eta", "steps"), [(0.0, 4), (0.5, 4), (1.0, 3)])
def test_remasking_by_enumeration(eta: float, steps: int) -> None:
    """Words are masked as often as without it, at every level, and marginals are the data's; with
    none it is ancestral sampling."""
    law, masked = remasked_law(SKEWED, steps, eta)
    assert masked == pytest.approx([t / steps for t in reversed(range(steps))])
    if eta == 0:
        torch.testing.assert_close(law, apart(SKEWED) / steps + SKEWED * (1 - 1 / steps))
    torch.testing.assert_close(law.sum(), torch.ones(()).double())
    assert_drawn(drawn(ReMDM, eta=eta, steps=steps), law)


MASKING = [
    (MDLM, {"sampler": name, "steps": 6})
    for name in ("first_hitting", "ancestral", "left_to_right", "semi_autoregressive")
] + [
    (MaskGIT, {"order": name, "steps": 3}) for name in ("maskgit", "margin", "entropy")
] + [
    (MaskGIT, {"order": "mask_predict", "steps": 5}), (ReMDM, {"eta": 1.0, "steps": 6}),
    (SEDDAbsorbing, {"steps": 3}), (D3PMAbsorbing, {"steps": 3}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "settings"), MASKING)
def test_a_pinned_word_never_moves_and_the_other_follows_it(method: Any, settings: Any) -> None:
    """In every state that the network reads, bit for bit; the free word has its conditional law."""
    word = int(texts(SKEWED)[0][5, 1])  # the second of the words
    for place in (0, 1):
        pins: list[int | None] = [None, None]
        pins[place] = word
        states: list[Tensor] = []
        x, _ = sampled(method, Knows(SKEWED), ROWS, pinned=pins, watch=states.append, **settings)
        assert all(bool((state[:, 1 + place] == word).all()) for state in [*states, x])
        law = torch.zeros_like(SKEWED)
        here = [slice(None), slice(None)]
        here[place] = 1  # type: ignore[call-overload]
        law[tuple(here)] = SKEWED[tuple(here)] / SKEWED[tuple(here)].sum()
        assert_drawn(frequencies(x, SKEWED), law)


@pytest.mark.parametrize(("method", "settings"), MASKING)
@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_no_mask_is_ever_left(method: Any, settings: Any, steps: int) -> None:
    for words in (1, 2, 5):
        net = Says(FLAT, length=words)
        x, reading = sampled(method, net, 20, **settings | {"steps": steps})
        assert bool(torch.isin(x[:, 1:-1], torch.tensor([4, 5])).all())  # UNK is not said either
        assert bool((reading.evaluations >= 1).all())
        assert bool((reading.evaluations <= steps).all())
