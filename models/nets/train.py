"""The one training loop: every network of the project goes through :func:`fit`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from models.base import stream_seed
from models.nets import parallel
from models.nets.artefact import read_tensors, write_tensors
from models.nets.config import TrainConfig
from models.nets.precision import matrix_dtype
from tasks.common import stop
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent


class Objective(Protocol):
    """What is trained. ``loss(step)`` must depend on nothing but the step, the parameters and
    torch's global random state, which the loop seeds from (seed, step) before each call."""

    @property
    def module(self) -> nn.Module: ...

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """A scalar to descend, and named parts of it for the curve."""

    def validate(self) -> Mapping[str, float]:
        """Figures on held-out data; called in eval mode without gradients."""


@dataclass(frozen=True)
class Begun:
    """How far training has come: steps done, the curve, and the sums of its point under way."""

    step: int
    curve: list[dict[str, float]]
    sums: Mapping[str, Tensor | float]


def learning_rate(config: TrainConfig, step: int) -> float:
    """The rate of ``step`` (counted from 0)."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    if config.decay == "linear":
        return config.lr * (1 - done)
    if config.decay == "cosine":
        return config.lr * 0.5 * (1 + math.cos(math.pi * done))
    return config.lr


def fit(
    objective: Objective,
    config: TrainConfig,
    folder: Path,
    seed: int,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> list[dict[str, float]]:
    """Trains ``objective.module`` in place and returns the training curve.

    Checkpoints (weights, EMA, optimiser, step, curve) go to ``folder``; called again after a kill
    it continues from the last one and gives the same weights as an undisturbed run with the same
    number of threads (their number decides the order in which products are summed). Asked to stop
    (:mod:`tasks.common.stop`), it writes one and raises ``Stopped``. At the end the module holds
    the EMA weights where there are any. The curve is also ``folder/curve.jsonl``. Where several
    processes train together (:mod:`models.nets.parallel`), the first one returns and the others
    raise ``Follower``.
    """
    device = device or torch.device("cpu")
    module = objective.module
    named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
    params: list[Tensor] = [p for _, p in named]
    if config.compile:
        module.compile()
    optimiser = torch.optim.AdamW(
        params, lr=config.lr, weight_decay=config.weight_decay, fused=True
    )
    ema = [p.detach().clone() for p in params] if config.ema else []
    state_path = folder / "checkpoint.safetensors"
    curve: list[dict[str, float]] = []
    sums: dict[str, Tensor | float] = {}
    start = 0
    half = config.bf16 and matrix_dtype(device) == torch.bfloat16
    if state_path.exists():
        try:
            begun = _restore(state_path, named, ema, optimiser)
            start, curve, sums = begun.step, begun.curve, dict(begun.sums)
        except UserError as error:
            print(f"warning: {error}; training starts afresh", flush=True)

    parallel.anyone(False, device)  # nobody writes a checkpoint before all have read the last one
    saved = time.monotonic()
    began = saved - (curve[-1]["seconds"] if curve else 0.0)
    module.train()
    shown = float("nan")
    for step in range(start, config.steps):
        torch.manual_seed(stream_seed(seed, "train", step))
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(config, step)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss, parts = objective.loss(step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        parallel.average([p.grad for p in params if p.grad is not None])
        if config.clip:
            nn.utils.clip_grad_norm_(params, config.clip)
        optimiser.step()
        if ema:
            with torch.no_grad():
                torch._foreach_lerp_(ema, params, 1 - config.ema)
        for name, value in {"loss": loss, **parts}.items():
            sums[name] = sums.get(name, 0.0) + (
                value.detach() if isinstance(value, Tensor) else value
            )
        done = step + 1
        if done % 10 == 0 or done == config.steps:
            shown = float(loss.detach())
            if not math.isfinite(shown):
                raise UserError(f"training diverged at step {done}: the loss is {shown}")
        progress(done, config.steps, f"loss {shown:.3f}" if math.isfinite(shown) else "")
        if done % config.every == 0 or done == config.steps:
            since = config.every if done % config.every == 0 else done % config.every
            point = {"step": float(done), "seconds": time.monotonic() - began}
            totals = torch.tensor([float(v) for v in sums.values()], device=device)
            parallel.average([totals])
            point |= {f"train_{name}": float(v) / since for name, v in zip(sums, totals)}
            sums = {}
            point |= _validate(objective, params, ema, half, device)
            curve.append(point)
        stopping = parallel.anyone(stop.requested(), device)
        if stopping or time.monotonic() - saved > config.checkpoint:
            if not parallel.rank():
                begun = Begun(done, curve, sums)
                _save(state_path, begun, named, ema, optimiser)
            if stopping:
                raise stop.Stopped
            saved = time.monotonic()
    if ema:
        with torch.no_grad():
            torch._foreach_copy_(params, ema)
    module.eval()
    if parallel.rank():
        raise parallel.Follower
    (folder / "curve.jsonl").write_text("".join(json.dumps(p) + "\n" for p in curve))
    return curve


def _validate(
    objective: Objective,
    params: list[Tensor],
    ema: list[Tensor],
    half: bool,
    device: torch.device,
) -> dict[str, float]:
    """Validation figures under the EMA weights, which are the ones that decode."""
    objective.module.eval()
    with torch.no_grad():
        kept = [p.clone() for p in params] if ema else []
        if ema:
            torch._foreach_copy_(params, ema)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            figures = dict(objective.validate())
        if ema:
            torch._foreach_copy_(params, kept)
    objective.module.train()
    return {f"valid_{name}": float(value) for name, value in figures.items()}


def _save(
    path: Path,
    begun: Begun,
    named: list[tuple[str, nn.Parameter]],
    ema: list[Tensor],
    optimiser: torch.optim.Optimizer,
) -> None:
    tensors: dict[str, Tensor] = {}
    for i, (name, parameter) in enumerate(named):
        tensors[f"model.{name}"] = parameter
        if ema:
            tensors[f"ema.{name}"] = ema[i]
        for key, value in optimiser.state[parameter].items():
            tensors[f"adam.{key}.{name}"] = value
    # a float holds a float32 exactly
    sums = {name: float(value) for name, value in begun.sums.items()}
    write_tensors(path, tensors, {"step": begun.step, "curve": begun.curve, "sums": sums})


def _restore(
    path: Path,
    named: list[tuple[str, nn.Parameter]],
    ema: list[Tensor],
    optimiser: torch.optim.Optimizer,
) -> Begun:
    tensors, meta = read_tensors(path)
    states: dict[str, dict[str, Any]] = {}
    for full in tensors:
        if full.startswith("adam."):
            field, owner = full.removeprefix("adam.").split(".", 1)
            states.setdefault(owner, {})[field] = tensors[full]
    try:
        with torch.no_grad():
            for i, (key, parameter) in enumerate(named):
                parameter.copy_(tensors[f"model.{key}"])
                if ema:
                    ema[i].copy_(tensors[f"ema.{key}"])
                device = parameter.device
                optimiser.state[parameter] = {
                    k: v if k == "step" else v.to(device) for k, v in states[key].items()
                }
    except (KeyError, RuntimeError) as error:
        raise UserError(f"checkpoint {path} does not fit this network: {error}") from None
    return Begun(int(meta["step"]), list(meta["curve"]), dict(meta.get("sums", {})))
