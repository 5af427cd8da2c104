"""Guidance of words against enumeration: exact over candidates, and to first order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from word_nets import (
    AGREEING,
    SKEWED,
    Knows,
    assert_drawn,
    chain_law,
    distance,
    frequencies,
    ids_of,
    sampled,
)

from models.diffusion.loop import uniform
from models.diffusion.words.config import WordGuidanceConfig
from models.diffusion.words.frame import word_ids
from models.diffusion.words.guide import Candidates, FirstOrder, Guides
from models.maskgit import MaskGIT
from models.mdlm import MDLM
from models.remdm import ReMDM
from models.sundae import Sundae
from models.udlm import UDLM

ROWS = 4000


class Exact:
    """log p(y | text with masks) of texts of two words whose law is ``joint`` and of whose words
    ``given`` (W, W) says how likely y is: what a classifier of masked texts learns."""

    def __init__(self, joint: Tensor, given: Tensor) -> None:
        self.known, count = word_ids(ids_of(joint)), len(joint)
        self.table = torch.eye(ids_of(joint) + 1, dtype=torch.float64)
        both = joint * given
        # the last word of each is the mask
        whole, met = torch.zeros(2, count + 1, count + 1, dtype=torch.float64)
        for out, table in ((whole, joint), (met, both)):
            out[:count, :count] = table
            out[count, :count], out[:count, count] = table.sum(0), table.sum(1)
            out[count, count] = table.sum()
        # a text that never comes says nothing
        self.log_p = torch.where(whole > 0, met / whole.clamp(min=1e-30), 1e-30)
        self.log_p = self.log_p.clamp(min=1e-30).log()
        self.places = torch.zeros(ids_of(joint) + 1, dtype=torch.long)
        self.places[self.known] = torch.arange(count)
        self.places[-1] = count

    def take(self, rows: Tensor) -> Exact:
        return self

    def __call__(self, x: Tensor, s: Tensor) -> Tensor:
        at = self.places[x.argmax(-1)]
        return self.log_p[at[:, 1], at[:, 2]]


class Affine(NamedTuple):
    """A sum over positions of what each word adds (L, V + 1)."""

    adds: Tensor

    @property
    def table(self) -> Tensor:
        return torch.eye(self.adds.shape[1], dtype=torch.float64)

    def take(self, rows: Tensor) -> Affine:
        return self

    def __call__(self, x: Tensor, s: Tensor) -> Tensor:
        return (x * self.adds).sum((1, 2))


def same(joint: Tensor) -> Tensor:
    """y: the two words are the same."""
    return torch.eye(len(joint), dtype=torch.float64)


def of_first(joint: Tensor, chances: list[float]) -> Tensor:
    """y depends on the first word."""
    return torch.tensor(chances).double()[:, None].expand(joint.shape)


def guided(
    method: Any, net: Knows, parts: list[tuple[Any, float]], kind: str = "exact", rows: int = ROWS,
    seed: int = 0, candidates: int = 100, proposals: Any = "likely", **settings: Any,
) -> tuple[Tensor, Guides]:  # fmt: skip
    """How often each text is drawn, and the guides."""
    guides = Guides(parts, rows, net.positions)
    rng = torch.Generator().manual_seed(seed + 1)
    config = WordGuidanceConfig(candidates=candidates, proposals=proposals)

    def hooks(process: Any) -> dict[str, Any]:
        if kind == "first":
            return {"bend": FirstOrder(guides)}
        noise = lambda: uniform((rows, 2, net.positions), rng)  # noqa: E731
        return {"correct": Candidates(guides, config, noise)}

    x, _ = sampled(method, net, rows, hooks=hooks, seed=seed, **settings)
    return frequencies(x, net.joint), guides


def tilted(joint: Tensor, given: Tensor) -> Tensor:
    """p(x | y)."""
    return joint * given / (joint * given).sum()


@pytest.mark.parametrize("sampler", ["first_hitting", "left_to_right"])
def test_exact_candidates_are_bayes_rule(sampler: str) -> None:
    """One word a step, all words proposed, weight 1, a consistent classifier: p(x | y)."""
    found, _ = guided(MDLM, Knows(AGREEING), [(Exact(AGREEING, same(AGREEING)), 1.0)],
                      sampler=sampler)  # fmt: skip
    law = tilted(AGREEING, same(AGREEING))
    assert law[1, 1] == law[2, 2] == 0.5
    assert_drawn(found, law)
    given = torch.tensor([[0, 0, 0, 0], [0, 0.9, 0.2, 0.5], [0, 0.3, 0.6, 0.1], [0, 0.5, 0.2, 1]])
    exact = Exact(SKEWED, given.double())
    found, _ = guided(MDLM, Knows(SKEWED), [(exact, 1.0)], sampler=sampler)
    assert_drawn(found, tilted(SKEWED, given.double()))


def test_the_chance_to_unmask_is_untouched() -> None:
    """A consistent classifier's mean over the words is 1: sum of p(v | z) p(y | z with v) is
    p(y | z)."""
    given = torch.rand(4, 4, generator=torch.Generator().manual_seed(0)).double()
    exact, net = Exact(SKEWED, given), Knows(SKEWED)
    mask = net.words - 1
    for z in ([0, mask, mask, 1], [0, 4, mask, 1], [0, mask, 6, 1]):
        text = torch.tensor([z])
        p = net(text)[0].exp()
        for place in (1, 2):
            if z[place] != mask:
                continue
            variants = text.repeat(4, 1)
            variants[:, place] = net.known
            s = torch.zeros(4)
            ratio = (exact(exact.table[variants], s) - exact(exact.table[text], s)).exp()
            assert float((p[place, net.known] * ratio).sum()) == pytest.approx(1, abs=1e-9)


def test_composed_controls_give_the_product() -> None:
    """Two words apart from each other, an attribute of each: the sum of the logs is exact."""
    joint = SKEWED.sum(1)[:, None] * SKEWED.sum(0)
    first = of_first(joint, [0.0, 0.9, 0.5, 0.1])
    second = of_first(joint, [0.0, 0.2, 0.7, 0.4]).T
    parts = [(Exact(joint, first), 1.0), (Exact(joint, second), 1.0)]
    for sampler in ("first_hitting", "ancestral"):
        found, _ = guided(MDLM, Knows(joint), parts, sampler=sampler, steps=3)  # type: ignore[arg-type]
        assert_drawn(found, tilted(joint, first * second))
    # a weight is an exponent
    found, _ = guided(MDLM, Knows(joint), [(Exact(joint, first), 3.0)])
    assert_drawn(found, tilted(joint, first**3))


@pytest.mark.parametrize("proposals", ["likely", "hybrid", "drawn"])
def test_a_weight_of_nothing_leaves_the_law_alone(proposals: str) -> None:
    adds = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)).double()
    found, _ = guided(MDLM, Knows(SKEWED), [(Affine(adds), 0.0)], proposals=proposals)
    assert_drawn(found, SKEWED)


def test_first_order_of_nothing_is_bit_for_bit_unguided() -> None:
    adds = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)).double()
    found, _ = guided(MDLM, Knows(SKEWED), [(Affine(adds), 0.0)], kind="first", rows=300)
    plain, _ = sampled(MDLM, Knows(SKEWED), 300)
    assert torch.equal(found, frequencies(plain, SKEWED))


@pytest.mark.parametrize(
    ("method", "settings"),
    [(UDLM, {}), (Sundae, {}), (ReMDM, {"eta": 0.5}), (MDLM, {"sampler": "ancestral"})],
)
def test_what_every_word_pleases_alike_changes_nothing(method: Any, settings: Any) -> None:
    """A constant classifier leaves the law of every chain as it is: that a word changes is decided
    before, and it is drawn among the others."""
    of: Any = "others" if method in (UDLM, Sundae) else "masked"
    net = Knows(SKEWED, of)
    if method is Sundae:
        net.alpha, net.time = (lambda t: torch.full_like(t, 0.98)), None
    constant = Affine(torch.zeros(4, 8).double())
    found, _ = guided(method, net, [(constant, 1.0)], steps=6, **settings)
    if of == "others":
        assert_drawn(found, chain_law(method, net, steps=6))
    else:
        plain, _ = sampled(method, Knows(SKEWED), ROWS, seed=5, steps=6, **settings)
        both = frequencies(plain, SKEWED) + found
        assert_drawn(found, both / both.sum())


def test_first_order_is_exact_where_the_guide_is_affine() -> None:
    """The table of gains, and the law that is drawn."""
    generator = torch.Generator().manual_seed(0)
    adds = torch.randn(4, 8, generator=generator).double()
    guides = Guides([(Affine(adds), 0.7), (Affine(adds.flip(0)), 1.3)], 3, 4)
    x = torch.randint(4, 8, (3, 4), generator=generator)
    rows, places = torch.ones(3, 4).nonzero(as_tuple=True)
    found = guides.first_order(x, rows, places, 7, torch.zeros(3))
    now = guides.log_prob(x, torch.arange(3), torch.zeros(3))
    for i, (row, place) in enumerate(zip(rows.tolist(), places.tolist(), strict=True)):
        variants = x[row].repeat(7, 1)
        variants[:, place] = torch.arange(7)
        gain = guides.log_prob(variants, torch.full((7,), row), torch.zeros(7)) - now[row]
        torch.testing.assert_close(found[i].double(), gain, atol=1e-5, rtol=0)
    words = adds.clone()
    words[:, 7] = 0.0
    joint = SKEWED.sum(1)[:, None] * SKEWED.sum(0)
    known = word_ids(7)
    tilt = words[1, known].exp()[:, None] * words[2, known].exp()
    for kind in ("first", "exact"):
        found, _ = guided(MDLM, Knows(joint), [(Affine(words), 1.0)], kind=kind)
        assert_drawn(found, tilted(joint, tilt))


def test_draws_as_candidates_tend_to_the_same() -> None:
    """Weighed by p(y | text) alone; of one draw nothing is chosen."""
    exact = Exact(SKEWED, same(SKEWED))
    law = tilted(SKEWED, same(SKEWED))
    off = []
    for candidates in (1, 2, 100):
        found, _ = guided(MDLM, Knows(SKEWED), [(exact, 1.0)], candidates=candidates,
                          proposals="drawn", rows=2000)  # fmt: skip
        off.append(distance(found / found.sum(), law))
    assert off[0] > 0.25 and off[0] > off[1] and off[2] < 0.03
    single, _ = guided(MDLM, Knows(SKEWED), [(exact, 1.0)], candidates=1, proposals="drawn")
    assert_drawn(single, SKEWED)


def test_proposals_are_distinct_and_hold_the_likeliest() -> None:
    adds = torch.zeros(4, 8).double()
    adds[:, 6] = 50.0  # the control asks for the last word, which is hardly likely
    logits = torch.tensor([[-torch.inf, -torch.inf, -torch.inf, -torch.inf, 2.0, 1.0, -9.0]])
    move: Any = SimpleNamespace(x=torch.tensor([[0, 7, 7, 1]]), noise=torch.zeros(1))
    at = torch.tensor([0]), torch.tensor([1])
    u = torch.tensor([0.5]).double()

    def proposed(kind: Any, many: int) -> list[int]:
        guides = Guides([(Affine(adds), 1.0)], 1, 4)
        config = WordGuidanceConfig(candidates=many, proposals=kind)
        made = Candidates(guides, config, lambda: torch.zeros(1, 2, 4))
        return made._proposals(move, *at, logits, u)[0].tolist()

    assert proposed("likely", 2) == [4, 5] and proposed("hybrid", 2) == [4, 6]
    assert sorted(proposed("hybrid", 3)) == [4, 5, 6]
    # of more than there are, none comes twice
    assert [word for word in proposed("hybrid", 7) if word > 3] == [4, 5, 6]
    # in proportion: of ten draws seven or eight are the word of chance .73
    draws = proposed("drawn", 10)
    assert draws.count(4) in (7, 8) and draws.count(5) in (2, 3) and len(draws) == 10


def test_evaluations_are_counted_row_by_row() -> None:
    exact = Exact(SKEWED, same(SKEWED))
    parts: Any = [(exact, 1.0), (exact, 1.0)]
    _, guides = guided(MDLM, Knows(SKEWED), parts, candidates=3, rows=5)
    # two words, three candidates each, two classifiers
    assert guides.evaluations.tolist() == [12.0] * 5
    adds = torch.zeros(4, 8).double()
    _, guides = guided(MDLM, Knows(SKEWED), [(Affine(adds), 1.0)], candidates=4,
                       proposals="hybrid", rows=5)  # fmt: skip
    assert guides.evaluations.tolist() == [10.0] * 5  # and a gradient for each word
    _, guides = guided(MDLM, Knows(SKEWED), [(Affine(adds), 1.0)], kind="first", rows=5, steps=64)
    assert guides.evaluations.tolist() == [2.0] * 5
    _, guides = guided(MaskGIT, Knows(SKEWED), [(Affine(adds), 1.0)], kind="first", rows=5,
                       steps=30)  # fmt: skip
    assert guides.evaluations.tolist() == [2.0] * 5  # nothing is asked of a text that is done
    net = Knows(SKEWED, "others")
    _, guides = guided(UDLM, net, [(Affine(adds), 1.0)], kind="first", rows=5, steps=7)
    assert guides.evaluations.tolist() == [7.0] * 5


def test_the_frame_is_never_guided() -> None:
    """A chain that replaces words offers the guide nothing but words."""
    seen: list[Tensor] = []

    class Spy(Exact):
        def __call__(self, x: Tensor, s: Tensor) -> Tensor:
            seen.append(x.argmax(-1))
            return super().__call__(x, s)

    guided(UDLM, Knows(SKEWED, "others"), [(Spy(SKEWED, same(SKEWED)), 1.0)], steps=5, rows=50)
    texts = torch.cat(seen)
    assert bool((texts[:, 0] == 0).all()) and bool((texts[:, 3] == 1).all())
