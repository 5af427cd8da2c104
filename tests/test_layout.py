"""Prompts of positions, as numbers and laid out with one token a position."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from baselines.autoregressive import prompts
from baselines.nado.config import SuccessConfig
from eval.running.plan import Plan
from eval.running.presets import demo
from models.nets.causal import load_lm, train_lm
from models.nets.codec import WordCodec
from models.nets.config import DiscriminatorConfig, LMConfig, TrainConfig, long_enough
from tasks import load_task
from tasks.base import LAYOUTS, Text
from tasks.controls import AllOf, Length, Span
from tasks.syntax_spans import SyntaxSpans
from tasks.targets import MAX_WORDS
from tasks.vocabulary import SPECIALS, Vocabulary

SPANS, LENGTH = load_task("syntax_spans"), load_task("length")
CODEC = WordCodec(Vocabulary([*SPECIALS, "a", "b"]))
TEXT = Text(("a", "b", "a"), tree="(S (NP (NN a)) (VP (NN b) (NP (NN a))))")


@pytest.mark.parametrize(
    ("start", "end", "laid"),
    [
        (3, 5, "_ _ _ B-PP I-PP E-PP"),
        (0, 0, "S-PP"),
        (1, 2, "_ B-PP E-PP"),
        (2, 6, "_ _ B-PP I-PP I-PP I-PP E-PP"),
    ],
)
def test_spans_are_laid_out_word_by_word(start: int, end: int, laid: str) -> None:
    span = Span(start, end, "PP")
    assert SPANS.laid("positions").prompt(span) == laid.split()
    assert SPANS.prompt(span) == [str(start), str(end), "PP"], "the task itself is as it was"
    assert len(laid.split()) == end + 1, "the last token stands where the span ends"


def test_lengths_are_laid_out_word_by_word() -> None:
    assert LENGTH.laid("positions").prompt(Length(4)) == ["_"] * 4
    assert LENGTH.laid("positions").laid("numbers").prompt(Length(4)) == ["4"]


@pytest.mark.parametrize("task", [SPANS, LENGTH], ids=lambda task: task.name)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_prompt_has_its_tokens(task: SyntaxSpans, layout: str) -> None:
    one = task.laid(layout)
    tokens = one.prompt_tokens([TEXT])
    assert len(set(tokens)) == len(tokens)
    controls = [control for control, _ in one.examples([TEXT], 0)]
    assert controls
    for control in controls:
        assert set(one.prompt(control)) <= set(tokens)


def test_no_token_means_one_thing_in_each_layout() -> None:
    """The prompts of a network say which layout it reads."""
    for task in (SPANS, LENGTH):
        read = [set(task.laid(layout).prompt_tokens([TEXT])) for layout in LAYOUTS]
        assert read[0].isdisjoint(read[1])


def test_a_task_of_one_layout_stays_as_it_is() -> None:
    for name in ("semantic_content", "parts_of_speech", "syntax_tree"):
        task = load_task(name)
        assert task.laid("positions") is task


def test_the_longest_prompt_fits_with_the_longest_text() -> None:
    for config in (LMConfig(max_length=64), DiscriminatorConfig(max_length=64), SuccessConfig()):
        wide = long_enough(type(config)(max_length=64, layout="positions"), SPANS)
        assert wide.max_length >= MAX_WORDS + 1 + MAX_WORDS + 1
        assert long_enough(config, SPANS) is config
    assert long_enough(LMConfig(layout="positions"), load_task("semantic_content")) == LMConfig()


def test_only_networks_that_read_positions_are_others() -> None:
    config = demo()
    other = config.having(
        **{
            name: type(one)(**{**vars(one), "layout": "positions"})
            for name in ("finetune", "discriminator")
            for one in [getattr(config, name)]
        }
    )
    for role in ("finetuned", "discriminator", "antiexpert"):
        for task in ("syntax_spans", "length", "semantic_content", "syntax_tree"):
            old, new = (Plan(one).role(f"{role}:{task}") for one in (config, other))
            assert (old.key != new.key) == (task in ("syntax_spans", "length")), (role, task)
            asked = new.spec.config.get("layout")
            assert asked == ("positions" if old.key != new.key else None)
            assert "layout" not in old.spec.config, "as it was before there were layouts"


def test_networks_are_asked_in_the_layout_of_their_training(tmp_path: Path) -> None:
    train = TrainConfig(steps=1, batch=2, every=1, bf16=False)
    codecs = {}
    for layout in LAYOUTS:
        task = SPANS.laid(layout)
        pairs = [(task.prompt(control), words) for control, words in task.examples([TEXT], 0)]
        codec, folder = CODEC.with_prompt(task.prompt_tokens([TEXT])), tmp_path / layout
        folder.mkdir()
        config = long_enough(LMConfig(1, 8, 2, 0.0, 8, layout=layout, train=train), SPANS)
        train_lm(folder, pairs, [], codec, config, 0, device=torch.device("cpu"))
        _, codecs[layout], stored = load_lm(folder, torch.device("cpu"))
        assert stored.layout == layout
    span = Span(1, 2, "NP")
    for layout, codec in codecs.items():
        head = prompts(SPANS, span, [codec])[0]
        said = [codec.prompt[i - codec.text_size] for i in head[:-1]]
        assert said == SPANS.laid(layout).prompt(span)
    # each part of a composition by its own network
    both = load_task("syntax_spans+length")
    lengths = CODEC.with_prompt(LENGTH.prompt_tokens([TEXT]))
    heads = prompts(both, AllOf((span, Length(3))), [codecs["positions"], lengths])
    assert [len(head) for head in heads] == [4, 2]
