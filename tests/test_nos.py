"""Guidance of hidden states: its step against the analytic one, and what it keeps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from test_words_families import KINDS, TEXTS
from word_nets import CPU, TINY, fresh

from baselines import METHODS
from eval.running.command import parse
from eval.running.plan import Plan
from models.diffusion.classifiers.training import train_classifier
from models.diffusion.words.config import ClimbConfig
from models.diffusion.words.states import climbed, load_space
from models.mdlm import MDLM, MDLMSettings
from models.nets.config import TrainConfig
from models.nos import NOS, HeadConfig, NOSSettings
from tasks import load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import AllOf, FieldValue, Infill, Length, ParseTree, Span, TagSequence

TAGS = TagSequence(("NOUN", "VERB", "PUNCT"))
ASKED: dict[str, list[Any]] = {
    "length": [Length(4)],
    "parts_of_speech": [TAGS, TagSequence(("NOUN", "PUNCT"))],
    "syntax_spans": [Span(0, 2, "NP")],
    "syntax_tree": [ParseTree("(S (NP (NN *)) (VP (NN *)) (NN *))")],
    "semantic_content": [FieldValue("name", "b"), FieldValue("name", "c")],
    "semantic_content+parts_of_speech": [AllOf((FieldValue("name", "a"), TAGS))],
}


@pytest.mark.parametrize("stability", [0.0, 0.7])
def test_the_first_steps_are_the_analytic_ones(stability: float) -> None:
    """A linear head of the mean state and a linear read-out: the gradient of log softmax is w_y - E
    w, that of the KL W^T (q' - q), which is 0 at first; Adagrad divides by the root of the sum of
    squares, so that its first step is as large in every direction."""
    rng = torch.Generator().manual_seed(0)
    head, words = torch.randn(3, 5, generator=rng), torch.randn(7, 5, generator=rng)
    hidden = torch.randn(2, 4, 5, generator=rng)
    wanted, masked = torch.tensor([2, 0]), torch.rand(2, 4, generator=rng) < 0.5

    def log_prob(h: torch.Tensor) -> torch.Tensor:
        return (h.mean(1) @ head.T).log_softmax(-1).gather(1, wanted[:, None])[:, 0]

    def analytic(h: torch.Tensor) -> torch.Tensor:
        p = (h.mean(1) @ head.T).softmax(-1)
        ours = (head[wanted] - p @ head)[:, None].expand_as(h) / h.shape[1]
        q, q0 = ((x @ words.T).softmax(-1) for x in (h, hidden))
        return ours - stability * masked[..., None] * ((q - q0) @ words)

    def run(updates: int) -> torch.Tensor:
        config = ClimbConfig(updates=updates, step_size=0.3, stability=stability)
        return climbed(hidden, log_prob, lambda h: h @ words.T, masked, config)

    assert torch.equal(run(0), hidden)
    first = analytic(hidden)
    one = hidden + 0.3 * first.sign()
    torch.testing.assert_close(run(1), one)
    second = analytic(one)
    two = one + 0.3 * second / (first.square() + second.square()).sqrt()
    torch.testing.assert_close(run(2), two, atol=1e-5, rtol=1e-5)
    assert bool((log_prob(run(2)) > log_prob(hidden)).all()) or stability


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("states")
    found = {"masked": fresh(place / "masked", MDLM)}
    train = TrainConfig(steps=2, batch=4)
    config = HeadConfig(steps=20, span_hidden=8, network=TINY, train=train)
    read = load_space(found["masked"], config, CPU)
    for kind in KINDS:
        folder = found[f"masked_head:{kind}"] = place / kind
        folder.mkdir()
        train_classifier(
            folder, kind, read, TEXTS, TEXTS, config, seed=0,
            examples=lambda seen: ((FieldValue(*text.fields[0]), text.words) for text in seen),
        )  # fmt: skip
    found["lengths"] = place / "lengths"
    found["lengths"].mkdir()
    (found["lengths"] / "lengths.json").write_text(json.dumps({"counts": {"2": 1, "4": 3}}))
    return found


def loaded(folders: dict[str, Path], task: str, cls: Any = NOS, **climb: Any) -> Any:
    settings = NOSSettings(nos=ClimbConfig(**climb))
    return cls.load(folders, load_task(task), settings, CPU)


def targets(task: str) -> list[Target]:
    return [Target(f"t{i}", control) for i, control in enumerate(ASKED[task])]


def made(method: Any, asked: Sequence[Target], **more: Any) -> dict[str, Any]:
    results = method.generate(asked, 3, seed=0, **more)
    return {one.target_id: [(s.words, s.nfe) for s in one.samples] for one in results}


@pytest.mark.parametrize("task", [task for task in ASKED if task != "length"])
def test_a_sample_depends_on_nothing_but_its_names(folders: dict[str, Path], task: str) -> None:
    """Equal for any batch and order; of words alone; each step asks the network once, and each head
    once an update."""
    method, asked = loaded(folders, task, updates=2, step_size=0.5), targets(task)
    whole = made(method, asked)
    assert made(method, asked[::-1], batch=1) == whole
    each = 1 + 2 * len(task.split("+"))
    for target in asked:
        for words, nfe in whole[target.id]:
            assert set(words) <= {"a", "b", "c", "."} and nfe == each * len(words)
            assert len(words) == (target.control.exact_words or len(words))


@pytest.mark.parametrize("task", ["parts_of_speech", "syntax_spans"])
def test_no_updates_are_no_guidance(folders: dict[str, Path], task: str) -> None:
    """Bit for bit what masked diffusion draws, and no head is read."""

    class Same(MDLM):
        name = "nos"

    alone = {role: folders[role] for role in ("masked",)}
    guidance = MDLMSettings().guidance
    plain = Same.load(alone, load_task("length"), MDLMSettings(guidance=guidance), CPU)
    assert made(loaded(alone, task, updates=0), targets(task)) == made(plain, targets(task))
    assert made(loaded(folders, task, updates=5, step_size=3.0), targets(task)) != made(
        plain, targets(task)
    )


def test_contexts_are_filled_in_unguided(folders: dict[str, Path]) -> None:
    method = loaded(folders, "infilling")
    (result,) = method.generate([Target("t", Infill(("a", "b"), ("c", ".")))], 3, seed=0)
    assert result.chosen in range(3) and {len(s.words) for s in result.samples} <= {2, 4}


def test_its_card_and_settings(folders: dict[str, Path]) -> None:
    card = METHODS.card("nos")
    trees = ("masked", "masked_head:syntax_spans")
    assert card.needs(load_task("syntax_tree"), NOSSettings()) == trees
    assert card.needs(load_task("length"), NOSSettings()) == ("masked",)
    assert card.needs(load_task("infilling"), NOSSettings()) == ("masked", "lengths")
    far = NOSSettings(nos=ClimbConfig(updates=9))
    assert card.resolve(far, load_task("parts_of_speech")) == far
    assert card.resolve(far, load_task("length")) == NOSSettings()
    plan = Plan(parse(["task=parts_of_speech", "method=nos"]))
    recipe = plan.role("masked_head", "parts_of_speech")
    assert recipe.deps["masked"] is plan.role("masked")
    for wrong in ({"updates": -1}, {"step_size": 0.0}, {"stability": -1.0}):
        with pytest.raises(UserError):
            ClimbConfig(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no noised attribute"):
        HeadConfig(noised_attribute=True)
    with pytest.raises(UserError, match="labels.json"):
        loaded(folders | {"masked_head:parts_of_speech": folders["masked"]}, "parts_of_speech")
