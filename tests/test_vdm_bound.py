"""PLAID's bound on a chain whose likelihood is known by quadrature, and its way into Table 7."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from latents import PLAIN, WORDS, config, silenced
from torch import Tensor

from eval.studies.families import bounds
from models.diffusion.config import LevelsConfig
from models.diffusion.gaussian import ancestral_step
from models.diffusion.latents.training import train_diffusion
from models.diffusion.latents.vdm_bound import bound_terms, vdm_terms
from models.plaid import CARD
from tasks.common.errors import UserError

CPU = torch.device("cpu")
#: the grid of the chain's latents
GRID = torch.linspace(-7, 7, 561)
LEVELS = LevelsConfig(kind="warped", bins=4, sigma_min=0.4, sigma_max=20.0)
(PLAID,) = (role for role in CARD.brings if role.name == CARD.network)


def two_words(odds: float, evidence: float = 1.0, steps: int = 24) -> Any:
    """Two words at -1 and +1, the second exp(``odds``) times as likely as the first, as Bayes' rule
    has it where ``evidence`` is 1."""
    made: Any = silenced(2, embedding=1, levels=LEVELS, steps=steps)
    made.evidence_weight = evidence
    with torch.no_grad():
        made.embedding.directions.copy_(torch.tensor([[-1.0], [1.0]]))
        made.words.bias.copy_(torch.tensor([0.0, odds]))
    return made.requires_grad_(False)


def exact(made: Any) -> Tensor:
    """-log p(word) of both words, (2,): the chain's latents of one position, level by level on a
    grid, and the words read off the last."""
    step = float(GRID[1] - GRID[0])

    def told(t: int) -> tuple[Tensor, Tensor]:
        index = torch.full((len(GRID),), t)
        logits = made.word_logits(GRID[:, None, None], index, made.times(index))
        words = logits.softmax(-1)[:, 0].double()
        return words, words @ made.embedding.weight[:, 0].double()

    density = torch.exp(-GRID.double().square() / 2) / math.sqrt(2 * math.pi)
    for t in reversed(range(1, made.schedule.steps)):
        a = [float(made.schedule.alpha_bar[level]) for level in (t, t - 1)]
        move = ancestral_step(GRID.double(), told(t)[1], *a)
        away = (GRID.double()[:, None] - move.mean) / move.std
        chances = torch.exp(-away.square() / 2) / (move.std * math.sqrt(2 * math.pi))
        density = chances @ density * step
    assert float(density.sum() * step) == pytest.approx(1, abs=1e-3)
    found: Tensor = -(told(0)[0] * density[:, None]).sum(0).mul(step).log()
    return found


def estimate(made: Any, draws: int, count: int = 1000) -> tuple[Tensor, Tensor]:
    """The mean of the bound on each word, and its standard error."""
    ids = torch.tensor([[0] * 12, [1] * 12]).repeat(draws, 1)
    rng, noise = np.random.default_rng(0), torch.Generator().manual_seed(0)
    terms = vdm_terms(made, ids, count, rng, noise)
    totals = torch.stack(list(terms.values())).sum(0).view(draws, 2) / 12
    return totals.mean(0), totals.std(0) / math.sqrt(draws)


@pytest.mark.parametrize(("odds", "evidence"), [(1.5, 0.3), (-1.0, 2.5)])
def test_bound_is_above_the_exact_value(odds: float, evidence: float) -> None:
    made = two_words(odds, evidence)
    found, error = estimate(made, 200)
    assert (found - exact(made) > 3 * error).all()


@pytest.mark.parametrize("odds", [0.0, 1.5])
def test_of_a_perfect_network_levels_alone_are_what_the_bound_loses(odds: float) -> None:
    """Four times as many leave less than half of the gap."""
    gaps = []
    for steps in (12, 48):
        made = two_words(odds, steps=steps)
        found, error = estimate(made, 150)
        gap = found - exact(made)
        assert (gap > 3 * error).all()
        gaps.append(float(gap.mean()))
    assert gaps[1] < gaps[0] / 2


def test_levels_are_drawn_without_bias() -> None:
    made = two_words(1.5)
    (whole, a), (drawn, b) = estimate(made, 200), estimate(made, 400, count=3)
    assert ((whole - drawn).abs() < 4 * (a.square() + b.square()).sqrt()).all()


def test_it_is_measured_beside_the_other_families(tmp_path: Path) -> None:
    """From what training stores, by the role alone; texts that do not fit are refused."""
    settings = config(
        **PLAIN | {"objective": "bound", "evidence": True}, self_conditioning=0.5, embedding_std=1.0
    )
    texts = [tuple("abc"), tuple("hg"), tuple("defa"), tuple("b")]
    train_diffusion(tmp_path, texts, texts, WORDS, settings, 0, device=CPU)
    found = bounds([(PLAID, tmp_path)], texts, 4, 0, CPU, lambda *_: None)
    ((role, terms),) = found
    assert role is PLAID and set(terms) == {"prior", "denoising", "rounding"}
    assert all(one.shape == (4,) and (one >= 0).all() for one in terms.values())
    assert all((terms[name] > 0).all() for name in ("prior", "denoising"))
    again = bound_terms(PLAID, tmp_path, texts, 4, 0, CPU)[0]
    assert all(np.array_equal(again[name].numpy(), terms[name]) for name in terms)
    with pytest.raises(UserError, match="1 texts do not fit"):
        bounds([(PLAID, tmp_path)], [*texts, tuple("abcdefghabc")], 4, 0, CPU, lambda *_: None)
    with pytest.raises(UserError, match="no text of 1 to 10 words"):
        bound_terms(PLAID, tmp_path, [tuple("abcdefghabc")], 4, 0, CPU)
