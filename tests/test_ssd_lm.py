"""Diffusion on the simplex of words: its noise, its projections and its blocks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from latents import TINY, WORDS
from torch import Tensor

from baselines import METHODS
from eval.run import main
from models.base import sample_rng
from models.diffusion.loop import uniform, walk
from models.diffusion.words.decoding import Maker
from models.jobs import Job
from models.nets.config import TrainConfig
from models.ssd_lm.config import SimplexConfig, SimplexSettings
from models.ssd_lm.decoding import Blocks
from models.ssd_lm.network import BlockObjective, SimplexEncoder
from models.ssd_lm.process import Simplex, alpha_bar, drawn, nucleus
from tasks import load_task
from tasks.base import Target
from tasks.common.batching import BatchPlan
from tasks.common.errors import UserError
from tasks.common.progress import silent
from tasks.controls import Control, FieldValue, Length
from tasks.vocabulary import END, PAD, START

CPU = torch.device("cpu")
V = len(WORDS)


def network(**changes: Any) -> SimplexEncoder:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"length": 12, "network": TINY, "block": 4, "steps": 50}
    return SimplexEncoder(SimplexConfig(**(sizes | changes)), V).eval().requires_grad_(False)


def test_what_is_left_of_the_signal() -> None:
    wanted = {1: 0.9999998, 500: 0.97548458, 1250: 0.85347011, 2500: 0.49992148, 3750: 0.14641885}
    for t, a in wanted.items():
        assert alpha_bar(t / 5000) == pytest.approx(a, abs=1e-7)
    assert alpha_bar(1.0) == pytest.approx(0, abs=1e-12)


def test_projections() -> None:
    logits = torch.tensor([[0.1, 0.5, 0.15, 0.25]]).log()
    for top_p, kept in ((0.0, [1]), (0.5, [1]), (0.51, [1, 3]), (0.8, [1, 2, 3]), (1.0, range(4))):
        assert nucleus(logits, top_p)[0].nonzero()[:, 0].tolist() == list(kept)
    ruled_out = logits.masked_fill(torch.tensor([[False, True, False, True]]), -torch.inf)
    assert nucleus(ruled_out, 1.0)[0].tolist() == [True, False, True, False]
    u = (torch.arange(1000, dtype=torch.float64) + 0.5).view(1, -1) / 1000
    words = drawn(logits.expand(1, 1000, 4), 0.7, u)
    assert words[0].bincount(minlength=4).tolist() == [0, 667, 0, 333]
    assert Simplex(4, 5.0, 3).hot(torch.tensor([2])).tolist() == [[-5, -5, 5]]


def test_words_drawn_from_the_exact_posterior_have_their_law() -> None:
    """Whatever the number of steps: the noise of each is fresh (Han et al. 2023, section 3.2)."""
    law, rows = torch.tensor([0.1, 0.2, 0.4, 0.05, 0.25]).double(), 4000
    for steps in (1, 3, 12):
        process = Simplex(steps, 5.0, 5)
        rng = torch.Generator().manual_seed(steps)
        words = torch.empty(0)

        def exact(x: Tensor, t: int, _: Any, process: Simplex = process) -> Tensor:
            a = float(process.alpha_bar[t])
            return law.log() + 2 * math.sqrt(a) / (1 - a) / process.scale * x.double()

        def project(logits: Tensor, rng: Any = rng, process: Simplex = process) -> Tensor:
            nonlocal words
            words = drawn(logits, 1.0, uniform((rows, 1), rng))
            return process.hot(words).double()

        def noise(rng: Any = rng) -> Tensor:
            return torch.randn(rows, 1, 5, generator=rng).double()

        walk(exact, process, noise, CPU, project=project)
        found = words.flatten().bincount(minlength=5) / rows
        assert ((found - law).abs() < 4 * (law * (1 - law) / rows).sqrt()).all(), (steps, found)


def test_a_block_is_read_from_the_words_before_it() -> None:
    made = network(self_conditioning=0.5)
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(4, V, (2, 12), generator=rng)
    x, start = torch.randn(2, 4, V, generator=rng), torch.tensor([3, 6])
    time = torch.tensor([0.3, 0.9])
    said = made.block(ids, x, start, time)
    later, before = ids.clone(), ids.clone()
    later[0, 3:], later[1, 6:] = PAD, PAD
    before[0, 2], before[1, 5] = 4 + (ids[0, 2] - 3) % 8, 4 + (ids[1, 5] - 3) % 8
    torch.testing.assert_close(made.block(later, x, start, time), said, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(made.block(before, x, start, time), said, atol=1e-4)
    # a fresh network does not depend on what was said before, and alone a row is the same
    told = torch.randn(2, 4, TINY.width, generator=rng)
    assert torch.equal(made.block(ids, x, start, time, told), said)
    for row in (0, 1):
        one = made.block(*(v[row : row + 1] for v in (ids, x, start, time)))
        torch.testing.assert_close(one[0], said[row], atol=1e-5, rtol=1e-5)


def test_training_learns_what_follows_from_the_words_before() -> None:
    """Of texts a b a b ... and b a b a ..., every word is known once one is seen."""
    rows = [[START, *[4 + (i + k) % 2 for i in range(6)], END] for k in range(2)] * 8
    ids = torch.tensor([row + [PAD] * 4 for row in rows])
    made = network(self_conditioning=0.5).requires_grad_(True).train()
    objective = BlockObjective(made, ids, ids, BatchPlan(len(ids), 16, 0))
    descent = torch.optim.Adam(made.parameters(), lr=0.01)
    with torch.no_grad():
        before = objective.validate()["nll"]
    for step in range(40):
        torch.manual_seed(step)
        descent.zero_grad()
        objective.loss(step)[0].backward()
        descent.step()
    with torch.no_grad():
        assert objective.validate()["nll"] < before / 3
    assert made.again is not None and bool(made.again.weight.any())
    # blocks begin within the text, START being given
    short = torch.tensor([[START, 4, END] + [PAD] * 9] * 50)
    assert objective.nll(short, torch.Generator().manual_seed(0)).shape == (50, 4)


class Wants:
    """log p that the word ``word`` stands at ``place``, as a classifier would say it."""

    terms = 1

    def __init__(self, word: int, place: int) -> None:
        self.word, self.place = word, place
        self.classifier = self
        self.own_table = torch.eye(V + 1, V)  # with a mask

    def take(self, rows: Tensor) -> Wants:
        return self

    def __call__(self, x: Tensor, level: Tensor) -> Tensor:
        assert (level == -1).all()  # clean text
        return x[:, self.place, self.word].clamp(min=1e-9).log()


def blocks(weight: float | None = None, place: int = 6, **changes: Any) -> Blocks:
    """``weight``: of guidance to the word h at ``place``; None: without a guide."""

    def made(controls: Any) -> Any:
        return Wants(WORDS.encode("h")[0], place)

    guides = [] if weight is None else [Maker(made, weight, 1)]
    settings = SimplexSettings(steps=6, **changes)
    return Blocks(network(self_conditioning=0.5), WORDS, guides, settings)


def jobs(*controls: Control) -> list[Job[None]]:
    return [Job(i, Target(f"t{i}", control), 0, None) for i, control in enumerate(controls)]


def streams(target: str, index: int, *uses: str) -> torch.Generator:
    return sample_rng(0, "toy", target, index, *uses)


@pytest.mark.parametrize("projection", ["draw", "nucleus"])
def test_a_sample_depends_on_nothing_but_its_names(projection: Any) -> None:
    """Texts have the words that are asked for; one without a block left is not read again."""
    asked = jobs(Length(2), Length(9), FieldValue("food", "a b c"))
    made = blocks(projection=projection)
    whole = made.decode(asked, streams, silent)
    alone = [made.decode([job], streams, silent)[0] for job in reversed(asked)][::-1]
    assert whole == alone
    assert [len(one.words) for one in whole[:2]] == [2, 9] and len(whole[2].words) >= 3
    assert [one.nfe for one in whole[:2]] == [6, 18]
    for one in whole:
        assert set(one.words) <= set("abcdefgh") | {"UNK"} and one.tokens[0] == "START"


def test_guidance_moves_words_and_weight_0_does_not() -> None:
    asked = jobs(*[FieldValue("food", "a b c a b c a")] * 8)
    free = blocks().decode(asked, streams, silent)
    assert [m.tokens for m in blocks(0.0).decode(asked, streams, silent)] == [
        m.tokens for m in free
    ]
    guided = blocks(30.0).decode(asked, streams, silent)
    assert sum(one.tokens[6] == "h" for one in free) <= 4
    assert all(one.tokens[6] == "h" for one in guided)
    assert guided[0].nfe == 2 * free[0].nfe


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="target t needs 11 words; this network has 10"):
        blocks().check([Target("t", Length(11))])
    for bad in ({"steps": 0}, {"top_p": 1.5}, {"temperature": 0.0}):
        with pytest.raises(UserError, match=next(iter(bad))):
            SimplexSettings(**bad)  # type: ignore[arg-type]
    assert SimplexConfig(length=12, block=100, train=TrainConfig()).places == 11


def test_their_cards() -> None:
    for name in ("ssd_lm", "tess"):
        card = METHODS.card(name)
        assert card.group == "continuous" and not card.trained
        assert "contexts" in str(card.refuses(load_task("infilling")))
        assert card.needs(load_task("length"), None) == (f"{name}_network",)
        assert card.needs(load_task("length+semantic_content"), None) == (
            f"{name}_network", "word_classifier:semantic_content",
        )  # fmt: skip


def test_a_run_from_nothing(tmp_path: Path) -> None:
    small = ["layers=1", "width=16", "heads=2", "feedforward=32"]
    networks = ("ssd_lm_network", "tess_network", "word_classifier")
    sizes = [f"{name}.network.{one}" for name in networks for one in small]
    trained = [f"{name}.train.{one}" for name in networks for one in ("steps=2", "batch=4")]
    given = [
        "task=length,semantic_content", "method=ssd_lm,tess", "targets=2", "samples=2", "floor=0",
        "threads=1", f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}",
        "ssd_lm.steps=3", "tess.steps=3", *sizes, *trained,
    ]  # fmt: skip
    assert main(given) == 0
    for task in ("length", "semantic_content"):
        for method in ("ssd_lm", "tess"):
            path = tmp_path / "out" / task / method / "samples.jsonl"
            assert len(path.read_text().splitlines()) == 4
