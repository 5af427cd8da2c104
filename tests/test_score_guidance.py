"""Guidance of the score against Tweedie's formula, and own words against enumeration."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from latents import PLAIN, WORDS, network, silenced
from torch import Tensor

from baselines import METHODS
from models.base import sample_rng
from models.diffusion.classifiers.base import Guide
from models.diffusion.config import SamplingConfig
from models.diffusion.latents import loading
from models.diffusion.latents.decoding import ScoreGuidanceConfig
from models.diffusion.latents.diffusion import Diffusion
from models.diffusion.latents.guided import Free
from models.diffusion.latents.own_words import SMOOTHING, TagsOfWords, length, stated
from models.diffusion.latents.steered import Steered
from models.diffusion.latents.steering import Part, Steering
from models.jobs import Job, Made
from tasks import load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.common.progress import silent
from tasks.controls import AllOf, Control, FieldValue, Length, TagSequence
from tasks.vocabulary import END, SPECIALS, START, Vocabulary

CPU = torch.device("cpu")
STEPS = 8
#: small enough that all texts of four positions can be listed
FEW = Vocabulary([*SPECIALS, *"abc"])
TABLE = {"X": [0, 0, 0, 0, 3, 1, 0], "Y": [0, 0, 0, 0, 0, 3, 2]}


def diffusion(made: Any, **changes: Any) -> Diffusion:
    return Diffusion(made, SamplingConfig(steps=STEPS, clamp=False, **changes), CPU)


def latents(rows: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, 12, 8, generator=torch.Generator().manual_seed(seed))


def chances(rows: int = 2) -> Tensor:
    """log p(word) of four positions."""
    rng = torch.Generator().manual_seed(3)
    return torch.randn(rows, 4, len(FEW), generator=rng).log_softmax(-1)


def total(words: Tensor, holds: Any) -> Tensor:
    """log of the probability of all texts for which ``holds``, positions being independent."""
    found = []
    for row in words.double():
        texts = itertools.product(range(len(FEW)), repeat=4)
        each = [row[range(4), list(t)].sum().exp() * holds(t) for t in texts]
        found.append(torch.stack(each).sum().log())
    return torch.stack(found)


@pytest.mark.parametrize("t", [1, 4, STEPS - 1])
def test_a_known_word_is_where_guidance_of_weight_one_leads(t: int) -> None:
    """E[x_0 | x_t, w] = E[x_0 | x_t] + (1 - a) / sqrt(a) grad log p(w | x_t), and the left side is
    the word's embedding, where p(w | x_t) is exact."""
    made, word = silenced(len(WORDS)), 6
    here = diffusion(made)

    def own(words: Tensor) -> Tensor:
        return words[:, 3, word]

    x = latents(2)
    x0, moved = Steering(here, ScoreGuidanceConfig(weight=1.0), [], [own])(x, t)
    torch.testing.assert_close(x0, here.x0(x, t), rtol=0, atol=2e-2)
    goal = made.embedding.weight[word].float().expand(2, -1)
    torch.testing.assert_close((x0 + moved)[:, 3], goal, rtol=0, atol=5e-2)
    others = [i for i in range(12) if i != 3]  # whose word says nothing of this one
    assert not moved[:, others].abs().max() > 1e-6


def test_gradient_by_finite_differences_weight_and_end() -> None:
    here = diffusion(network(**PLAIN))

    def guide(x: Tensor, t: int) -> Tensor:
        return (t * x[:, 2].sin()).sum(1)

    x, t = latents(1), 5
    steering = Steering(here, ScoreGuidanceConfig(weight=3.0), [guide], [])
    x0, moved = steering(x, t)
    a = float(here.schedule.alpha_bar[t])
    step = torch.zeros_like(x)
    step[0, 2, 1] = 1e-3
    slope = (guide(x + step, t) - guide(x - step, t)) / 2e-3
    torch.testing.assert_close(
        moved[0, 2, 1], 3 * (1 - a) / a**0.5 * slope[0], rtol=1e-3, atol=1e-4
    )
    assert torch.equal(x0, here.x0(x, t)) and steering.evaluations == 1
    sigma = ((1 - a) / a) ** 0.5
    for until, still in ((0.99 * sigma, True), (1.01 * sigma, False)):
        ended = Steering(here, ScoreGuidanceConfig(weight=3.0, until=until), [guide], [])
        assert bool(ended(x, t)[1].any()) is still and ended.evaluations == still


def test_a_length_is_where_end_stands() -> None:
    words = chances()
    got = length([Length(1), Length(2)], CPU)(words)
    for row, end in enumerate((2, 3)):
        want = total(words[row : row + 1], lambda t, end=end: t[0] == START and t[end] == END)
        torch.testing.assert_close(got[row : row + 1].double(), want)


