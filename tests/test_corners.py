"""The corners of the table of prompting and guidance: what each is told, and what steers it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from steered import (
    CODEC,
    EXPERT,
    HEAD,
    JUDGE,
    LM,
    PROMPTED,
    READS,
    TARGETS,
    TASK,
    agrees,
    content,
    drawn,
    expert,
    holds,
    ids,
    law,
    plain,
)
from word_nets import CPU, fresh

from baselines import METHODS
from baselines.fudge.method import FTFudge
from baselines.fudge.settings import FudgeSettings
from baselines.lm_plain import PlainLM, PlainLMSettings
from eval.running.command import parse
from models.base import CORNERS
from models.diffusion.words.config import WordGuidanceConfig
from models.mdlm import MDLM, MDLMPlain, MDLMPlainSettings, MDLMSettings
from tasks import load_task
from tasks.base import Target
from tasks.controls import Length, Span

ALL = 10**6


def ft_fudge(**options: Any) -> FTFudge:
    settings = FudgeSettings(**{"max_words": 2, "pre_top_k": ALL, "post_top_k": ALL, **options})
    return FTFudge(EXPERT, READS, [JUDGE], [READS], TASK, settings)


def lm_plain() -> PlainLM:
    return PlainLM(LM, CODEC, [], [], TASK, PlainLMSettings(max_words=2))


def test_without_weight_they_are_the_model_that_they_draw_from() -> None:
    """Byte for byte."""
    found = [ids(one) for one in drawn(ft_fudge(lam=0.0), 40)]
    assert found == plain("ft_fudge", EXPERT, PROMPTED, 40)
    samples = drawn(lm_plain(), 40)
    assert [ids(one) for one in samples] == plain("lm_plain", LM, HEAD, 40)
    assert all(one.nfe == len(one.tokens) for one in samples)


def test_prompted_and_guided_words_come_from_the_product() -> None:
    """p(word | text, control) by the fine-tuned model times p(control | text, word)^lambda."""

    def step(text: tuple[int, ...]) -> torch.Tensor:
        judged = [holds((*text, token)) for token in range(CODEC.text_size)]
        return expert(text) + 1.5 * torch.tensor(judged, dtype=torch.float64).log()

    samples = drawn(ft_fudge(lam=1.5), 2000)
    agrees([ids(one) for one in samples], law(step))
    assert all(one.nfe == len(one.tokens) * (1 + len(READS)) for one in samples)


@pytest.mark.parametrize("made", [lambda: ft_fudge(lam=2.0, max_words=4), lm_plain])
def test_a_sample_depends_on_nothing_but_its_names(made: Any) -> None:
    generator = made()
    targets = TARGETS if isinstance(generator, FTFudge) else TARGETS[:2]
    whole = content(generator.generate(targets, 7, seed=3))
    assert content(generator.generate(targets[::-1], 7, seed=3, batch=2)) == whole
    assert content(generator.generate(targets, 7, seed=4)) != whole


def test_masked_diffusion_without_control(tmp_path: Path) -> None:
    """Byte for byte the guided method's samples at weight 0, from the same random streams."""
    folder = {"masked": fresh(tmp_path, MDLM)}

    class Same(MDLM):
        card = MDLMPlain.card

    targets = [Target("a", Span(0, 2, "NP")), Target("b", Span(1, 1, "VP"))]
    task = load_task("syntax_spans")
    plain_one = MDLMPlain.load(folder, task, MDLMPlainSettings(), CPU)
    weightless = MDLMSettings(guidance=WordGuidanceConfig(weight=0.0))
    same = Same.load(folder, task, weightless, CPU)
    whole = content(plain_one.generate(targets, 3, seed=0))
    assert content(same.generate(targets, 3, seed=0)) == whole
    assert content(plain_one.generate(targets[::-1], 3, seed=0, batch=2)) == whole
    framed = MDLMPlain.load(folder, load_task("length"), MDLMPlainSettings(), CPU)
    (result,) = framed.generate([Target("c", Length(5))], 2, seed=0)
    assert all(len(one.words) == 5 for one in result.samples)


def test_cards() -> None:
    """Each family has one method at each corner."""
    corners = [card.corner for card in METHODS.values() if card.corner]
    families = dict.fromkeys(family for family, _ in corners)
    assert len(families) >= 2
    assert sorted(corners) == sorted((f, corner) for f in families for corner in CORNERS)
    for name, card in METHODS.items():
        if card.corner and card.corner[1] in CORNERS[1::2]:  # prompted
            assert card.trained, name
    assert parse(["method=two_by_two", "task=length"]).methods
    both = load_task("length+parts_of_speech")
    card = METHODS.card("ft_fudge")
    assert "single controls" in str(card.refuses(both))
    assert card.refuses(load_task("infilling")) == "it reads controls and no contexts"
    assert card.needs(TASK, None) == ("finetuned", "discriminator")
    resolved: Any = card.resolve(FudgeSettings(), TASK)
    assert resolved.lam == 2.0
    for name in ("lm_plain", "mdlm_plain"):
        card = METHODS.card(name)
        assert card.refuses(both) is None and not card.trained and not card.knows_rule
        assert card.refuses(load_task("infilling")) == "it reads controls and no contexts"
    assert METHODS.card("mdlm_plain").needs(both, None) == ("masked",)
