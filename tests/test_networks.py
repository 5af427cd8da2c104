"""Every trained network is saved and loaded by one pair of functions: it comes back as it was, and
a file that is missing, damaged or another's is named in one line."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from baselines.pplm.head import load_attribute_head, train_attribute_head
from models.diffusion.classifiers.training import load_classifier, train_classifier
from models.diffusion.config import ClassifierConfig
from models.diffusion.latents.bound import KINDS, load_bound, train_bound
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.diffusion import load_space
from models.diffusion.latents.training import load_diffusion, train_diffusion
from models.nets.artefact import load_network, read_config, save_network
from models.nets.causal import load_lm, train_lm
from models.nets.codec import WordCodec
from models.nets.config import (
    AttributeHeadConfig,
    DiscriminatorConfig,
    EncoderConfig,
    LMConfig,
    TrainConfig,
)
from models.nets.discriminator import load_discriminator, train_discriminator
from models.nets.teacher import Teacher
from tasks.base import Text
from tasks.common.errors import UserError
from tasks.controls import FieldValue
from tasks.vocabulary import SPECIALS, Vocabulary

CPU = torch.device("cpu")
VOCABULARY = Vocabulary([*SPECIALS, "a", "b", "c"])
OTHER = Vocabulary([*SPECIALS, "a", "b", "d"])
CODEC = WordCodec(VOCABULARY, ["2", "3"])
TEXTS = [Text(("a", "b"), tags=("X", "Y")), Text(("b", "c", "a"), tags=("Y", "X", "X"))]
WORDS = [text.words for text in TEXTS]
PAIRS = [((str(len(words)),), words) for words in WORDS]
VALUES = [(FieldValue("drink", "£ tea"), WORDS[0]), (FieldValue("drink", "milk"), WORDS[1])]
TRAIN = TrainConfig(steps=1, batch=2, every=1)
NETWORK = EncoderConfig(1, 8, 2, 16)
DIFFUSION = DiffusionConfig(length=6, positions=6, time=4, steps=10, network=NETWORK, train=TRAIN)
CLASSIFIER = ClassifierConfig(steps=5, network=NETWORK, train=TRAIN)


@dataclass(frozen=True)
class Kind:
    """One kind of network: how its folder is made and read, and what it holds."""

    train: Callable[[Path, Path], None]
    load: Callable[[Path, Path], nn.Module]
    #: the entry of config.json that decides the shape, and the value of another shape
    shape: tuple[str, ...]
    #: what stands beside the weights, and another one
    words: str = ""
    other: Vocabulary | WordCodec | None = None


def _train_diffusion(folder: Path, _: Path) -> None:
    train_diffusion(folder, WORDS, WORDS, VOCABULARY, DIFFUSION, 0, device=CPU)


def _train_classifier(folder: Path, root: Path) -> None:
    space = load_space(root / "diffusion", ClassifierConfig(steps=5), CPU)
    train_classifier(folder, "parts_of_speech", space, TEXTS, TEXTS, CLASSIFIER, seed=0)


def _load_classifier(folder: Path, root: Path) -> nn.Module:
    space = load_space(root / "diffusion", ClassifierConfig(steps=5), CPU)
    return load_classifier("parts_of_speech", folder, space)[0]


def _train_bound(folder: Path, _: Path) -> None:
    train_bound(folder, "bound", WORDS, WORDS, VOCABULARY, DIFFUSION, seed=0, device=CPU)


def _train_lm(folder: Path, _: Path) -> None:
    train_lm(folder, PAIRS, PAIRS, CODEC, LMConfig(1, 8, 2, 0.0, 8, train=TRAIN), 0, device=CPU)


def _train_discriminator(folder: Path, _: Path) -> None:
    config = DiscriminatorConfig(1, 8, 2, 0.0, 8, 4, train=TRAIN)
    train_discriminator(folder, PAIRS, PAIRS, CODEC, config, 0, device=CPU)


def _train_head(folder: Path, root: Path) -> None:
    config = AttributeHeadConfig(TRAIN)
    train_attribute_head(folder, root / "lm", VALUES, VALUES, config, 0, device=CPU)


CODECS = ("codec", WordCodec(OTHER, ["2", "3"]))
KNOWN = {
    "diffusion": Kind(
        _train_diffusion,
        lambda folder, _: load_diffusion(folder, CPU)[0],
        ("network", "width"),
        "vocabulary",
        OTHER,
    ),
    "classifier": Kind(_train_classifier, _load_classifier, ("network", "width")),
    "bound": Kind(
        _train_bound,
        lambda folder, _: load_bound(folder, "bound", CPU)[0],
        ("network", "width"),
        "vocabulary",
        OTHER,
    ),
    "lm": Kind(_train_lm, lambda folder, _: load_lm(folder, CPU)[0], ("network", "width"), *CODECS),
    "discriminator": Kind(
        _train_discriminator, lambda folder, _: load_discriminator(folder, CPU)[0], ("width",),
        *CODECS,
    ),
    "head": Kind(
        _train_head, lambda folder, root: load_attribute_head(folder, root / "lm", CPU), ("width",)
    ),
}  # fmt: skip
each_kind = pytest.mark.parametrize("name", KNOWN)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("networks")
    for name in ("diffusion", "lm", *(n for n in KNOWN if n not in ("diffusion", "lm"))):
        (place / name).mkdir()
        KNOWN[name].train(place / name, place)
    return place


@pytest.fixture
def copied(root: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a network's folder that may be damaged."""
    return lambda name: shutil.copytree(root / name, tmp_path / name)


