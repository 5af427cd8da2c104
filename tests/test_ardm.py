"""Any-order decoding on a budget: the dynamic programme against every schedule."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from word_nets import (
    AGREEING,
    CPU,
    SKEWED,
    WORDS,
    Knows,
    apart,
    assert_drawn,
    frequencies,
    fresh,
    objective,
    sampled,
)

from eval.running.command import parse
from eval.running.plan import Plan
from models.ardm import ARDM, ARDMSettings, at_counts, budget
from models.diffusion.words.config import WordsConfig
from models.diffusion.words.losses import measured
from models.diffusion.words.masked import Bound
from tasks import load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import Length


def schedules(words: int, steps: int) -> list[tuple[int, ...]]:
    """Every way to decide so many words in so many steps."""
    cuts = itertools.combinations(range(1, words), steps - 1)
    return [tuple(b - a for a, b in itertools.pairwise((0, *cut, words))) for cut in cuts]


def cost(losses: list[float], sizes: tuple[int, ...]) -> float:
    starts = [0, *itertools.accumulate(sizes)]
    return sum(size * losses[a] for a, size in zip(starts, sizes, strict=False))


@pytest.mark.parametrize("words", [1, 2, 5, 9])
def test_no_schedule_costs_less(words: int) -> None:
    rng = torch.Generator().manual_seed(words)
    for falling in (True, False):
        losses = torch.rand(words, generator=rng).tolist()
        losses = sorted(losses, reverse=True) if falling else losses
        for steps in range(1, words + 1):
            sizes = tuple(budget(losses, steps))
            every = schedules(words, steps)
            assert sizes in every
            assert cost(losses, sizes) == pytest.approx(min(cost(losses, s) for s in every))
        assert budget(losses, words + 5) == [1] * words


def test_small_steps_where_a_word_tells_much() -> None:
    """All is lost in the first word: after it the rest may come at once."""
    assert budget([5.0, 0.1, 0.1, 0.1, 0.1, 0.1], 2) == [1, 5]
    assert budget([1.0, 1.0, 1.0, 1.0, 1.0, 0.0], 2) == [5, 1]
    assert len(budget([2 / (1 + a) for a in range(60)], 12)) == 12


def test_losses_between_the_measured_shares() -> None:
    nats = [0.5, 1.0, 2.0, 3.0]
    assert at_counts(nats, 4) == nats[::-1]
    assert at_counts(nats, 8) == [3.0, 2.5, 2.0, 1.5, 1.0, 0.75, 0.5, 0.5]
    assert at_counts([0.7], 3) == [0.7] * 3


def test_losses_are_measured() -> None:
    """Of two words that often agree, entropies: one given none, one given the other."""
    made: Any = objective(Bound, Knows(AGREEING), WordsConfig, AGREEING)
    chances = AGREEING.flatten()
    ids = made.held.ids[chances > 0]
    held = ids.repeat_interleave((chances[chances > 0] * 400).round().long(), 0)
    made.held = type(made.held)(held, None)
    found = measured(made)
    both = float(torch.special.entr(AGREEING).sum())
    assert found[-1] == pytest.approx(math.log(2), abs=1e-6)
    assert found[0] == pytest.approx(both - math.log(2), abs=0.05)


def drawn(net: Any, steps: int) -> Tensor:
    class Budgeted(ARDM):
        nats = (0.1, 1.0)

    x, _ = sampled(Budgeted, net, 4000, steps=steps)
    return frequencies(x, net.joint)


def test_its_law() -> None:
    """One word a step is exact; all at once, the product of the marginals."""
    assert_drawn(drawn(Knows(SKEWED), 2), SKEWED)
    assert_drawn(drawn(Knows(SKEWED), 1), apart(SKEWED))


def test_a_recipe_measures_and_files_are_checked(tmp_path: Path) -> None:
    plan = Plan(parse(["task=length", "method=ardm"]))
    made = plan.role("masked_losses")
    assert set(made.deps) == {"masked", "corpus"} and made.deps["masked"] is plan.role("masked")
    places = {"masked": fresh(tmp_path / "net", ARDM), "masked_losses": tmp_path}
    for content in (None, "[", '{"nats": []}', '{"nats": [-1.0]}', '{"nats": ["a"]}'):
        if content is not None:
            (tmp_path / "losses.json").write_text(content)
        with pytest.raises(UserError, match="losses.json") as error:
            ARDM.load(places, load_task("length"), ARDMSettings(), CPU)
        assert "\n" not in str(error.value)
    (tmp_path / "losses.json").write_text('{"nats": [0.1, 3.0]}')
    method = ARDM.load(places, load_task("length"), ARDMSettings(steps=3), CPU)
    (result,) = method.generate([Target("t", Length(9))], 2, seed=0)
    assert [len(s.words) for s in result.samples] == [9, 9]
    assert all(s.nfe == 3 and set(s.words) <= set(WORDS.words) for s in result.samples)
