"""Training and loading the classifiers on noisy latents, and making guides of them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.base import stream_seed
from models.diffusion.classifiers.base import Examples, Guide, LatentInput, Setup, Space
from models.diffusion.classifiers.kinds import GUIDED_BY, KINDS
from models.diffusion.config import ClassifierConfig
from models.diffusion.guidance import LogProb
from models.nets.artefact import CONFIG, load_network, read_config, save_network
from models.nets.compiling import compile_encoder
from models.nets.precision import matrix_dtype
from models.nets.train import fit
from tasks.base import Text
from tasks.common.errors import UserError, unknown
from tasks.common.progress import Progress, silent
from tasks.controls import Control

LABELS = "labels.json"
#: what it holds
STORED: Any = list[str] | dict[str, Any]

#: the guide of one control, row by row of a batch
MakeGuide = Callable[[Sequence[Control]], LogProb]
#: the same, by a classifier
MakeClassifierGuide = Callable[[Sequence[Control]], Guide]


def _module(name: str) -> Any:
    """The module of the classifier of that name; ``UserError`` where there is none."""
    modules = {kind.name: kind.module for kind in KINDS}
    if name not in modules:
        raise unknown("classifier", name, modules)
    return importlib.import_module(modules[name])


def load_guide(
    control: str, folder: Path, space: Space, compiled: bool = False
) -> MakeClassifierGuide:
    """What guides a kind of control, from the classifier stored in ``folder``, on the device of
    ``space`` and in its fastest dtype; ``compiled``: as in ``SamplingConfig.compile``. Raises
    ``UserError`` as :func:`load_classifier`."""
    name = GUIDED_BY[control].name
    network, labels = load_classifier(name, folder, space)
    guide = _module(name).GUIDES[control]
    network = network.to(matrix_dtype(space.device))
    compile_encoder(network, space.device, compiled)
    return partial(guide, network, labels)


def trained_steps(folder: Path) -> int:
    """The decoding steps whose noise the classifier stored in ``folder`` was trained on. Raises
    ``UserError`` where its settings are missing or damaged."""
    return read_config(folder / CONFIG, ClassifierConfig).steps


def train_classifier(
    folder: Path,
    name: str,
    space: Space,
    train: Sequence[Text],
    valid: Sequence[Text],
    config: ClassifierConfig,
    *,
    seed: int,
    progress: Progress = silent,
    examples: Examples | None = None,
) -> None:
    """Trains the classifier ``name`` on texts under the noise of ``space.process``, whose steps are
    ``config.steps``, on the device of ``space``.

    Writes weights.safetensors, config.json, labels.json, curve.jsonl and curve_noise.json (the
    accuracy on ``valid`` by noise level). Every text must carry what the classifier reads: a tree
    (``syntax_spans``) or tags (``parts_of_speech``); for ``semantic_content``, ``examples`` gives
    the field values that hold for texts. Raises ``UserError`` for a name that is none, texts that
    lack these, or step counts that do not fit.
    """
    module = _module(name)
    if space.process.steps != config.steps:
        raise UserError(f"a classifier of {config.steps} steps cannot read {space.process.steps}")
    torch.manual_seed(stream_seed(seed, "classifier", "init"))
    objective, labels = module.objective(Setup(space, config, train, valid, examples, seed))
    fit(objective, config.train, folder, seed, space.device, progress)
    files = {
        LABELS: json.dumps(labels),
        "curve_noise.json": json.dumps(objective.noise_curve(), indent=1),
    }
    save_network(folder, objective.module, config, _facts(name, space), files=files)


def load_classifier(name: str, folder: Path, space: Space) -> tuple[LatentInput, Any]:
    """The classifier ``name``, in eval mode and frozen, on the device of ``space``, and what its
    outputs stand for: label ids (``syntax_spans``), a ``Vocabulary`` of tags (``parts_of_speech``),
    or ``AttributeTokens`` (``semantic_content``).

    Raises ``UserError`` if it is another classifier, or was trained for another vocabulary, length,
    noise or number of decoding steps than ``space`` has, or is damaged.
    """

    def build(config: ClassifierConfig) -> tuple[Labelled, dict[str, Any]]:
        stored = read_config(folder / LABELS, STORED)
        return Labelled(*_module(name).restore(stored, config, space)), _facts(name, space)

    loaded, _, _ = load_network(folder, ClassifierConfig, build, stored=lambda one: one.network)
    return loaded.network.to(space.device), loaded.labels


class Labelled(nn.Module):
    """A classifier, and what its outputs stand for."""

    def __init__(self, network: LatentInput, labels: Any) -> None:
        super().__init__()
        self.network, self.labels = network, labels


def _facts(name: str, space: Space) -> dict[str, Any]:
    (kind,) = (kind for kind in KINDS if kind.name == name)
    return {
        "kind": kind.saved_as,
        "vocabulary": space.vocabulary.digest,
        "length": space.length,
        "schedule": space.process.name,
        "steps": space.process.steps,
    }
