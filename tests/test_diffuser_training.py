"""Training of the network of edits: what it is shown, that it learns, and that a killed training
goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from edit_nets import RUN, WORDS, network, settings
from killed import goes_on

from eval.running.command import parse
from eval.running.plan import Plan
from models.diffuser.config import preset
from models.diffuser.edits import Kind, applied
from models.diffuser.objective import EditObjective
from models.diffuser.pairs import NONE, Pair, Story, batch, pair
from models.diffuser.role import build, stories
from models.nets.config import EncoderConfig, TrainConfig
from models.nets.train import fit
from tasks.base import Text
from tasks.common.errors import UserError
from tasks.vocabulary import END, PAD, START

TEXTS = [("a", "b", "."), ("b", "c", "a", "."), ("c", "."), ("a", "a", "c", "b", ".")]
STORIES = [Story(tuple(WORDS.encode(words))) for words in TEXTS]
TRAIN = TrainConfig(steps=8, batch=4, lr=3e-3, ema=0.9, every=4, checkpoint=0.0, bf16=False)
IDS = range(4, 8)


def objective(**config: Any) -> EditObjective:
    torch.manual_seed(0)
    chosen = settings(**config)
    module, _ = build(chosen, WORDS)
    return EditObjective(module, chosen, STORIES, STORIES, 0)


def test_pairs_mend_the_clean_text_or_the_one_before() -> None:
    """To the clean text all of it comes back; else a text of several steps does not."""
    rng = np.random.default_rng(0)
    for story in STORIES * 20:
        clean = pair(story, settings(towards="clean"), IDS, rng)
        assert applied(clean.noised, clean.marks) == story.words
    found = [pair(STORIES[3], settings(steps=3, empty=0.0), IDS, rng) for _ in range(60)]
    before = [applied(one.noised, one.marks) for one in found]
    same = sum(words == STORIES[3].words for words in before)
    assert 10 < same < 50  # a third is one step old
    nothing = pair(STORIES[0], settings(empty=1.0), IDS, rng)
    assert nothing.noised == () and nothing.marks.spans == (STORIES[0].words,)


def test_contexts_stay() -> None:
    rng = np.random.default_rng(0)
    story = Story(STORIES[3].words, (1, 3))
    left, right = story.words[:1], story.words[3:]
    for _ in range(50):
        made = pair(story, settings(clean_contexts=1.0), IDS, rng)
        assert made.noised[:1] == left and made.noised[len(made.noised) - 2 :] == right
        assert made.given == (1, 2)
        assert set(made.marks.tags[-2:]) == {Kind.KEEP} and made.marks.tags[0] is Kind.KEEP


def test_a_batch_by_hand() -> None:
    """What the decoder reads and says of "a b", whose b is replaced by "c c", "." behind it."""
    from models.diffuser.edits import Edit, marks

    a, b, c, dot = IDS
    script = (Edit(Kind.KEEP, (a,), (a,)), Edit(Kind.REPLACE, (b,), (c, c)),
              Edit(Kind.KEEP, (dot,), (dot,)), Edit(Kind.DELETE, (b,), ()))  # fmt: skip
    made = batch([Pair((a, b, dot, b), marks(script)), Pair((a,), marks(script[:1]))], 16, 99)
    assert made.ids.tolist()[0] == [START, a, b, dot, b, END, PAD, PAD]
    assert made.asked.tolist()[0] == [0, 0, 1, 0, 2, NONE, NONE, NONE]
    assert made.tokens.tolist() == [[START, a, 99, c, c], [PAD] * 5]
    assert made.places.tolist()[0] == [0, 1, 2, 2, 2]
    assert made.said.tolist()[0] == [NONE, NONE, c, c, END]
    assert set(made.said.tolist()[1]) == {NONE}
    assert batch([Pair((a,), marks(script[:1]))], 16, 99).tokens.tolist() == [[PAD]]


def test_a_text_beside_another_changes_nothing() -> None:
    """The losses of a batch are those of its texts alone: PAD is not read."""
    made = EditObjective(network(), settings(), STORIES, STORIES, 0)
    rng = np.random.default_rng(1)
    pairs = [pair(story, settings(empty=0.0), IDS, rng) for story in STORIES]
    whole = [losses.double().sum() for losses in made._losses(batch(pairs, 16, 8))]
    alone = [made._losses(batch([one], 16, 8)) for one in pairs]
    for i in range(2):
        parts = sum(float(losses[i].double().sum()) for losses in alone)
        assert parts == pytest.approx(float(whole[i]), abs=1e-3)


@pytest.mark.parametrize("at", [1, 5])
def test_a_killed_training_goes_on(at: int, tmp_path: Path) -> None:
    assert goes_on(objective, TRAIN, tmp_path, at, "valid_loss")


def test_it_learns(tmp_path: Path) -> None:
    """Which words are noise, and what stood there, of four sentences."""
    shape = EncoderConfig(
        layers=1, width=32, heads=2, feedforward=64, dropout=0.0, attention_dropout=0.0
    )
    train = TrainConfig(steps=300, batch=4, lr=5e-3, warmup=20, every=100, bf16=False)
    made = objective(network=shape, steps=1, empty=0.2)
    curve = fit(made, train, tmp_path, 0)
    with torch.no_grad():
        first = made.validate()
    assert set(first) == {"loss", "tags", "words"}
    assert curve[-1]["valid_loss"] == first["loss"] < 1.5 < np.log(4) + np.log(5)


def test_its_recipe_and_presets() -> None:
    plan = Plan(parse(["task=length", "method=mdlm"]))
    demo = preset("demo", RUN)
    assert plan.role("corpus") and demo.network.width == 128 and demo.towards == "clean"
    paper = preset("paper", RUN)
    assert (paper.network.layers, paper.network.width, paper.steps) == (6, 512, 12)
    assert paper.towards == "previous" and paper.edits.shares == (0.6, 0.2, 0.1, 0.1)
    long = Text(tuple("a" for _ in range(20)))
    with pytest.raises(UserError, match="no text of 1 to 14 words"):
        stories(plan, settings(), [long], WORDS)