def test_tags_are_those_that_words_have_as_often_as_counted() -> None:
    words, tags = chances(), TagsOfWords(TABLE, FEW, CPU)
    got = tags([TagSequence(("X", "Y")), TagSequence(("Z",))])(words)

    def share(tag: str, word: int) -> float:
        if word < len(SPECIALS):
            return 0.0
        uses = sum(row[word] for row in TABLE.values())
        return (1 - SMOOTHING) * TABLE.get(tag, [0] * 7)[word] / uses + SMOOTHING / 2

    def holds(t: tuple[int, ...], asked: tuple[str, ...]) -> float:
        each = [share(tag, word) for tag, word in zip(asked, t[1:])]
        framed = t[0] == START and t[1 + len(asked)] == END
        return framed * torch.tensor(each).prod().item()

    for row, asked in enumerate((("X", "Y"), ("Z",))):
        want = total(words[row : row + 1], lambda t, asked=asked: holds(t, asked))
        torch.testing.assert_close(got[row : row + 1].double(), want, rtol=1e-4, atol=1e-4)


def test_a_value_may_stand_anywhere() -> None:
    """The sum over places of the probability that it stands there."""
    words = chances()
    rows: list[Control] = [FieldValue("food", "b"), FieldValue("food", "b c")]
    got = stated(rows, FEW, CPU)(words)
    p, (b, c) = words.exp(), FEW.encode("bc")
    either = (p[0, 1, b] + p[0, 2, b]).log()
    torch.testing.assert_close(got, torch.stack([either, (p[1, 1, b] * p[1, 2, c]).log()]))
    assert torch.equal(stated(rows[:1], FEW, CPU)(words[:1]), got[:1])


class Coin(Guide):
    """The mean of three log-probabilities, as classifiers of several positions give it."""

    per_row = ()

    def __call__(self, x: Tensor, s: int | Tensor) -> Tensor:
        return x[:, :3].mean(-1).sigmoid().log().mean(1)

    @property
    def terms(self) -> int:
        return 3


def test_classifiers_guide_by_the_log_probability_of_the_whole_control(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bayes' rule adds a sum over positions, of which classifiers say the mean."""
    made, x, t = network(**PLAIN), latents(2), 5
    monkeypatch.setattr(loading, "load_diffusion", lambda *given: (made, WORDS))
    monkeypatch.setattr(loading, "guide_of", lambda *given: lambda controls: Coin())
    card, task = METHODS.card("narrow"), load_task("parts_of_speech")
    settings = card.Settings(sampling=SamplingConfig(steps=STEPS, clamp=False))
    folders = {name: Path("x") for name in card.needs(task, settings)}
    way = loading.steered(card, folders, task, settings, CPU)
    y = x.clone().requires_grad_(True)
    (expected,) = torch.autograd.grad(y[:, :3].mean(-1).sigmoid().log().sum(), y)
    guidance = way.guidance([TagSequence(("DET",))] * 2)
    assert guidance is not None
    a = float(way.diffusion.schedule.alpha_bar[t])
    weight = settings.guidance.weight
    torch.testing.assert_close(guidance(x, t)[1], weight * (1 - a) / a**0.5 * expected)


def test_another_control_is_refused() -> None:
    with pytest.raises(UserError, match="length control"):
        length([FieldValue("food", "b")], CPU)
    with pytest.raises(UserError, match="semantic content"):
        stated([Length(2)], FEW, CPU)
    with pytest.raises(UserError, match="parts of speech"):
        TagsOfWords(TABLE, FEW, CPU)([Length(2)])
    with pytest.raises(UserError, match="does not fit"):
        stated([FieldValue("food", "a b c")], FEW, CPU)(chances(1))


def steered(weight: float, count: int = 2) -> Steered:
    here = diffusion(silenced(len(WORDS)))
    parts = [
        Part(own=lambda asked: length(asked, CPU)),
        Part(own=lambda asked: stated(asked, WORDS, CPU)),
    ]
    return Steered(here, WORDS, ScoreGuidanceConfig(weight=weight), parts[:count])


def jobs(count: int) -> list[Job[None]]:
    asked = AllOf((Length(5), FieldValue("food", "b")))
    return [Job(i, Target(str(i), asked), 0, None) for i in range(count)]


def streams(target: str, index: int, *uses: str) -> torch.Generator:
    return sample_rng(0, "toy", target, index, *uses)


def test_rows_know_nothing_of_each_other_and_no_weight_is_no_guidance() -> None:
    way = steered(4.0)
    together = way.decode(jobs(3), streams, silent)
    alone = [way.decode([job], streams, silent)[0] for job in jobs(3)]
    assert [one.tokens for one in together] == [one.tokens for one in alone]
    assert {one.nfe for one in together} == {STEPS + STEPS - 1.0}  # the last step is not guided
    off = steered(0.0)
    free = Free(off.diffusion, WORDS).decode(jobs(3), streams, silent)
    assert [one.tokens for one in off.decode(jobs(3), streams, silent)] == [r.tokens for r in free]

    # where every word is as likely as another, guidance is all there is
    def framed(made: list[Made]) -> list[bool]:
        return [one.tokens[0] == "START" and one.tokens[6] == "END" for one in made]

    assert all(framed(together)) and not any(framed(free))
    assert all("b" in one.tokens for one in together)


def test_a_composition_needs_all_of_its_controls() -> None:
    with pytest.raises(UserError, match="composition of 2"):
        steered(1.0).guidance([Length(3)])
    assert steered(1.0, 1).guidance([Length(3)]) is not None
