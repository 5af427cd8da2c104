"""The texts that training curves are drawn on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eval.running.plan import Plan
from eval.running.presets import demo
from models.nets.recipes import examples
from tasks import load_task
from tasks.base import Corpus, Text
from tasks.corpora.stored import VALID, held_out, write_corpus


def corpus(valid: int) -> Corpus:
    """Held-out texts in the order of their lengths, as a file may be."""
    texts = tuple(Text((f"w{i}",) * (1 + i // 100)) for i in range(valid))
    return Corpus("toy", texts[:3], texts)


def test_they_are_drawn_from_all_over_a_file() -> None:
    ordered = corpus(4000)
    drawn = held_out(ordered)
    assert len(drawn) == len({text.words for text in drawn}) == VALID
    assert set(drawn) <= set(ordered.valid)
    rows = [int(text.words[0][1:]) for text in drawn]
    # the mean of 512 of 4,000 rows, and of the first 128 of these, which some curves are of
    for some in (rows, rows[:128]):
        error = 4000 / np.sqrt(12 * len(some))
        assert abs(np.mean(some) - 2000) < 4 * error
    assert held_out(ordered) == drawn, "always the same"


def test_few_texts_are_all_there() -> None:
    few = corpus(20)
    assert sorted(held_out(few), key=str) == sorted(few.valid, key=str)


def test_networks_are_validated_on_them(tmp_path: Path) -> None:
    ordered = corpus(1000)
    write_corpus(tmp_path, ordered)
    _, valid = examples(load_task("length"), {"texts": tmp_path}, 0)
    assert [words for _, words in valid] == [text.words for text in held_out(ordered)]


def test_diffusion_lm_is_validated_on_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.diffusion.latents import training

    ordered, given = corpus(1000), list[Any]()
    write_corpus(tmp_path, ordered)
    monkeypatch.setattr(training, "train_diffusion", lambda *args, **more: given.append(args))
    monkeypatch.setattr("models.diffusion.latents.role.read_vocabulary", lambda folder: None)
    plan = Plan(demo())
    plan.__dict__["device"] = torch.device("cpu")
    plan.role("diffusion").build(tmp_path, dict.fromkeys(("corpus", "vocabulary"), tmp_path), print)
    ((_, train, valid, *_),) = given
    assert train == [text.words for text in ordered.train]
    assert valid == [text.words for text in held_out(ordered)]
