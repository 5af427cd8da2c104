"""Training and loading the classifiers, by the name of the control task they guide."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from models.base import stream_seed
from models.diffusion.classifiers import attribute, chart, tags
from models.diffusion.classifiers.base import Examples, LatentInput, NoisyObjective, Setup
from models.diffusion.config import ClassifierConfig
from models.diffusion.guidance import LogProb
from models.diffusion_lm.denoiser import Denoiser
from models.diffusion_lm.training import load_diffusion, read_config
from models.nets.artefact import load_module, save_module
from models.nets.train import fit
from tasks.base import Text
from tasks.common.errors import UserError, unknown
from tasks.common.progress import Progress, silent
from tasks.vocabulary import Vocabulary

#: task -> the objective of a fresh network, and what its outputs stand for (``labels.json``)
OBJECTIVES: Mapping[str, Callable[[Setup], tuple[NoisyObjective, Any]]] = {
    "syntax_spans": chart.objective,
    "parts_of_speech": tags.objective,
    "semantic_content": attribute.objective,
}
#: task -> the task whose classifier guides it, and the guide
GUIDES: Mapping[str, tuple[str, Callable[..., LogProb]]] = {
    "syntax_spans": ("syntax_spans", chart.SpanGuide),
    "syntax_tree": ("syntax_spans", chart.TreeGuide),
    "parts_of_speech": ("parts_of_speech", tags.TagGuide),
    "semantic_content": ("semantic_content", attribute.AttributeGuide),
}


def train_classifier(
    folder: Path,
    diffusion_folder: Path,
    task: str,
    train: Sequence[Text],
    valid: Sequence[Text],
    config: ClassifierConfig,
    seed: int,
    device: torch.device,
    progress: Progress = silent,
    examples: Examples | None = None,
) -> None:
    """Trains the classifier of ``task`` on the frozen embeddings of a Diffusion-LM.

    Writes weights.safetensors, config.json, labels.json, curve.jsonl and curve_noise.json (the
    accuracy on ``valid`` by noise level). Every text must carry what the task reads: a tree
    (``syntax_spans``) or tags (``parts_of_speech``); for ``semantic_content``, ``examples`` gives
    the field values that hold for texts. Raises ``UserError`` for a task without a classifier of
    its own, a Diffusion-LM in ``block`` mode, texts that lack these, or step counts that do not
    fit.
    """
    if task not in OBJECTIVES:
        raise unknown("classifier", task, OBJECTIVES)
    denoiser, vocabulary = load_diffusion(diffusion_folder, device)
    refuse_block(denoiser)
    torch.manual_seed(stream_seed(seed, "classifier", "init"))
    setup = Setup(denoiser, vocabulary, config, train, valid, examples, seed)
    objective, labels = OBJECTIVES[task](setup)
    fit(objective, config.train, folder, seed, device, progress)
    (folder / "config.json").write_text(json.dumps(dataclasses.asdict(config), indent=1))
    (folder / "labels.json").write_text(json.dumps(labels))
    (folder / "curve_noise.json").write_text(json.dumps(objective.noise_curve(), indent=1))
    meta = _meta(task, config, denoiser, vocabulary.digest)
    save_module(folder / "weights.safetensors", objective.module, meta)


def load_classifier(
    task: str,
    folder: Path,
    denoiser: Denoiser,
    vocabulary: Vocabulary,
    steps: int,
    device: torch.device,
) -> tuple[LatentInput, Any]:
    """The classifier trained for ``task``, in eval mode and frozen, and what its outputs stand for:
    label ids (``syntax_spans``), a ``Vocabulary`` of tags (``parts_of_speech``), or
    ``AttributeTokens`` (``semantic_content``).

    Raises ``UserError`` if it was trained for another task, vocabulary, length, schedule or number
    of decoding ``steps`` than it is to guide, or is damaged.
    """
    config = read_config(folder / "config.json", ClassifierConfig)
    try:
        stored = json.loads((folder / "labels.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"cannot read {folder / 'labels.json'}: {error}") from None
    length, embedding = denoiser.config.length, denoiser.embedding.weight.float()
    dim = embedding.shape[1]
    network: LatentInput
    labels: Any
    if task == "syntax_spans":
        network = chart.SpanClassifier(config, dim, length, len(stored))
        labels = {name: i for i, name in enumerate(stored)}
    elif task == "parts_of_speech":
        network, labels = tags.TagClassifier(config, dim, length, len(stored)), Vocabulary(stored)
    else:
        labels = attribute.AttributeTokens.from_json(stored, vocabulary)
        network = attribute.AttributeClassifier(
            config, embedding, length, labels.length, labels.extra
        )
    expect = _meta(task, config, denoiser, vocabulary.digest) | {"steps": steps}
    load_module(folder / "weights.safetensors", network, expect)
    return network.to(device).eval().requires_grad_(False), labels


def _meta(task: str, config: ClassifierConfig, denoiser: Denoiser, digest: str) -> dict[str, Any]:
    return {
        # the chart classifier's weights bear the name that it had when it was the only one
        "kind": "classifier" if task == "syntax_spans" else f"classifier of {task}",
        "vocabulary": digest,
        "length": denoiser.config.length,
        "schedule": denoiser.config.schedule,
        "steps": config.steps,
    }


def refuse_block(denoiser: Denoiser) -> None:
    """A network trained on cut windows has never seen the START ... END PAD that controls name."""
    if denoiser.config.padding != "pad":
        raise UserError(
            "this Diffusion-LM was trained with padding=block and cannot be controlled: "
            "train one with diffusion.padding=pad"
        )
