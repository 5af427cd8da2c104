"""COLD as a method: what it finds, and samples that depend on their own names alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from carded import refuses
from torch import Tensor

from baselines.cold import method as cold
from baselines.cold.energy import Energy
from baselines.cold.keywords import keywords
from baselines.cold.method import Cold
from baselines.cold.rounding import round_off
from baselines.cold.settings import ColdSettings
from models.base import TargetSamples
from models.nets.causal import train_lm
from models.nets.codec import WordCodec
from models.nets.config import LMConfig, TrainConfig
from tasks.base import Target, Words
from tasks.common.errors import UserError
from tasks.controls import Infill, Length
from tasks.infilling import Infilling
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
#: story -> (first sentence, middle, last sentence): what the first sentence leaves open, the last
#: one decides
STORIES: dict[tuple[str, str], str] = {
    ("Ann", "wet"): "swam",
    ("Ann", "tired"): "ran",
    ("Bob", "full"): "ate",
    ("Bob", "rich"): "sold",
}
NAMES = ("Ann", "Bob")
CODEC = WordCodec(
    Vocabulary(
        [*SPECIALS, *NAMES, *(end for _, end in STORIES), *STORIES.values(), "went", "out", "."]
    )
)


def parts(name: str, end: str) -> tuple[Words, Words, Words]:
    extra = ("went",) if name == "Bob" else ()  # contexts of unlike lengths
    return (name, *extra, "out", "."), (name, STORIES[name, end], "."), (name, end, ".")


TARGETS = [Target(f"{name}-{end}", Infill(*parts(name, end)[::2])) for name, end in STORIES]
ANSWERS = {f"{name}-{end}": parts(name, end)[1] for name, end in STORIES}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("artefacts")
    found = {role: root / role for role in ("lm", "backward_lm")}
    stories = [sum(parts(*key), ()) for key in STORIES] * 8
    train = TrainConfig(steps=150, batch=8, lr=5e-3, every=150, bf16=False)
    for role, folder in found.items():
        folder.mkdir()
        step = 1 if role == "lm" else -1
        data = [((), words[::step]) for words in stories]
        train_lm(folder, data, [], CODEC, LMConfig(2, 32, 2, 0.0, 32, train=train), 0, device=CPU)
    return found


QUICK = ColdSettings(length=3, iterations=30, max_words=6)


def make(folders: Mapping[str, Path], settings: ColdSettings = QUICK) -> Cold:
    return Cold.load(folders, Infilling(), settings, CPU)


def content(found: list[TargetSamples]) -> dict[str, list[Words]]:
    return {one.target_id: [sample.words for sample in one.samples] for one in found}


def test_it_finds_the_word_that_suits_both_sides(folders: dict[str, Path]) -> None:
    """The language model alone gives both endings of a name the same middle."""
    found = list(make(folders, replace(QUICK, iterations=150)).generate(TARGETS, 4, seed=0))
    chosen = {one.target_id: one.samples[one.chosen or 0].words for one in found}
    assert chosen == ANSWERS
    # most chains, and not only the best ranked ones
    every = [words == ANSWERS[name] for name, rows in content(found).items() for words in rows]
    assert sum(every) >= 0.75 * len(every)
    plain = make(folders, replace(QUICK, iterations=0))
    unguided = {one.target_id: one.samples[0].words for one in plain.generate(TARGETS, 1, seed=0)}
    assert len(set(unguided.values())) == len(NAMES)


def test_a_sample_depends_on_its_names_alone(folders: dict[str, Path]) -> None:
    method = make(folders)
    whole = content(list(method.generate(TARGETS, 4, seed=3, batch=16)))
    single = content(list(method.generate(TARGETS[:3], 2, seed=3, batch=1)))
    assert single == {one.id: whole[one.id][:2] for one in TARGETS[:3]}
    some = content(list(method.generate(TARGETS[::-2], 3, seed=3)))
    assert some == {one.id: whole[one.id][:3] for one in TARGETS[::-2]}


def test_optimised_logits_depend_on_their_names_alone(folders: dict[str, Path]) -> None:
    """Words hide small differences; logits do not: not of the batch, and not of the seed."""
    method, seen = make(folders, replace(QUICK, iterations=10)), []

    def spy(energy: Energy, y: Tensor, limits: list[int], marks: list[int]) -> list[list[int]]:
        seen.append(y[: len(limits)].clone())
        return round_off(energy, y, limits, marks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cold, "round_off", spy)
        list(method.generate(TARGETS[1:], 3, seed=3, batch=16))
        list(method.generate(TARGETS[1:], 3, seed=3, batch=1))
        list(method.generate(TARGETS[1:], 3, seed=4, batch=16))
    together, apart, other = seen[0], torch.cat(seen[1:-1]), seen[-1]
    assert together.shape == apart.shape and len(together) == 9
    assert torch.equal(together, apart)
    assert not torch.equal(together[0], together[1])
    assert together.shape == other.shape and not torch.equal(together, other)


def test_samples_are_sentences_and_counted(folders: dict[str, Path]) -> None:
    found = list(make(folders).generate(TARGETS[:2], 3, seed=1))
    for one in found:
        assert one.chosen is not None and 0 <= one.chosen < 3
        for sample in one.samples:
            assert 1 <= len(sample.words) <= 6
            assert "." not in sample.words[:-1] and "UNK" not in sample.words
            assert sample.nfe == 3 + 30 * 3 + len(sample.tokens)
    assert list(make(folders).generate([], 3, seed=1)) == []


def test_a_target_has_no_more_samples_than_chains(folders: dict[str, Path]) -> None:
    limited = make(folders, replace(QUICK, chains=2))
    assert content(list(limited.generate(TARGETS[:2], 5, seed=1))) == content(
        list(make(folders).generate(TARGETS[:2], 2, seed=1))
    )


def test_without_room_for_a_mark_the_middle_stays_as_it_is(folders: dict[str, Path]) -> None:
    method = make(folders, replace(QUICK, length=2, max_words=2, iterations=2))
    (one,) = method.generate(TARGETS[:1], 2, seed=0)
    assert all(len(sample.words) == 2 for sample in one.samples)


def test_empty_middles_lose(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(energy: Energy, y: Tensor, limits: list[int], marks: list[int]) -> list[list[int]]:
        return [[], *round_off(energy, y, limits, marks)[1:]] if len(limits) > 1 else [[]]

    monkeypatch.setattr(cold, "round_off", empty)
    (one,) = make(folders).generate(TARGETS[:1], 3, seed=0)
    assert one.samples[0].words == () and one.chosen != 0
    (one,) = make(folders).generate(TARGETS[:1], 1, seed=0)
    assert one.samples[0].words == () and one.chosen == 0


class Repair:
    """Stands in for the masked language model."""

    def repair(self, left: Words, middle: Words, right: Words) -> Words:
        return tuple(f"{left[0]}+{right[0]}" if word == "UNK" else word for word in middle)


def test_unknown_words_are_avoided_kept_or_repaired(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = CODEC.encode(["UNK"])[0]
    assert unknown not in make(folders).words
    method = make(folders, replace(QUICK, unk="keep", iterations=1))
    row = [method.index[unknown], method.marks[0]]
    monkeypatch.setattr(cold, "round_off", lambda energy, y, limits, marks: [row] * len(limits))
    (one,) = method.generate(TARGETS[:1], 1, seed=0)
    assert one.samples[0].words == ("UNK", ".")
    method.repair = Repair()  # type: ignore[assignment]
    (one,) = method.generate(TARGETS[:1], 1, seed=0)
    assert one.samples[0].words == ("Ann+Ann", ".")


def test_no_keywords_in_the_right_context(folders: dict[str, Path]) -> None:
    target = Target("bare", Infill(("Ann", "out", "."), ("Ann", "out", ".")))
    (one,) = make(folders).generate([target], 2, seed=0)
    assert all(sample.words for sample in one.samples)


def test_unknown_words_of_the_contexts_are_no_keywords(folders: dict[str, Path]) -> None:
    method = make(folders)
    assert method._keywords(("Ann", "."), ("zebras", "wet", "Ann")) == [
        method.index[CODEC.encode(["wet"])[0]]
    ]


def test_what_it_refuses(folders: dict[str, Path], tmp_path: Path) -> None:
    assert refuses(Cold, "infilling") is None
    assert "sentences only" in str(refuses(Cold, "length"))
    method = make(folders)
    long = Target("long-one", Infill(("out",) * 20, ("Ann", ".") * 10))
    with pytest.raises(UserError, match="target long-one takes 44 tokens.*read 32"):
        list(method.generate([*TARGETS, long], 1, seed=0))
    with pytest.raises(UserError, match="target t: infilling cannot read"):
        list(method.generate([Target("t", Length(5))], 1, seed=0))
    other = WordCodec(Vocabulary([*SPECIALS, "else", "."]))
    train = TrainConfig(steps=1, batch=1, every=1, bf16=False)
    config = LMConfig(1, 8, 1, 0.0, 32, train=train)
    train_lm(tmp_path, [((), ("else", "."))], [], other, config, 0, device=CPU)
    with pytest.raises(UserError, match="different vocabularies"):
        make({**folders, "backward_lm": tmp_path})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": (1.0,)}, "noise has 1 entries and noise_from 5"),
        ({"noise": (-1.0,), "noise_from": (0,)}, r"noise=\(-1.0,\): at least 0"),
        ({"noise": (1.0, 0.5), "noise_from": (50, 0)}, "must be increasing"),
        ({"length": 0}, "length=0: at least 1"),
        ({"length": 50}, "length 50 is more than max_words 40"),
        ({"iterations": -1}, "iterations=-1: at least 0"),
        ({"left_right": 1.2}, "left_right=1.2: from 0 to 1"),
        ({"constraint": -0.1}, "constraint=-0.1: from 0 to 1"),
        ({"temperature": 0.0}, "temperature=0.0: at least 1e-06"),
        ({"unk": "repair"}, "unk=repair needs repair_model"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ColdSettings(**options)  # type: ignore[arg-type]


def test_keywords() -> None:
    left = ("Mia", "had", "a", "dog", ".")
    right = ("The", "dog", "was", "not", "barking", "at", "Tom", "!")
    assert keywords(left, right) == ("barking", "Tom")
    assert keywords(left, ("Barking", "barking", "Mia", ".")) == ("Barking",)
