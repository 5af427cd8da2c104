"""The bounds of the families on texts whose law is known: exact, by enumeration."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from word_exact import by_count, by_noise
from word_nets import AGREEING, CROOKED, Knows, Says, entropy, objective, texts

from models.d3pm import Absorbing as StepsAbsorbing
from models.d3pm import D3PMConfig
from models.d3pm import Uniform as StepsUniform
from models.diffusion.words.config import WordsConfig
from models.diffusion.words.levels import Cosine, Levels, LogLinear, SqrtCosine
from models.diffusion.words.masked import Bound as Masked
from models.multinomial import Bound as Multinomial
from models.multinomial import MultinomialConfig
from models.sedd import Absorbing as ScoresAbsorbing
from models.sedd import Uniform as ScoresUniform
from models.sundae import SundaeConfig, Unrolled
from models.udlm import Bound as Replacing

#: two words that agree with chance .8
PAIR = AGREEING[1:, 1:]
#: what continuous times lack below the least, 1e-5: that times 1 + log(W / 1e-5 p) a word, of two
#: words whose p is at least .05
CUT = 4e-4


class Scores(Knows):
    """The masked posterior as SEDD's absorbing network says it: over a uniform guess."""

    def forward(self, *given: Any) -> Tensor:
        return super().forward(*given) + math.log(len(self.known))


def until(schedule: Levels) -> Any:
    """alpha of its times, nothing at the last: as a grid of steps has it."""
    return lambda t: torch.where(t >= 1, 0.0, schedule.alpha(t))


def masked(joint: Tensor, **net: Any) -> Any:
    made = objective(Masked, Knows(joint, **net), WordsConfig, joint)
    return lambda text: by_count(made, text)


def scores_absorbing(joint: Tensor, **net: Any) -> Any:
    made = objective(ScoresAbsorbing, Scores(joint, **net), WordsConfig, joint)
    return lambda text: by_count(made, text)


def steps_absorbing(joint: Tensor, T: int = 8, **net: Any) -> Any:
    made = objective(StepsAbsorbing, Knows(joint, **net), D3PMConfig, joint, T=T)
    return lambda text: by_noise(made, text, T, absorbing=True)


def replacing(joint: Tensor, of: Any = "others", **net: Any) -> Any:
    made = objective(Replacing, Knows(joint, of, **net), WordsConfig, joint)
    return lambda text: by_noise(made, text)


def scores_uniform(joint: Tensor, **net: Any) -> Any:
    known = Knows(joint, "scores", LogLinear().alpha, **net)
    made = objective(ScoresUniform, known, WordsConfig, joint)
    return lambda text: by_noise(made, text)


def steps_uniform(joint: Tensor, T: int = 8, of: Any = "others", **net: Any) -> Any:
    known = Knows(joint, of, until(Cosine()), **net)
    made = objective(StepsUniform, known, D3PMConfig, joint, T=T)
    return lambda text: by_noise(made, text, T)


def multinomial(joint: Tensor, T: int = 8, **net: Any) -> Any:
    known = Knows(joint, "others", until(SqrtCosine(T)), **net)
    made = objective(Multinomial, known, MultinomialConfig, joint, T=T)
    return lambda text: by_noise(made, text, T)


#: family -> (joint, what its network says) -> text -> nats
CONTINUOUS = {
    "masked": masked, "scores_absorbing": scores_absorbing, "replacing": replacing,
    "scores_uniform": scores_uniform,
}  # fmt: skip
STEPS = {"absorbing": steps_absorbing, "uniform": steps_uniform, "multinomial": multinomial}
FAMILIES = CONTINUOUS | STEPS
ABSORBING = {"masked", "scores_absorbing"}


def mean(cost: Any, joint: Tensor) -> float:
    ids, chances = texts(joint)
    return sum(float(p) * cost(text) for text, p in zip(ids, chances, strict=True) if p)


@pytest.mark.parametrize("joint", [PAIR, CROOKED], ids=["pair", "crooked"])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_perfect_network_costs_what_a_text_is(name: str, joint: Tensor) -> None:
    """In continuous time the bound of every text is -log p of it."""
    cost = CONTINUOUS[name](joint)
    for text, p in zip(*texts(joint), strict=True):
        nats = -math.log(p)
        if name in ABSORBING:
            assert cost(text) == pytest.approx(nats, abs=1e-6)
        else:  # an integral that is cut off where almost nothing is replaced
            assert -CUT < cost(text) - nats < 1e-5


def test_steps_cost_the_information_between_words() -> None:
    """T absorbing steps: -log p(x) + PMI(x) / T, for every text."""
    alone = PAIR.sum(1)
    between = float((PAIR * (PAIR / alone[:, None] / alone).log()).sum())
    assert entropy(PAIR) == pytest.approx(1.193550, abs=1e-6)
    assert between == pytest.approx(0.192745, abs=1e-6)
    for T, wanted in {1: 1.386294, 2: 1.289922, 4: 1.241736, 8: 1.217643}.items():
        cost = steps_absorbing(PAIR, T)
        for text, p in zip(*texts(PAIR), strict=True):
            shared = math.log(float(p) / 0.25)
            assert cost(text) == pytest.approx(-math.log(p) + shared / T, abs=1e-6)
        assert mean(cost, PAIR) == pytest.approx(wanted, abs=1e-6)
    # and in ever more steps the continuous bound
    assert mean(steps_absorbing(PAIR, 1000), PAIR) == pytest.approx(1.193742, abs=1e-6)


