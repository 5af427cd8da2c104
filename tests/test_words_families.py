"""What every family of discrete diffusion keeps, with small untrained networks: a sample depends on
nothing but its names, lengths and contexts are exact, evaluations are counted, files that do not
fit are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from word_nets import CPU, TINY, WORDS, fresh

from baselines import METHODS
from models.diffusion.classifiers.training import train_classifier
from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import WordClassifierConfig, WordGuidanceConfig
from models.diffusion.words.noising import space
from models.nets.config import TrainConfig
from models.sundae import SundaeConfig
from tasks import load_task
from tasks.base import Target, Text
from tasks.common.errors import UserError
from tasks.controls import AllOf, Control, FieldValue, Infill, Length, ParseTree, Span, TagSequence
from tasks.vocabulary import Vocabulary

#: those that classifiers of words guide
FAMILIES = [
    name
    for name in METHODS
    if isinstance(METHODS.card(name), WordsCard) and CLASSIFIER in METHODS.card(name).brings
]
MASKED = ["mdlm", "maskgit", "remdm", "ardm"]
TEXTS = [
    Text(
        (x, y, "."), f"(S (NP (N {x})) (VP (V {y})) (. .))", ("NOUN", "VERB", "PUNCT"),
        (("name", x),),
    )
    for x in "abc" for y in "abc"
]  # fmt: skip
KINDS = ("syntax_spans", "parts_of_speech", "semantic_content")
TAGS = TagSequence(("NOUN", "VERB", "PUNCT"))
TREE = ParseTree("(S (NP (NN *)) (VP (NN *)) (NN *))")
#: task -> controls and how many words each asks for (None: any)
ASKED: dict[str, list[tuple[Control, int | None]]] = {
    "length": [(Length(n), n) for n in (2, 9, 5)],
    "parts_of_speech": [(TAGS, 3), (TagSequence(("NOUN", "PUNCT")), 2)],
    "syntax_tree": [(TREE, 3)],
    "syntax_spans": [(Span(0, 2, "NP"), None)],
    "semantic_content": [(FieldValue("name", "b"), None), (FieldValue("name", "c"), None)],
    "semantic_content+parts_of_speech": [(AllOf((FieldValue("name", "a"), TAGS)), 3)],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A fresh network of each family, by role, hardly trained classifiers, and lengths."""
    place = tmp_path_factory.mktemp("words")
    found = {}
    for name in FAMILIES:
        role = METHODS.card(name).network
        if role not in found:
            found[role] = fresh(place / role, METHODS.load(name))
    config = WordClassifierConfig(
        steps=20, length=16, span_hidden=8, network=TINY, train=TrainConfig(steps=2, batch=4)
    )
    texts = space(WORDS, 16, 20, CPU)
    for kind in KINDS:
        folder = found[f"word_classifier:{kind}"] = place / kind
        folder.mkdir()
        train_classifier(
            folder, kind, texts, TEXTS, TEXTS, config, seed=0,
            examples=lambda seen: (
                (FieldValue(*text.fields[0]), text.words) for text in seen
            ),
        )  # fmt: skip
    found["lengths"] = place / "lengths"
    found["lengths"].mkdir()
    (found["lengths"] / "lengths.json").write_text(json.dumps({"counts": {"2": 1, "4": 3}}))
    found["masked_losses"] = place / "losses"
    found["masked_losses"].mkdir()
    (found["masked_losses"] / "losses.json").write_text('{"nats": [0.2, 0.4, 1.1, 1.2]}')
    return found


def loaded(name: str, folders: dict[str, Path], task: str, **settings: Any) -> Any:
    method = METHODS.load(name)
    guidance = WordGuidanceConfig(**settings.pop("guidance", {"candidates": 3}))
    chosen = method.card.Settings(**{"steps": 5} | settings, guidance=guidance)
    return method.load(folders, load_task(task), chosen, CPU)


def targets(task: str) -> list[Target]:
    return [Target(f"t{i}", control) for i, (control, _) in enumerate(ASKED[task])]


def asked_of(target: Target) -> int | None:
    return target.control.exact_words


def made(method: Any, asked: Sequence[Target], samples: int = 2, **more: Any) -> dict[str, Any]:
    results = list(method.generate(asked, samples, seed=0, **more))
    assert [one.target_id for one in results] == [one.id for one in asked]
    return {one.target_id: [(s.words, s.nfe) for s in one.samples] for one in results}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("task", ["length", "parts_of_speech", "semantic_content+parts_of_speech"])
