"""Data-parallel training on two CPU processes: the gradients and the networks of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from test_runner import TOY, write_corpus

from eval.run import main as run_main
from models.nets.artefact import read_tensors
from slurm.config import parse_sweep
from slurm.plan import Job
from slurm.state import State
from slurm.supervise import Worker, _ranks
from slurm.version import code_digest

ROOT = Path(__file__).resolve().parent.parent

#: writes the gradients of one batch of Diffusion-LM and of a causal LM
GRADIENTS = """
import sys
import torch
from models.nets import parallel
from models.nets.backbones.gpt2 import GPT2
from models.nets.causal import LMObjective
from models.nets.codec import WordCodec
from models.diffusion.latents.config import DiffusionConfig
from models.nets.config import EncoderConfig
from models.diffusion.latents.denoiser import Denoiser
from models.diffusion.latents.training import DiffusionObjective
from models.nets.config import LMConfig
from models.nets.artefact import write_tensors
from tasks.vocabulary import Vocabulary

if parallel.asked():
    parallel.start(cpu=True)
torch.manual_seed(0)
network = EncoderConfig(
    layers=1, width=16, heads=2, feedforward=32, dropout=0.0, attention_dropout=0.0
)
config = DiffusionConfig(length=8, positions=8, time=8, steps=50, network=network)
ids = torch.randint(0, 20, (30, 8))
diffusion = DiffusionObjective(Denoiser(config, 20), ids, ids, batch=7, seed=0)
texts = [tuple("abcdefghij"[: 2 + i % 7]) for i in range(30)]
vocabulary = Vocabulary.build(texts, 0)
codec = WordCodec(vocabulary)
settings = LMConfig(layers=1, width=16, heads=2, dropout=0.0)
model = GPT2.fresh(len(vocabulary) + 4, 128, 1, 16, 2, 0.0)
lm = LMObjective(model, codec, [((), t) for t in texts], [], settings, seed=0)
found = {}
for name, objective in (("diffusion", diffusion), ("lm", lm)):
    torch.manual_seed(1)
    loss, _ = objective.loss(0)
    loss.backward()
    named = [(n, p.grad) for n, p in objective.module.named_parameters() if p.grad is not None]
    parallel.average([grad for _, grad in named])
    found |= {f"{name}.{n}": grad for n, grad in named}
if not parallel.rank():
    write_tensors(__import__("pathlib").Path(sys.argv[1]), found, {})
"""


def test_gradients_of_two_processes_are_those_of_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", GRADIENTS]
    alone = subprocess.Popen([*command, str(tmp_path / "one")], cwd=ROOT)
    pair = [
        subprocess.Popen([*command, str(tmp_path / "two")], cwd=ROOT, env=os.environ | rank)
        for rank in _ranks(2)
    ]
    assert [process.wait(120) for process in (alone, *pair)] == [0, 0, 0]
    one, two = (read_tensors(tmp_path / name)[0] for name in ("one", "two"))
    assert one.keys() == two.keys() and len(one) > 20
    for name, gradient in one.items():
        torch.testing.assert_close(two[name], gradient, rtol=1e-4, atol=1e-7, msg=name)


def build(root: Path, store: str, key: str, stop: bool = False) -> dict[str, str]:
    """Trains the artefact with two processes and returns its digests; ``stop``: asks it to stop in
    the middle, and goes on."""
    keys = [*TOY, "diffusion.train.bf16=false", "diffusion.train.steps=200"]
    keys = [k for k in keys if k != "diffusion.train.steps=40"]
    keys += [f"data={root / 'data'}", f"out={root / store}-out", f"store={root / store}"]
    sweep = parse_sweep([*keys, "cluster=local"])
    state = State(sweep.folder)
    plan = state.write_plan(sweep, [Job(key, "artefact", "", 0, key=key)], code_digest(), 0)

    def work() -> Worker:
        return Worker(
            state.folder, plan.number, key, str(ROOT), 2, environment={"OMP_NUM_THREADS": "1"}
        )

    worker = work()
    if stop:
        building = root / store / f".building-{key}" / "checkpoint.safetensors"
        while not building.exists() and worker.poll() is None:
            time.sleep(0.01)
        worker.stop(60)
        assert worker.wait() == 75
        assert not (root / store / key).exists()
        worker = work()
    assert worker.wait() == 0
    found: dict[str, str] = json.loads((root / store / key / "digests.json").read_text())
    return found


def test_an_artefact_of_two_processes(tmp_path: Path) -> None:
    """It is the network of one process, to rounding; and stopped, the same to the last bit."""
    write_corpus(tmp_path / "data")
    keys = [k for k in TOY if k != "diffusion.train.steps=40"]
    keys += ["diffusion.train.bf16=false", "diffusion.train.steps=200"]
    keys += [f"data={tmp_path / 'data'}", f"out={tmp_path / 'plain'}", f"store={tmp_path / 'one'}"]
    assert run_main(keys) == 0
    folder = next((tmp_path / "one").glob("diffusion-*"))
    whole = build(tmp_path, "two", folder.name)
    stopped = build(tmp_path, "three", folder.name, stop=True)
    assert whole["weights.safetensors"] == stopped["weights.safetensors"]
    curves = [
        [json.loads(line) for line in (tmp_path / s / folder.name / "curve.jsonl").open()]
        for s in ("one", "two")
    ]
    assert len(curves[0]) == len(curves[1]) == 20
    for a, b in zip(*curves, strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-2)
        assert a["valid_loss"] == pytest.approx(b["valid_loss"], rel=1e-2)