def refused(name: str, folder: Path, root: Path, match: str) -> None:
    with pytest.raises(UserError, match=match) as error:
        KNOWN[name].load(folder, root)
    assert "\n" not in str(error.value)


@each_kind
def test_it_comes_back_frozen_and_the_same_twice(name: str, root: Path) -> None:
    one, two = (KNOWN[name].load(root / name, root) for _ in range(2))
    assert not one.training and not any(p.requires_grad for p in one.parameters())
    pairs = zip(one.state_dict().items(), two.state_dict().items(), strict=True)
    assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@each_kind
def test_a_file_that_is_missing_or_cut_short_is_named(
    name: str, root: Path, copied: Callable[[str], Path]
) -> None:
    folder = copied(name)
    told = ("curve", "training.json")  # what a training says of itself is not needed
    needed = [one for one in folder.iterdir() if not any(name in one.name for name in told)]
    assert {"config.json", "weights.safetensors"} <= {file.name for file in needed}
    for file in needed:
        whole = file.read_bytes()
        for damaged in (whole[: len(whole) // 2], b"", b"\xff\x00", b"5"):
            file.write_bytes(damaged)
            refused(name, folder, root, re.escape(str(file)))
        file.unlink()
        refused(name, folder, root, re.escape(str(file)))
        file.write_bytes(whole)
    KNOWN[name].load(folder, root)


@each_kind
def test_a_config_of_another_shape_is_refused(
    name: str, root: Path, copied: Callable[[str], Path]
) -> None:
    folder = copied(name)
    record = json.loads((folder / "config.json").read_text())
    *path, last = KNOWN[name].shape
    inner = record
    for key in path:
        inner = inner[key]
    for wrong, match in ((4, "weights.safetensors"), (-4, "config.json|weights"), ("x", "config")):
        inner[last] = wrong
        (folder / "config.json").write_text(json.dumps(record))
        refused(name, folder, root, match)


@each_kind
def test_weights_of_another_kind_are_refused(
    name: str, root: Path, copied: Callable[[str], Path]
) -> None:
    other = "lm" if name != "lm" else "discriminator"
    folder = copied(name)
    shutil.copy(root / other / "weights.safetensors", folder / "weights.safetensors")
    refused(name, folder, root, "was made for kind=")


@pytest.mark.parametrize("name", [name for name, kind in KNOWN.items() if kind.other])
def test_another_vocabulary_is_refused(
    name: str, root: Path, copied: Callable[[str], Path]
) -> None:
    kind, folder = KNOWN[name], copied(name)
    assert kind.other is not None
    kind.other.save(folder / f"{kind.words}.json")
    refused(name, folder, root, f"was made for {kind.words}=")


def test_what_only_reads_another_network_is_bound_to_it(root: Path, tmp_path: Path) -> None:
    """The classifier to the words of a Diffusion-LM, the attribute head to its language model."""
    space = load_space(root / "diffusion", ClassifierConfig(steps=5), CPU)
    space = replace(space, vocabulary=OTHER)
    with pytest.raises(UserError, match="was made for vocabulary="):
        load_classifier("parts_of_speech", root / "classifier", space)
    space = load_space(root / "diffusion", ClassifierConfig(steps=10), CPU)
    with pytest.raises(UserError, match="was made for steps=5, not 10"):
        load_classifier("parts_of_speech", root / "classifier", space)
    config = LMConfig(1, 8, 2, 0.0, 8, train=TRAIN)
    train_lm(tmp_path, PAIRS, PAIRS, CODEC, config, 1, device=CPU)
    with pytest.raises(UserError, match="was made for language_model="):
        load_attribute_head(root / "head", tmp_path, CPU)
    with pytest.raises(UserError, match="cannot read .*weights.safetensors"):
        load_attribute_head(root / "head", root / "nowhere", CPU)


def test_a_bound_of_another_kind_is_refused(root: Path) -> None:
    assert KINDS == ("bound", "simplex")
    with pytest.raises(UserError, match="was made for kind='likelihood bound'"):
        load_bound(root / "bound", "simplex", CPU)


def test_the_teacher_is_a_language_model(root: Path) -> None:
    ((nats, tokens),) = Teacher.load(root / "lm", CPU).score([WORDS[0]])
    assert nats > 0 and tokens == 3


def test_files_and_facts(tmp_path: Path) -> None:
    """What a new kind of network writes, without a vocabulary and with one."""
    network, head = nn.Linear(3, 2), AttributeHeadConfig(TRAIN)
    files = {"labels.json": '["£"]'}
    save_network(tmp_path, network, head, {"kind": "line"}, files=files)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "config.json", "labels.json", "weights.safetensors",
    ]  # fmt: skip
    assert read_config(tmp_path / "labels.json", list[str]) == ["£"]

    def build(config: AttributeHeadConfig) -> tuple[nn.Linear, dict[str, str]]:
        assert config == head
        return nn.Linear(3, 2), {"kind": "line"}

    again, _, words = load_network(tmp_path, AttributeHeadConfig, build)
    assert words is None and torch.equal(again.bias, network.bias)
    # matrices are stored in bf16
    assert torch.equal(again.weight, network.weight.bfloat16().float())

    save_network(tmp_path, network, head, {"kind": "line"}, words=("vocabulary", VOCABULARY))
    with_words = load_network(
        tmp_path,
        AttributeHeadConfig,
        lambda config, _: build(config),
        words=("vocabulary", Vocabulary.load),
    )
    assert with_words[2].digest == VOCABULARY.digest


def test_what_only_changes_speed_says_so_itself() -> None:
    unkeyed = {one.name for one in fields(TrainConfig) if not one.metadata.get("key", True)}
    assert unkeyed == {"checkpoint", "compile"}
