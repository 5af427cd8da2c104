"""Left-only: the plain sampler's words up to the first mark, whatever stands on the right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from carded import needs, refuses
from fetching import CODEC, CPU, TARGETS, make_lm

from baselines.candidates import first_sentence
from baselines.left_only.method import LeftOnly
from baselines.left_only.settings import LeftOnlySettings
from models.base import sample_rng
from models.nets.causal import load_lm
from models.nets.decoding import sample
from tasks import load_task
from tasks.base import Target, Words
from tasks.common.errors import UserError
from tasks.controls import Infill, Length
from tasks.vocabulary import UNK

LONGEST = 9


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lm")
    make_lm(folder)
    return folder


def left_only(folder: Path, **options: Any) -> LeftOnly:
    settings = LeftOnlySettings(**{"max_words": LONGEST, "temperature": 1.5, **options})
    return LeftOnly.load({"lm": folder}, load_task("length"), settings, CPU)


def content(generator: LeftOnly, targets: list[Target], batch: int = 64) -> dict[str, list[Words]]:
    found = generator.generate(targets, 3, seed=3, batch=batch)
    return {r.target_id: [s.tokens for s in r.samples] for r in found}


def always(generator: LeftOnly, token: int) -> None:
    """Makes the network say one token."""
    head = torch.nn.Linear(32, len(CODEC))
    torch.nn.init.zeros_(head.weight)
    head.bias.data[token] = 99.0
    generator.model.network.lm_head = head.requires_grad_(False)


def test_samples_are_those_of_the_plain_sampler(folder: Path) -> None:
    """Cut after the first mark, or at the longest sentence; the first one is the answer."""
    model, codec, _ = load_lm(folder, CPU)
    control = TARGETS[0].control
    assert isinstance(control, Infill)
    head = [codec.bos, *codec.encode(control.left)]
    streams = [sample_rng(3, "left_only", "t00", i) for i in range(24)]
    draws = [torch.rand(LONGEST + 1, dtype=torch.float64, generator=rng) for rng in streams]
    plain = sample(
        model, [head] * 24, torch.stack(draws), codec.eos, [*codec.forbidden, UNK], temperature=1.5
    )
    (found,) = left_only(folder).generate(TARGETS[:1], 24, seed=3)
    assert found.chosen == 0 and [one.index for one in found.samples] == [*range(24)]
    for one, ids in zip(found.samples, plain, strict=True):
        words = first_sentence(codec.words(ids))[:LONGEST]
        assert one.words == words and one.tokens[: len(words)] == words
        assert one.nfe == len(one.tokens)
        if words[-1:] == (".",):
            assert one.tokens == words  # no token is spent behind the mark
    assert sum(one.words[-1:] == (".",) for one in found.samples) > 12
    assert any(first_sentence(codec.words(ids)) != codec.words(ids) for ids in plain)


def test_samples_depend_on_nothing_but_their_names(folder: Path) -> None:
    """Neither on the right context, nor on the batch, the other targets or their order."""
    generator = left_only(folder)
    whole = content(generator, TARGETS)
    moved = [
        replace(target, control=Infill(target.control.left, ("!",)))  # type: ignore[attr-defined]
        for target in TARGETS
    ]
    assert content(generator, moved) == whole and list(whole) == [t.id for t in TARGETS]
    assert content(generator, TARGETS, batch=1) == whole
    assert content(generator, TARGETS[::-3]) == {t.id: whole[t.id] for t in TARGETS[::-3]}


def test_a_sample_may_end_at_once(folder: Path) -> None:
    """Eos first: a candidate without words."""
    generator = left_only(folder)
    always(generator, CODEC.eos)
    (found,) = generator.generate(TARGETS[:1], 1, seed=0)
    assert found.samples[0].words == () and found.samples[0].tokens == ("END",)


def test_a_sample_without_mark_is_cut(folder: Path) -> None:
    generator = left_only(folder)
    always(generator, CODEC.encode(["tea"])[0])
    (found,) = generator.generate(TARGETS[:1], 1, seed=0)
    assert found.samples[0].words == ("tea",) * LONGEST


@pytest.mark.parametrize("unk", ["avoid", "keep"])
def test_unk_comes_out_only_where_it_may(folder: Path, unk: str) -> None:
    generator = left_only(folder, unk=unk)
    always(generator, UNK)
    (found,) = generator.generate(TARGETS[:1], 2, seed=0)
    assert all(("UNK" in one.words) is (unk == "keep") for one in found.samples)


def test_repair_reads_the_left_context_alone(folder: Path) -> None:
    class Repair:
        def repair(self, left: Words, middle: Words, right: Words) -> Words:
            assert left == TARGETS[0].control.left and right == ()  # type: ignore[attr-defined]
            return ("repaired", *middle[1:])

    generator = left_only(folder, unk="keep")
    generator.repair = Repair()  # type: ignore[assignment]
    (found,) = generator.generate(TARGETS[:1], 2, seed=0)
    assert all(one.words[0] == "repaired" for one in found.samples)


def test_errors(folder: Path) -> None:
    far = Target("far", Infill(("a",) * 23, ("she",)))
    with pytest.raises(UserError, match="far: its left context takes 24 tokens"):
        list(left_only(folder).generate([far], 1, seed=0))
    with pytest.raises(UserError, match="target t: infilling cannot read"):
        list(left_only(folder).generate([Target("t", Length(3))], 1, seed=0))
    wrong: list[dict[str, Any]] = [{"top_p": 0.0}, {"max_words": 0}, {"unk": "repair"}]
    for options in wrong:
        with pytest.raises(UserError):
            LeftOnlySettings(**options)
    assert refuses(LeftOnly, "length") == "it fills in sentences only"
    assert refuses(LeftOnly, "infilling") is None and needs(LeftOnly, "infilling") == ("lm",)
