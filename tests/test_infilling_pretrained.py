"""Families that decide or edit words fill in middles of any length, also started from a BERT."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from test_infilling_run import write_data
from test_metrics_infilling import tiny_bert

from baselines import METHODS
from eval.run import main
from models.nets.artefact import WEIGHTS, read_tensors

METHOD_NAMES = ("mdlm", "diffuser")
NETWORK = (
    "{0}.length=32 {0}.network.layers=2 {0}.network.width=16 {0}.network.heads=2 "
    "{0}.network.feedforward=32 {0}.train.steps=2 {0}.train.every=1 {0}.train.warmup=1 "
    "{0}.train.batch=4 {0}.train.lr=1e-6 {0}.train.ema=0"
)
ROLES = {name: METHODS.card(name).network for name in METHOD_NAMES}
TOY = (
    f"task=infilling method={','.join(METHOD_NAMES)} corpus=rocstories targets=3 samples=4 floor=0 "
    "threads=1 vocabulary.above=0 window=3 longest=30 bertscore.model= mdlm.steps=3 "
    "diffuser.steps=2 edit_model.decoder_layers=1 " + " ".join(map(NETWORK.format, ROLES.values()))
).split()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("infilling")
    write_data(folder / "data")
    tiny_bert(folder / "bert")
    return folder


@pytest.mark.parametrize("pretrained", [False, True])
def test_middles_of_any_length(place: Path, pretrained: bool) -> None:
    out = place / f"out-{pretrained}"
    given = [f"{one}.init_pretrained={place / 'bert'}" for one in ROLES.values() if pretrained]
    keys = [f"data={place / 'data'}", f"out={out}", f"store={place / 'store'}"]
    assert main([*TOY, *keys, *given]) == 0
    for method, role in ROLES.items():
        cell = out / "infilling" / method
        samples = [json.loads(line) for line in (cell / "samples.jsonl").read_text().splitlines()]
        assert len(samples) == 12 and len({len(one["words"]) for one in samples}) > 1
        assert all(one["chosen"] < 4 and one["words"] for one in samples)
        scores = (cell / "scores.jsonl").read_text().splitlines()
        assert len(scores) == 3
        key = json.loads((cell / "config.json").read_text())["identity"]["artefacts"][role]
        tensors, _ = read_tensors(place / "store" / key / WEIGHTS)
        bert, _ = read_tensors(place / "bert" / "model.safetensors")
        name = "encoder.layer.1.output.dense.weight"
        (ours,) = (one for full, one in tensors.items() if full.endswith(name))
        # a rate as small leaves a network where it began; weights are stored in half precision
        alike = torch.allclose(ours.float(), bert[name], rtol=2**-7, atol=1e-3)
        assert alike is pretrained
