"""What a training took and what came of it, stored beside its curve as ``training.json``: for
tables of methods, whose training is a cost and is to be like that of the others."""

from __future__ import annotations

import dataclasses
import math
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from models.nets import parallel
from models.nets.ahead import step_seed
from models.nets.config import TrainConfig
from models.nets.counting import Operations
from models.nets.learned import Learned
from tasks.common.files import json_text, write_text

NAME = "training.json"
#: steps of a training whose operations are counted: batches differ in length
COUNTED = 3


class Steps(Protocol):
    """What of an objective is counted (:class:`models.nets.train.Objective`)."""

    @property
    def module(self) -> nn.Module: ...

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]: ...


def counted(
    objective: Steps, config: TrainConfig, seed: int, device: torch.device, half: bool
) -> float:
    """Floating-point operations of the whole training, forward and backward, all processes
    together, from those of a few steps, which are computed once more and change nothing; NaN where
    they cannot be counted. Called by every process, with weights that are learned already."""
    module = objective.module
    kept = {name: one.clone() for name, one in module.named_buffers()}
    steps = sorted({config.steps * i // COUNTED for i in range(COUNTED)})
    flops = 0.0
    try:
        with (
            torch.random.fork_rng([device] if device.type == "cuda" else []),
            torch.compiler.set_stance("force_eager"),
        ):
            for step in steps:
                torch.manual_seed(step_seed(seed, step))
                with Operations() as operations:
                    with torch.autocast(device.type, torch.bfloat16, enabled=half):
                        loss, _ = objective.loss(step)
                    loss.backward()
                flops += operations.flops
    except RuntimeError:  # nothing that is only counted may lose a training that is done
        return math.nan
    finally:
        with torch.no_grad():
            for name, one in module.named_buffers():
                one.copy_(kept[name])
        for parameter in module.parameters():
            parameter.grad = None
    return flops / len(steps) * config.steps * parallel.size()


def machine(device: torch.device) -> str:
    """What computes: ``NVIDIA H100 80GB HBM3``, ``x86_64 CPU, 1 thread``."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        threads = torch.get_num_threads()
        name = f"{platform.machine()} {device.type.upper()}, {threads} thread"
        name += "s" if threads != 1 else ""
    return name if parallel.size() == 1 else f"{parallel.size()} x {name}"


def write(
    folder: Path,
    config: TrainConfig,
    device: torch.device,
    *,
    seconds: float,
    flops: float,
    learned: Learned | None,
) -> None:
    facts: dict[str, Any] = {
        "steps": config.steps,
        "examples": config.steps * config.batch,
        "seconds": round(seconds, 1),
        "machine": machine(device),
    }
    if math.isfinite(flops):
        facts["pflop"] = flops / 1e15
    if learned is not None:
        facts["learned"] = {**dataclasses.asdict(learned), "refused": learned.refused}
    write_text(folder / NAME, json_text(facts, indent=1))