def test_a_sample_depends_on_nothing_but_its_names(
    folders: dict[str, Path], name: str, task: str
) -> None:
    """Equal, evaluations too, for any batch, order of targets and shard."""
    method, asked = loaded(name, folders, task), targets(task)
    whole = made(method, asked)
    assert made(method, asked[::-1], batch=1) == whole
    assert made(method, asked, batch=3) == whole
    assert made(method, asked[-1:]) == {asked[-1].id: whole[asked[-1].id]}
    assert whole != made(loaded(name, folders, task), asked, samples=3)


@pytest.mark.parametrize("name", ["mdlm", "udlm"])
def test_first_order_guidance_is_as_independent(folders: dict[str, Path], name: str) -> None:
    method = loaded(name, folders, "parts_of_speech", guidance={"kind": "first"})
    asked = targets("parts_of_speech")
    whole = made(method, asked)
    assert made(method, asked[::-1], batch=1) == whole


@pytest.mark.parametrize("name", MASKED)
def test_a_network_that_is_told_the_time(
    folders: dict[str, Path], name: str, tmp_path: Path
) -> None:
    """It is told the share of each row's masks: rows beside it and the order play no part."""
    method = METHODS.load(name)
    folders = folders | {method.card.network: fresh(tmp_path, method, time=True)}
    way, asked = loaded(name, folders, "length", steps=64), targets("length")
    whole = made(way, asked)
    assert made(way, asked[::-1], batch=1) == whole
    if name == "mdlm":
        assert [[nfe for _, nfe in whole[f"t{i}"]] for i in range(3)] == [[2] * 2, [9] * 2, [5] * 2]
    with pytest.raises(UserError, match="has no time"):
        SundaeConfig(time=True)


@pytest.mark.parametrize(
    ("name", "task"),
    [(name, "length") for name in FAMILIES]
    + [(name, task) for name in ("mdlm", "udlm") for task in ASKED if task != "length"],
)
def test_as_many_words_as_are_asked_for(folders: dict[str, Path], name: str, task: str) -> None:
    """And no other ids than words of texts."""
    found = made(loaded(name, folders, task), targets(task))
    for i, (control, words) in enumerate(ASKED[task]):
        for text, _ in found[f"t{i}"]:
            assert set(text) <= {"a", "b", "c", "."}
            least = control.needed_words
            assert len(text) == words if words else max(2, least) <= len(text) <= 6


