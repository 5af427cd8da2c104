"""Training and loading the classifiers on tiny networks: what they learn, and what is refused."""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch

from models.diffusion.classifiers import training
from models.diffusion.classifiers.attribute import AttributeGuide, AttributeTokens
from models.diffusion.classifiers.kinds import GUIDED_BY
from models.diffusion.classifiers.training import (
    load_classifier,
    load_guide,
    train_classifier,
)
from models.diffusion.config import ClassifierConfig
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.diffusion import load_space
from models.diffusion.latents.training import train_diffusion
from models.nets.config import EncoderConfig, TrainConfig
from tasks.base import Text, Words
from tasks.common.errors import UserError
from tasks.controls import Control, FieldValue, ParseTree, Span, TagSequence
from tasks.vocabulary import Vocabulary

CPU = torch.device("cpu")
NETWORK = EncoderConfig(
    layers=1, width=32, heads=2, feedforward=64, dropout=0.0, attention_dropout=0.0
)
CONFIG = ClassifierConfig(
    steps=20,
    span_hidden=16,
    noised_attribute=False,
    network=NETWORK,
    train=TrainConfig(steps=200, lr=5e-3, every=100),
)
NAMES, VERBS = ("cat", "dog", "fox", "hen"), {"sleeps": "low", "barks": "high"}
TEXTS = [
    Text(
        ("the", name, verb),
        f"(S (NP (DT the) (NN {name})) (VP (VBZ {verb})))",
        ("DET", "NOUN", "VERB"),
        (("animal", name), ("noise", VERBS[verb])),
    )
    for name in NAMES
    for verb in VERBS
] + [
    Text(
        (name, verb),
        f"(S (NP (NN {name})) (VP (VBZ {verb})))",
        ("NOUN", "VERB"),
        (("animal", name), ("noise", VERBS[verb])),
    )
    for name in NAMES
    for verb in VERBS
]
TASKS = ("syntax_spans", "parts_of_speech", "semantic_content")


def examples(texts: Iterable[Text]) -> Iterator[tuple[Control, Words]]:
    for text in texts:
        for field, value in text.fields:
            yield FieldValue(field, value), text.words


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A Diffusion-LM that has hardly been trained (its embeddings are random), one in block mode,
    and a classifier of each kind."""
    made = {name: tmp_path_factory.mktemp(name) for name in ("pad", "block", *TASKS)}
    vocabulary = Vocabulary(["START", "END", "UNK", "PAD", "the", *NAMES, *VERBS])
    config = DiffusionConfig(
        length=8, positions=8, embedding=8, time=8, steps=40, network=NETWORK,
        train=TrainConfig(steps=1, batch=2),
    )  # fmt: skip
    corpus = [text.words for text in TEXTS]
    for padding in ("pad", "block"):
        chosen = dataclasses.replace(config, padding=padding)
        train_diffusion(made[padding], corpus, corpus, vocabulary, chosen, 0, device=CPU)
    for task in TASKS:
        space = load_space(made["pad"], ClassifierConfig(steps=20), CPU)
        train_classifier(made[task], task, space, TEXTS, TEXTS, CONFIG, seed=0, examples=examples)
    return made


@pytest.mark.parametrize("task", TASKS)
def test_it_learns(folders: dict[str, Path], task: str) -> None:
    """The loss goes down; on clean latents the figure is far above chance, and it does not grow
    with the noise, whose last level (no signal at all) leaves nothing but priors."""
    curve = [json.loads(line) for line in (folders[task] / "curve.jsonl").open()]
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]
    points = json.loads((folders[task] / "curve_noise.json").read_text())
    assert len(points) >= 9
    assert (points[0]["level"], points[-1]["level"]) == (-1, 19)
    name = "recall" if task == "syntax_spans" else "accuracy"
    # chance for the attribute is 3/8: 1/2 for "noise", 1/4 for "animal"
    assert points[0][name] > 0.7
    assert points[0][name] > points[-1][name]


@pytest.mark.parametrize("task", TASKS)
def test_it_is_held_against_chance(folders: dict[str, Path], tmp_path: Path, task: str) -> None:
    learned = json.loads((folders[task] / "training.json").read_text())["learned"]
    assert not learned["refused"] and learned["texts"] == len(TEXTS)
    space = load_space(folders["pad"], ClassifierConfig(steps=20), CPU)
    train = TrainConfig(steps=1, lr=0.0)
    still = dataclasses.replace(CONFIG, train=train)
    train_classifier(tmp_path, task, space, TEXTS, TEXTS, still, seed=0, examples=examples)
    assert json.loads((tmp_path / "training.json").read_text())["learned"]["refused"]


def test_it_reads_the_noise_level(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained on levels drawn at random, a network gives other answers at other levels; in bf16,
    answers this near to each other may round to the same number."""
    monkeypatch.setattr(training, "matrix_dtype", lambda device: torch.float32)
    space = load_space(folders["pad"], ClassifierConfig(steps=20), CPU)
    controls: list[Control] = [
        Span(0, 1, "NP"),
        ParseTree("(S (NP (NN *) (NN *)) (VP (NN *)))"),
        TagSequence(("NOUN", "VERB")),
        FieldValue("animal", "fox"),
    ]
    assert {control.kind for control in controls} == set(GUIDED_BY)
    x = space.table[torch.tensor([[0, 4, 7, 9, 1, 3, 3, 3]])]
    for control in controls:
        trained = GUIDED_BY[control.kind].name
        network, _ = load_classifier(trained, folders[trained], space)
        assert not any(p.requires_grad for p in network.parameters())
        made = load_guide(control.kind, folders[trained], space)([control])
        assert len({float(made(x, s)) for s in (-1, 4, 9, 19)}) == 4