@pytest.mark.parametrize("name", ["uniform", "multinomial"])
def test_uniform_steps_tend_to_continuous_time(name: str) -> None:
    """From above, with an excess that falls as 1 / T; one step is each word on its own."""
    over = []
    for T in (1, 8, 64, 512):
        over.append(mean(STEPS[name](CROOKED, T), CROOKED) - entropy(CROOKED))
    apart = sum(float(torch.special.entr(CROOKED.sum(i)).sum()) for i in (0, 1))
    assert over[0] == pytest.approx(apart - entropy(CROOKED), abs=1e-6)
    assert over[0] > over[1] > over[2] > over[3] > 0
    assert over[2] / over[3] == pytest.approx(8, rel=0.1)


@pytest.mark.parametrize("name", FAMILIES)
def test_an_imperfect_network_costs_more(name: str) -> None:
    """Whatever is wrong with it, in the mean over texts."""
    perfect = mean(FAMILIES[name](CROOKED), CROOKED)
    rng = torch.Generator().manual_seed(0)
    for _ in range(3):
        wrong = 0.5 * torch.randn(3, generator=rng, dtype=torch.float64)
        if name == "scores_uniform":
            wrong = wrong - wrong.mean()
        found = mean(FAMILIES[name](CROOKED, wrong=wrong), CROOKED)
        assert found > perfect + 1e-3 and found > entropy(CROOKED)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_uniform_guess_costs_the_log_of_the_number_of_words(count: int) -> None:
    """A word, in every family: a network that knows nothing."""
    joint = torch.full((count,), 1 / count, dtype=torch.float64)
    (text, *_), _ = texts(joint)
    wanted, says = math.log(count), Says(joint)
    for Objective, Config in ((Masked, WordsConfig), (ScoresAbsorbing, WordsConfig)):
        cost = by_count(objective(Objective, says, Config, joint), text)
        assert cost == pytest.approx(wanted, abs=1e-6)
    for T in (1, 4, 100):
        made = objective(StepsAbsorbing, says, D3PMConfig, joint, T=T)
        assert by_noise(made, text, T, absorbing=True) == pytest.approx(wanted, abs=1e-6)
        for Objective, Config in ((StepsUniform, D3PMConfig), (Multinomial, MultinomialConfig)):
            made = objective(Objective, says, Config, joint, T=T)
            assert by_noise(made, text, T) == pytest.approx(wanted, abs=1e-6)
    for Objective in (Replacing, ScoresUniform):
        cost = by_noise(objective(Objective, says, WordsConfig, joint), text)
        assert -CUT < cost - wanted < 1e-5
    for unrolled in (1, 3):
        made = objective(Unrolled, says, SundaeConfig, joint, unrolled=unrolled)
        nats = made.nats(text.expand(5, -1), (text > 1).expand(5, -1), None)
        assert nats.tolist() == pytest.approx([wanted] * 5, abs=1e-6)


def test_a_guess_over_all_ids_costs_their_log() -> None:
    """A masked network that has yet to learn that the frame and the mask are no words."""
    joint = torch.full((3,), 1 / 3, dtype=torch.float64)
    made = objective(Masked, Says(joint, 0.0), WordsConfig, joint)
    assert by_count(made, texts(joint)[0][0]) == pytest.approx(math.log(6), abs=1e-6)


def test_scores_that_do_not_sum_to_one_cost_more_than_those_that_do() -> None:
    """SEDD's absorbing loss is the masked bound of c / sum c, and what sum c lacks of one."""
    text, lift = texts(CROOKED)[0][1], math.log(1.5)
    plain = scores_absorbing(CROOKED)(text)

    class Lifted(Scores):
        def forward(self, *given: Any) -> Tensor:
            return super().forward(*given) + lift

    made = objective(ScoresAbsorbing, Lifted(CROOKED), WordsConfig, CROOKED)
    # each of two words costs sum c - 1 - log sum c more, once for each share of masks
    more = 2 * (1.5 - 1 - lift)
    assert by_count(made, text) == pytest.approx(plain + more, abs=1e-6)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_loss_of_steps_is_the_papers(steps: int) -> None:
    """A step's term in the mean over steps, and ``hybrid`` times the cross-entropy in that mean,
    brought to the size of the bound."""
    made = objective(StepsAbsorbing, Knows(PAIR), D3PMConfig, PAIR, T=4, hybrid=0.25)
    text, T = texts(PAIR)[0][0], 4
    rows = torch.arange(T).repeat(500)
    ids = text.expand(len(rows), -1)
    free = (ids != 0) & (ids != 1)
    torch.manual_seed(steps)
    bound, plain = made._costs(ids, free, None)
    # cross-entropy: of t masks in four, t / 4 of the words, each of its bound's term times t
    masks = [t / T for t in range(1, T + 1)]
    terms = [2 * m * (1 - m) * -math.log(0.8) + m * m * -2 * math.log(0.5) for m in masks]
    assert float(plain.double().mean()) == pytest.approx(sum(terms), rel=0.06)
    weighed = sum(term / (t + 1) for t, term in enumerate(terms))
    assert float(bound.double().mean()) == pytest.approx(weighed, rel=0.06)
    made.batch = lambda step: (ids, free)
    torch.manual_seed(steps)
    loss, parts = made.loss(0)
    total = (bound + 0.25 * plain).sum() / free.sum() / (1 + T * 0.25)
    assert float(loss) == pytest.approx(float(total), rel=1e-5)
    assert float(parts["bound"]) == pytest.approx(float(bound.sum() / free.sum()), rel=1e-5)
