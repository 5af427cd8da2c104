"""What is the same number, or the same trap, in families of discrete diffusion."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from test_words_bounds import mean, replacing, steps_absorbing, steps_uniform
from torch import Tensor
from torch.nn import functional as F
from word_exact import by_count, by_noise
from word_nets import CROOKED, Knows, entropy, objective, texts

from models.diffusion.words.config import WordsConfig
from models.diffusion.words.levels import LogLinear
from models.diffusion.words.masked import Bound as Masked
from models.sedd import Absorbing, score_entropy
from models.sundae import SundaeConfig, Unrolled
from models.udlm import bound


class Wrong(Knows):
    """What no perfect network says, the same for every objective."""

    over = 0.0

    def __init__(self) -> None:
        wrong = torch.tensor([0.4, -0.3, 0.1], dtype=torch.float64)
        super().__init__(CROOKED, wrong=wrong)

    def forward(self, ids: Tensor, time: Tensor | None = None, at: Tensor | None = None) -> Tensor:
        return super().forward(ids, time, at) + self.over


def test_normalised_scores_are_masked_diffusion() -> None:
    """SEDD absorbing with log s = log x - log(e^sigma - 1), for every text and any network."""

    class Scores(Wrong):
        over = math.log(3)

    ours = objective(Absorbing, Scores(), WordsConfig, CROOKED)
    theirs = objective(Masked, Wrong(), WordsConfig, CROOKED)
    for text in texts(CROOKED)[0]:
        assert by_count(ours, text) == pytest.approx(by_count(theirs, text), abs=1e-9)


def test_ever_smaller_steps_are_masked_diffusion() -> None:
    """D3PM absorbing goes to MDLM with T, whatever the network: the excess falls as 1 / T."""
    theirs = objective(Masked, Wrong(), WordsConfig, CROOKED)
    wanted = mean(lambda text: by_count(theirs, text), CROOKED)
    wrong = torch.tensor([0.4, -0.3, 0.1], dtype=torch.float64)
    over = [mean(steps_absorbing(CROOKED, T, wrong=wrong), CROOKED) - wanted for T in (8, 80, 800)]
    assert over[0] / over[1] == pytest.approx(10, rel=1e-6)
    assert over[1] / over[2] == pytest.approx(10, rel=1e-4) and 0 < over[2] < 1e-3


def integral() -> tuple[Tensor, Tensor]:
    """Nodes and weights over t in [1e-8, 1 - 1e-8], dense at both ends."""
    x, w = (torch.tensor(part) for part in np.polynomial.legendre.leggauss(400))
    far = math.log(1e8)
    s = (far * x).exp()
    return s / (1 + s), far * w * s / (1 + s) ** 2


def replaced_cost(of: str) -> float:
    """UDLM's integrand of two words over t, all texts and all their noise."""
    t, weight = integral()
    total = 0.0
    known = Knows(CROOKED, of)  # type: ignore[arg-type]
    ids, chances = texts(CROOKED)
    for z in ids:
        log_x = known(z.expand(len(t), -1), t)[:, 1:3][..., known.known]
        here = (z[1:3, None] == known.known).int().argmax(1)
        for text, p in zip(ids, chances, strict=True):
            own = (text[1:3, None] == known.known).int().argmax(1)
            likely = ((1 - t)[:, None] * (own == here) + t[:, None] / 3).prod(1)
            cost = bound(log_x, own.expand(len(t), -1), here.expand(len(t), -1), t[:, None])
            total += float(p) * float((cost.sum(1) * likely * weight).sum())
    return total


def test_the_bound_teaches_what_other_words_say() -> None:
    """The leave-one-out trap: p(x | the others) reaches the entropy, p(x | all) does not."""
    assert entropy(CROOKED) == pytest.approx(1.855389, abs=1e-6)
    assert replaced_cost("others") == pytest.approx(1.855389, abs=3e-5)
    assert replaced_cost("all") == pytest.approx(2.811379, abs=3e-4)
    # the objectives themselves, and in steps
    assert mean(replacing(CROOKED, "all"), CROOKED) == pytest.approx(2.811, abs=1e-3)
    assert mean(steps_uniform(CROOKED, 64, "all"), CROOKED) > 2.5


def test_cross_entropy_teaches_what_all_words_say() -> None:
    """Plain cross-entropy is least at p(x | all noised words), so its step is the mixture."""
    cost = {}
    for of in ("others", "all"):
        known = Knows(CROOKED, of)  # type: ignore[arg-type]
        # a share of words is replaced as alpha = 1 - t leaves it
        inner = known.forward
        made = objective(Unrolled, known, SundaeConfig, CROOKED, unrolled=1)
        seen: dict[str, Tensor] = {}

        def told(ids, time=None, at=None, inner=inner, seen=seen):  # type: ignore[no-untyped-def]
            return inner(ids, seen["t"], at)

        known.forward = told  # type: ignore[method-assign]
        from word_exact import times

        t, _ = times()
        seen["t"] = t.repeat_interleave(9)
        cost[of] = mean(lambda text, made=made: by_noise(made, text), CROOKED)
    assert cost["all"] < cost["others"] - 0.01


@pytest.mark.parametrize("t", [0.01, 0.3, 0.7, 0.99])
def test_scores_of_replaced_words_are_the_same_bound(t: float) -> None:
    """SEDD uniform is UDLM under s_y = (alpha x_y + (1 - alpha) / W) / (alpha x_z + ...)."""
    count, alpha = 5, 1 - t
    rng = torch.Generator().manual_seed(0)
    log_x = torch.randn(1, 40, count, generator=rng, dtype=torch.float64).log_softmax(-1)
    own, here = torch.randint(count, (2, 1, 40), generator=rng)
    noised = alpha * log_x.exp() + (1 - alpha) / count
    log_s = (noised / noised.gather(2, here[..., None])).log()
    e = torch.tensor([[1 / alpha - 1]], dtype=torch.float64)
    at = torch.tensor([[t]], dtype=torch.float64)
    rate = float(LogLinear(0.0).rate(at)) / count
    ours = rate * score_entropy(log_s, torch.arange(count), own, here, e)
    torch.testing.assert_close(ours, bound(log_x, own, here, at), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("count", [2, 3, 27, 821])
def test_the_uniform_guess_of_replaced_words(count: int) -> None:
    """Its integral is log W; of one word, which is its own or any other."""
    t, weight = integral()
    log_x = torch.full((len(t), 1, count), -math.log(count), dtype=torch.float64)
    own = torch.zeros(len(t), 1, dtype=torch.long)
    total = 0.0
    for here, chance in ((own, 1 - t + t / count), (own + 1, t * (count - 1) / count)):
        total += float((bound(log_x, own, here, t[:, None])[:, 0] * chance * weight).sum())
    assert total == pytest.approx(math.log(count), abs=1e-5)


def test_single_precision_is_enough_for_a_large_vocabulary() -> None:
    rng = torch.Generator().manual_seed(0)
    log_x = (2 * torch.randn(1, 16, 821, generator=rng, dtype=torch.float64)).log_softmax(-1)
    own, here = torch.randint(821, (2, 1, 16), generator=rng)
    for t in (1e-5, 1e-3, 0.1, 0.9, 0.999):
        at = torch.tensor([[t]], dtype=torch.float64)
        for z in (here, own):
            exact, found = (bound(x, own, z, at) for x in (log_x, log_x.float()))
            torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=3e-4)
    assert F.one_hot(own, 821).sum() == 16
