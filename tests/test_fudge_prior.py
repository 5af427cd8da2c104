"""FUDGE under a control's own rate, on texts that can be enumerated."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from steered import (
    CODEC,
    JUDGE,
    LIMIT,
    LM,
    READS,
    TASK,
    Law,
    agrees,
    base,
    drawn,
    ids,
    law,
)

from baselines.fudge import method
from baselines.fudge.card import CARD, FT_FUDGE
from baselines.fudge.method import Fudge
from baselines.fudge.prior import Rates
from baselines.fudge.settings import FudgeSettings
from eval.running.presets import demo
from models.nets.decoding import stack
from models.nets.discriminator import PrefixScorer, Steering
from tasks import load_task
from tasks.base import Text
from tasks.common.errors import UserError
from tasks.controls import FieldValue, Length
from tasks.corpora.stored import write_corpus
from tasks.texts import Corpus

CPU, ALL, TEXTS = torch.device("cpu"), 10**6, 20_000
CONTROL = Length(2)
BASE = law(base)


def words(text: Sequence[int]) -> tuple[str, ...]:
    return CODEC.words(list(text))


HOLDS: Law = {text: p for text, p in BASE.items() if len(words(text)) == 2}
RATE = sum(HOLDS.values())


def mass(of: Law, text: tuple[int, ...]) -> float:
    return sum(p for one, p in of.items() if one[: len(text)] == text)


def training(texts: int = TEXTS) -> list[Text]:
    """As the language model writes them."""
    return [Text(words(text)) for text, p in BASE.items() for _ in range(round(p * texts))]


class Exact(PrefixScorer):
    """A perfect discriminator: log p(s | control) - log p(s | not control), by enumeration."""

    def __init__(self, network: Any, heads: Any, odds: Sequence[float] | None = None) -> None:
        self.odds = None if odds is None else stack([[one] for one in odds], CPU)
        self.texts: list[tuple[int, ...]] = [()] * len(stack(heads, CPU))

    def logits(self, candidates: torch.Tensor) -> torch.Tensor:
        rows = zip(self.texts, candidates.tolist(), strict=True)
        return torch.tensor([[self.one((*text, t)) for t in row] for text, row in rows])

    def one(self, text: tuple[int, ...]) -> float:
        held, every = mass(HOLDS, text), mass(BASE, text)
        with_it, without = held / RATE, (every - held) / (1 - RATE)
        return math.log(max(with_it, 1e-30)) - math.log(max(without, 1e-30))

    def advance(self, tokens: torch.Tensor) -> None:
        both = zip(self.texts, tokens.tolist(), strict=True)
        self.texts = [(*text, token) for text, token in both]


CONDITIONAL: Law = {text: p / RATE for text, p in HOLDS.items()}


def steered(odds: Sequence[float] | None) -> Law:
    """What FUDGE draws from at lambda 1."""

    def step(text: tuple[int, ...]) -> torch.Tensor:
        scorer = Exact(None, [(0,)], odds)
        rows = len(scorer.texts)
        for token in text:
            scorer.advance(torch.tensor([token] * rows))
        logits = torch.full((rows, len(READS)), -torch.inf)
        logits[:, : CODEC.text_size] = base(text)
        return Steering([scorer], [1.0], ALL).logits(logits)[0]

    return law(step)


def apart(one: Law, other: Law) -> float:
    """Total variation distance."""
    return sum(abs(one.get(text, 0.0) - other.get(text, 0.0)) for text in {**one, **other}) / 2


def test_under_its_rate_a_perfect_discriminator_gives_the_conditional() -> None:
    rates = Rates(TASK, training())
    assert math.isclose(rates.log_odds(CONTROL), math.log(RATE / (1 - RATE)), abs_tol=0.01)
    assert apart(steered([rates.log_odds(CONTROL)]), CONDITIONAL) < 0.001
    assert apart(steered(None), CONDITIONAL) > 0.04


@pytest.mark.parametrize("prior", ["balanced", "rate"])
def test_texts_are_drawn_from_it(prior: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method, "PrefixScorer", Exact)
    options = FudgeSettings(
        lam=1.0, pre_top_k=ALL, post_top_k=ALL, max_words=LIMIT - 1, prior=prior
    )
    rates = [Rates(TASK, training())] if prior == "rate" else []
    fudge = Fudge(LM, CODEC, [JUDGE], [READS], TASK, options, rates=rates)
    wanted = steered([rates[0].log_odds(CONTROL)] if rates else None)
    agrees([ids(one) for one in drawn(fudge, 1000)], wanted)


def test_rates_are_counted_among_training_texts(tmp_path: Path) -> None:
    """Of texts, each once; a control that none has is rare and not impossible."""
    task = load_task("semantic_content")
    pub, cafe = FieldValue("Type", "pub"), FieldValue("Type", "coffee shop")
    train = [Text(("a",), fields=(("eatType", "pub"),))] * 3 + [Text(("b",), fields=())]
    rates = Rates(task, train)
    assert math.isclose(rates.log_odds(pub), math.log(3.5 / 1.5))
    assert math.isclose(rates.log_odds(cafe), math.log(0.5 / 4.5))
    held_out = (Text(("c",), fields=(("eatType", "coffee shop"),)),) * 50
    write_corpus(tmp_path, Corpus("e2e", tuple(train), held_out))
    assert Rates(task, method.read_corpus(tmp_path).train).counts == rates.counts


def test_texts_are_needed_where_they_are_counted() -> None:
    task, settings = load_task("semantic_content+length"), FudgeSettings(prior="rate")
    plain = CARD.needs(task, FudgeSettings())
    assert CARD.needs(task, settings) == (*plain, "task_texts")
    assert "task_texts" not in plain
    assert CARD.resolve(settings, task).prior == "rate"


def test_a_model_that_read_the_control_has_no_rate_here() -> None:
    config = demo().having(ft_fudge=dataclasses.replace(FudgeSettings(), prior="rate"))
    with pytest.raises(UserError, match="ft_fudge.prior=rate: .*; balanced"):
        FT_FUDGE.check(config, TASK)
    FT_FUDGE.check(demo(), TASK)


def test_the_networks_own_logits_are_moved_by_it() -> None:
    """Each row by the odds of its own control, those of padding included."""
    heads = [READS.head(TASK.prompt(CONTROL))] * 3
    tokens = torch.arange(CODEC.text_size).expand(len(stack(heads, CPU)), -1)
    plain = PrefixScorer(JUDGE, heads).logits(tokens)
    moved = PrefixScorer(JUDGE, heads, [0.0, -3.0, 2.0]).log_prob(tokens)
    for row, odds in enumerate((0.0, -3.0, 2.0)):
        assert torch.allclose(moved[row], torch.nn.functional.logsigmoid(plain[row] + odds))