@pytest.mark.parametrize("name", FAMILIES)
def test_contexts_are_never_changed(
    folders: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every text that the network reads has them bit for bit; one middle is the answer."""
    method = loaded(name, folders, "infilling")
    states: list[Tensor] = []
    module = method.decoder.reader.module
    inner = module.forward

    def spy(ids: Tensor, *rest: Any) -> Tensor:
        states.append(ids[ids[:, 0] == 0])
        return inner(ids, *rest)  # type: ignore[no-any-return]

    monkeypatch.setattr(module, "forward", spy)
    asked = [Target("t0", Infill(("a", "b"), ("c", "a"))), Target("t1", Infill(("c",), (".",)))]
    results = list(method.generate(asked, 3, seed=0))
    for result in results:
        assert result.chosen in range(3)
        assert {len(s.words) for s in result.samples} <= {2, 4}
        assert all(s.tokens == s.words for s in result.samples)
    frames = {
        (tuple(WORDS.encode(left)), tuple(WORDS.encode(right)))
        for left, right in ((("a", "b"), ("c", "a")), (("c",), (".",)))
    }
    for row in torch.nn.utils.rnn.pad_sequence(
        [one for state in states for one in state if one.any()], batch_first=True, padding_value=3
    ).tolist():
        text = row[1 : row.index(1)]
        assert any(
            tuple(text[: len(left)]) == left and tuple(text[-len(right) :]) == right
            for left, right in frames
        )
    again = list(method.generate(asked[::-1], 3, seed=0, batch=1))[::-1]
    assert [[s.words for s in one.samples] for one in again] == [
        [s.words for s in one.samples] for one in results
    ]


def test_evaluations_are_what_is_spent(folders: dict[str, Path]) -> None:
    def spent(name: str, task: str = "length", **settings: Any) -> list[set[float]]:
        found = made(loaded(name, folders, task, **settings), targets(task))
        return [{nfe for _, nfe in samples} for samples in found.values()]

    assert spent("mdlm", steps=64) == [{2.0}, {9.0}, {5.0}]  # a call for each word
    assert spent("mdlm", steps=4) == [{2.0}, {4.0}, {4.0}]
    assert spent("ardm", steps=4) == [{2.0}, {4.0}, {4.0}]
    assert spent("maskgit", steps=4) == [{2.0}, {4.0}, {4.0}]
    assert spent("udlm", steps=7) == [{7.0}] * 3
    assert all(1 <= nfe <= 7 for counts in spent("remdm", steps=7) for nfe in counts)
    # three and two words: each is called for, and proposed three times, with one gradient
    assert spent("mdlm", "parts_of_speech", steps=64) == [{15.0}, {10.0}]
    likely = {"candidates": 3, "proposals": "likely"}
    assert spent("mdlm", "parts_of_speech", steps=64, guidance=likely) == [{12.0}, {8.0}]
    first = {"kind": "first"}
    assert spent("mdlm", "parts_of_speech", steps=64, guidance=first) == [{6.0}, {4.0}]
    # two classifiers
    assert spent("mdlm", "semantic_content+parts_of_speech", steps=64, guidance=likely) == [{21.0}]


@pytest.mark.parametrize("name", FAMILIES)
def test_no_weight_is_no_guidance(folders: dict[str, Path], name: str) -> None:
    """Bit for bit, and no classifier is read."""
    card = METHODS.card(name)
    alone = {role: folders[role] for role in (card.network, *card.uses)}
    off = made(loaded(name, alone, "parts_of_speech", guidance={"weight": 0.0}), targets("length"))
    assert off == made(loaded(name, folders, "length"), targets("length"))


@pytest.mark.parametrize("name", ["mdlm", "sedd_uniform"])
def test_files_that_do_not_fit_are_refused(
    folders: dict[str, Path], name: str, tmp_path: Path
) -> None:
    """Damaged, cut short, or with another vocabulary: one line each."""
    card = METHODS.card(name)

    def refused(match: str, role: str = card.network, task: str = "length", **files: Any) -> None:
        place = tmp_path / "copy"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folders[role], place)
        for file, content in files.items():
            path = place / file.replace("_", ".")
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content(path.read_bytes()) if callable(content) else content)
        with pytest.raises(UserError, match=match) as error:
            loaded(name, folders | {role: place}, task)
        assert "\n" not in str(error.value)

    refused("damaged or missing weights", weights_safetensors=lambda data: data[:-50])
    refused("damaged or missing weights", weights_safetensors=None)
    refused("cannot read .*config.json", config_json=b"{")
    refused("lengths.json", lengths_json=None)
    refused("counts no sentence", lengths_json=b'{"counts": {}}')
    place = tmp_path / "words.json"
    Vocabulary([*WORDS.words, "more"]).save(place)
    refused("weights.safetensors .*", vocabulary_json=place.read_bytes())
    role = f"{CLASSIFIER.name}:parts_of_speech"
    refused("labels.json", role, "parts_of_speech", labels_json=b"[")
    refused("config.json", role, "parts_of_speech", config_json=b"{}}")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_network_of_another_family_is_refused(folders: dict[str, Path], name: str) -> None:
    network = METHODS.card(name).network
    for other in {METHODS.card(one).network for one in FAMILIES} - {network}:
        with pytest.raises(UserError, match=r"was made for kind=|does not fit|cannot read"):
            loaded(name, folders | {network: folders[other]}, "length")


def test_a_classifier_of_another_length_or_vocabulary_is_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    longer = fresh(tmp_path / "longer", METHODS.load("mdlm"), length=24)
    with pytest.raises(UserError, match="was made for length=16, not 24"):
        loaded("mdlm", folders | {"masked": longer}, "parts_of_speech")


def test_what_does_not_fit_a_network_is_named(folders: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="target long needs 15 words; this network has 14"):
        made(loaded("mdlm", folders, "length"), [Target("long", Length(15))])
    context = Infill(("a",) * 7, ("b",) * 6)
    with pytest.raises(UserError, match="target t leave no room|target t: 13 words around"):
        list(loaded("mdlm", folders, "infilling").generate([Target("t", context)], 1, seed=0))
