"""Diffuser as a generator: a sample depends on nothing but its names, all starts, guidance, traces,
and another method's samples edited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from edit_nets import CPU, WORDS, fresh, settings

from baselines import METHODS
from models.diffuser.card import CARDS, edited
from models.diffuser.method import Diffuser, Repairer
from models.diffuser.settings import DiffuserSettings, RepairSettings, RevisionGuidance
from models.nets.causal import train_lm
from models.nets.codec import WordCodec
from models.nets.config import LMConfig, TrainConfig
from tasks import load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import Infill, Length

TARGETS = [Target(f"t{n}", Length(n)) for n in (2, 9, 5)]
GAPS = [Target("g0", Infill(("a", "."), ("b", "."))), Target("g1", Infill(("c",), ("c", ".")))]
LENGTH, INFILLING = load_task("length"), load_task("infilling")
FEW = RevisionGuidance(candidates=3)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("diffuser")
    found = {"edit_model": fresh(place / "edit_model"), "lengths": place / "edit_model"}
    found["lm"] = place / "lm"
    found["lm"].mkdir()
    texts = [((), ("a", "b", ".")), ((), ("c", "."))]
    config = LMConfig(layers=1, width=16, heads=2, max_length=24, train=TrainConfig(steps=1))
    train_lm(found["lm"], texts, texts, WordCodec(WORDS), config, 0, device=CPU)
    return found


def made(folders: dict[str, Path], task: Any = LENGTH, **options: Any) -> Diffuser:
    given: dict[str, Any] = {"steps": 2, "guidance": FEW} | options
    return Diffuser.load(folders, task, DiffuserSettings(**given), CPU)


def words(method: Diffuser, targets: Any, count: int = 2, **more: Any) -> dict[str, Any]:
    return {
        one.target_id: [(s.words, s.nfe) for s in one.samples]
        for one in method.generate(targets, count, 0, **more)
    }


@pytest.mark.parametrize("start", ["nothing", "random", "draft"])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_sample_depends_on_nothing_but_its_names(
    start: str, weight: float, folders: dict[str, Path]
) -> None:
    method = made(folders, start=start, guidance=RevisionGuidance(weight, candidates=3))
    whole = words(method, TARGETS)
    assert whole == words(method, TARGETS, batch=1)
    assert {**words(method, TARGETS[:0:-1]), **words(method, TARGETS[:1], batch=3)} == whole
    assert all(text and nfe > 0 for rows in whole.values() for text, nfe in rows)


@pytest.mark.parametrize("decoding", ["sampled", "greedy", "beam"])
@pytest.mark.parametrize("start", ["nothing", "random", "draft"])
def test_middles_of_any_length(start: str, decoding: str, folders: dict[str, Path]) -> None:
    method = made(folders, INFILLING, start=start, decoding=decoding, beams=2, kept=2)
    whole = words(method, GAPS, 3)
    assert whole == words(method, GAPS[::-1], 3, batch=2)
    assert all(text and set(text) <= set("abc.") for rows in whole.values() for text, _ in rows)
    if (decoding, start) == ("sampled", "random"):
        assert len({len(text) for rows in whole.values() for text, _ in rows}) > 1


def test_guidance_prefers_what_is_asked_for(folders: dict[str, Path]) -> None:
    """More texts of about the right length than without, and in the end all of just that one."""

    def away(weight: float, steps: int = 3) -> float:
        guidance = RevisionGuidance(weight, candidates=8)
        found = words(made(folders, steps=steps, guidance=guidance), TARGETS, 4)
        wanted = {t.id: t.control.needed_words for t in TARGETS}
        return sum(abs(len(text) - wanted[k]) for k, rows in found.items() for text, _ in rows)

    assert away(5.0) < away(0.0)
    assert not away(5.0, steps=30)


@pytest.mark.parametrize("decoding", ["sampled", "greedy", "beam"])
def test_its_trace(decoding: str, folders: dict[str, Path]) -> None:
    """Every revision, from where it begins to what is generated."""
    method = made(folders, start="random", decoding=decoding, steps=3, beams=2)
    frames = method.trajectory(TARGETS[1], 0, 10)
    assert [one.t for one in frames] == [2, 1, 0, -1] and frames[-1].noise == 0
    assert len(frames[0].words) == 9
    assert frames[-1].words == words(method, TARGETS[1:2])["t9"][0][0]


def test_another_methods_samples_are_edited(folders: dict[str, Path], tmp_path: Path) -> None:
    place = tmp_path / "set" / "length" / "other"
    place.mkdir(parents=True)
    lines = [
        {"target": t.id, "index": i, "words": ["a", "zzz", "b"][: i + 2]}
        for t in TARGETS for i in range(2)
    ]  # fmt: skip
    (place / "samples.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    source = f"{tmp_path / 'set'}:other"
    options = RepairSettings(source=source, steps=1, guidance=FEW)
    assert edited(source, LENGTH) == place / "samples.jsonl"
    method = Repairer.load(folders, LENGTH, options, CPU)
    frames = method.trajectory(TARGETS[0], 0, 2)
    assert frames[0].words == ("a",)  # an unknown word is left out
    assert set(words(method, TARGETS)) == {"t2", "t9", "t5"}
    resolved = CARDS[1].resolve(options, LENGTH)
    assert len(resolved.edited) == 64
    with pytest.raises(UserError, match="no sample 2 of target t2"):
        words(method, TARGETS, 3)
    (place / "samples.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match="line 1 is no sample"):
        Repairer.load(folders, LENGTH, options, CPU)
    assert CARDS[1].resolve(options, LENGTH).edited != resolved.edited


def test_the_cards() -> None:
    card = METHODS.card("diffuser")
    assert card.needs(LENGTH, DiffuserSettings()) == ("edit_model",)
    assert card.needs(INFILLING, DiffuserSettings(start="draft")) == ("edit_model", "lengths", "lm")
    both = load_task("semantic_content+parts_of_speech")
    assert len(card.needs(both, DiffuserSettings())) == 3 and card.refuses(both) is None
    config: Any = type("Run", (), {"edit_model": settings()})
    assert card.room(config, LENGTH) == 14
    for wrong in ({"source": "results"}, {"top_p": 0.0}, {"steps": 0}):
        with pytest.raises(UserError):
            DiffuserSettings(**wrong)
    with pytest.raises(UserError, match="source=SET:METHOD"):
        METHODS.card("diffuser_repair").check(type("Run", (), {}), LENGTH)


def test_texts_that_do_not_fit(folders: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="needs 40 words"):
        words(made(folders), [Target("t", Length(40))])
    long = Target("g", Infill(("a",) * 8, ("b",) * 6))
    with pytest.raises(UserError, match="leave no room"):
        words(made(folders, INFILLING), [long])