def test_the_guide_prefers_the_value_that_the_text_states(folders: dict[str, Path]) -> None:
    space = load_space(folders["pad"], ClassifierConfig(steps=20), CPU)
    network, tokens = load_classifier("semantic_content", folders["semantic_content"], space)
    assert isinstance(tokens, AttributeTokens)
    # "low" and "high" stand in no text, and are told apart all the same
    assert tokens.words == (":", "high", "low")
    right = 0
    for text in TEXTS:
        ids = [0, *space.vocabulary.encode(text.words), 1]
        x = space.table[torch.tensor([ids + [3] * (8 - len(ids))])]
        for field, value in text.fields:
            values = NAMES if field == "animal" else ("low", "high")
            scores = {
                v: float(AttributeGuide(network, tokens, [FieldValue(field, v)])(x, -1))
                for v in values
            }
            right += max(scores, key=scores.__getitem__) == value
    # 12 of the 32 by chance
    assert right > 22


@pytest.mark.parametrize("task", TASKS)
def test_what_does_not_fit_is_refused(folders: dict[str, Path], task: str, tmp_path: Path) -> None:
    space = load_space(folders["pad"], ClassifierConfig(steps=20), CPU)
    words, folder = space.vocabulary, folders[task]
    with pytest.raises(UserError, match="was made for steps=20, not 40"):
        load_classifier(task, folder, load_space(folders["pad"], ClassifierConfig(steps=40), CPU))
    other = Vocabulary([*words.words[:-1], "purrs"])
    with pytest.raises(UserError, match="was made for vocabulary="):
        load_classifier(task, folder, dataclasses.replace(space, vocabulary=other))
    weights = (folder / "weights.safetensors").read_bytes()
    cut = tmp_path / "cut"
    cut.mkdir()
    for file in ("config.json", "labels.json"):
        (cut / file).write_bytes((folder / file).read_bytes())
    (cut / "weights.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(UserError, match="damaged or missing weights"):
        load_classifier(task, cut, space)
    (cut / "labels.json").write_text("[")
    with pytest.raises(UserError, match="cannot read .*labels.json"):
        load_classifier(task, cut, space)


def test_other_length_and_other_task_are_refused(folders: dict[str, Path]) -> None:
    space = load_space(folders["pad"], ClassifierConfig(steps=20), CPU)
    with pytest.raises(UserError, match="was made for kind='classifier of parts_of_speech'"):
        load_classifier("syntax_spans", folders["parts_of_speech"], space)
    shorter = dataclasses.replace(space, length=6)
    with pytest.raises(UserError, match="was made for length=8, not 6"):
        load_classifier("syntax_spans", folders["syntax_spans"], shorter)


def test_what_cannot_be_trained_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    bare = [Text(text.words) for text in TEXTS]

    def train(task: str, diffusion: str = "pad", steps: int = 20) -> None:
        space = load_space(folders[diffusion], ClassifierConfig(steps=steps), CPU)
        train_classifier(tmp_path, task, space, bare, bare, CONFIG, seed=0)

    with pytest.raises(UserError, match="padding=block"):
        train("syntax_spans", "block")
    with pytest.raises(UserError, match="has no tree"):
        train("syntax_spans")
    with pytest.raises(UserError, match="has no tags"):
        train("parts_of_speech")
    with pytest.raises(UserError, match="examples"):
        train("semantic_content")
    with pytest.raises(UserError, match="unknown classifier 'length'"):
        train("length")
    with pytest.raises(UserError, match="of 20 steps cannot read 40"):
        train("syntax_spans", steps=40)
