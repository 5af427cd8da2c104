"""The one training loop: every network of the project goes through :func:`fit`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from models.nets import checkpoint, compiling, facts, logs, parallel
from models.nets.ahead import step_seed
from models.nets.config import TrainConfig
from models.nets.learned import Learned, Learns
from models.nets.precision import flushing, matrix_dtype
from tasks.common import stop
from tasks.common.errors import UserError
from tasks.common.files import write_text
from tasks.common.progress import Progress, silent

#: the moments that AdamW keeps of a parameter
MOMENTS = ("exp_avg", "exp_avg_sq")


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


@dataclass(frozen=True)
class State:
    """What a step changes: parameters by name, their averages (none without EMA), the optimiser,
    and the buffers that are stored with the network."""

    named: list[tuple[str, nn.Parameter]]
    ema: list[Tensor]
    optimiser: torch.optim.Optimizer
    buffers: list[tuple[str, Tensor]] = field(default_factory=list)

    def tensors(self) -> dict[str, Tensor]:
        """All of it by the names of a checkpoint."""
        tensors = {f"buffer.{name}": buffer for name, buffer in self.buffers}
        for i, (name, parameter) in enumerate(self.named):
            tensors[f"model.{name}"] = parameter.detach()
            if self.ema:
                tensors[f"ema.{name}"] = self.ema[i]
            for key, value in self.optimiser.state[parameter].items():
                tensors[f"adam.{key}.{name}"] = value
        return tensors

    @torch.no_grad()
    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes them over. Raises ``ValueError``, before anything is changed, for a tensor that is
        missing, too many or of another shape."""
        moments: dict[str, dict[str, Tensor]] = {}
        for full in tensors:
            if full.startswith("adam."):
                field, owner = full.removeprefix("adam.").split(".", 1)
                moments.setdefault(owner, {})[field] = tensors[full]
        kinds = ("model", "ema") if self.ema else ("model",)
        shapes = {f"{kind}.{n}": p.shape for kind in kinds for n, p in self.named}
        shapes |= {f"buffer.{name}": buffer.shape for name, buffer in self.buffers}
        # a parameter that had no gradient yet has no moments
        moved = [(n, p) for n, p in self.named if n in moments]
        shapes |= {f"adam.{f}.{n}": p.shape for f in MOMENTS for n, p in moved}
        shapes |= {f"adam.step.{n}": torch.Size() for n, _ in moved}
        for full in sorted(shapes.keys() ^ tensors.keys()):
            raise ValueError(f"it lacks '{full}'" if full in shapes else f"it has '{full}'")
        for full, shape in shapes.items():
            if tensors[full].shape != shape:
                raise ValueError(f"'{full}' is {tuple(tensors[full].shape)}, not {tuple(shape)}")
        for i, (name, parameter) in enumerate(self.named):
            parameter.copy_(tensors[f"model.{name}"])
            if self.ema:
                self.ema[i].copy_(tensors[f"ema.{name}"])
        for name, buffer in self.buffers:
            buffer.copy_(tensors[f"buffer.{name}"])
        for name, parameter in moved:
            # the number of steps too: a fused optimiser counts them on the device
            self.optimiser.state[parameter] = {
                k: v.to(parameter.device) for k, v in moments[name].items()
            }


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
    it continues from the last one (a damaged one is put aside, see :mod:`models.nets.checkpoint`)
    and gives the same weights as an undisturbed run with the same
    number of threads (their number decides the order in which products are summed). Asked to stop
    (:mod:`tasks.common.stop`), it writes one and raises ``Stopped``. At the end the module holds
    the EMA weights where there are any. The curve is also ``folder/curve.jsonl``, and what the
    training took, and whether an objective that :class:`models.nets.learned.Learns` did,
    ``folder/training.json`` (:mod:`models.nets.facts`). Where several
    processes train together (:mod:`models.nets.parallel`), the first one returns and the others
    raise ``Follower``. Each point of the curve goes to the log of the process too
    (:mod:`models.nets.logs`), if there is one.
    """
    with flushing(), logs.opened(folder.name.removeprefix(".building-")) as log:
        return _fit(
            objective, config, folder, seed, device or torch.device("cpu"), progress, log=log
        )


def _fit(
    objective: Objective,
    config: TrainConfig,
    folder: Path,
    seed: int,
    device: torch.device,
    progress: Progress,
    *,
    log: logs.Log,
) -> list[dict[str, float]]:
    module = objective.module
    named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
    params: list[Tensor] = [p for _, p in named]
    if config.compile:
        module.compile(mode=compiling.mode(device, sum(p.numel() for p in params)))
    optimiser = torch.optim.AdamW(
        params, lr=config.lr, weight_decay=config.weight_decay, fused=True
    )
    ema = [p.detach().clone() for p in params] if config.ema else []
    # tied weights are no buffer under their second name
    learned = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    kept = [(name, one) for name, one in module.state_dict().items() if name not in learned]
    state, state_path = State(named, ema, optimiser, kept), folder / checkpoint.NAME
    curve: list[dict[str, float]] = []
    sums: dict[str, Tensor | float] = {}
    start = 0
    half = config.bf16 and matrix_dtype(device) == torch.bfloat16
    damage = ""
    if state_path.exists():
        try:
            begun = _restore(state_path, state, config.steps)
            start, curve, sums = begun.step, begun.curve, dict(begun.sums)
        except UserError as error:
            damage = str(error)
    # nobody puts a checkpoint aside, or writes one, before all have read the last one
    if parallel.anyone(bool(damage), device) and not parallel.rank():
        place = checkpoint.put_aside(state_path)
        print(f"warning: {damage}; kept as {place}; training starts afresh", flush=True)

    if not parallel.rank():
        log.start(curve)
    saved = time.monotonic()
    began = saved - (curve[-1]["seconds"] if curve else 0.0)
    module.train()
    shown = float("nan")
    for step in range(start, config.steps):
        torch.manual_seed(step_seed(seed, step))
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(config, step)
        # before the loss: recorded graphs use the memory of the last gradients again
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss, parts = objective.loss(step)
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
            log.point(point)
        stopping = parallel.anyone(stop.requested(), device)
        if stopping or time.monotonic() - saved > config.checkpoint:
            if not parallel.rank():
                begun = Begun(done, curve, sums)
                _save(state_path, begun, state)
            if stopping:
                raise stop.Stopped
            saved = time.monotonic()
    if ema:
        with torch.no_grad():
            torch._foreach_copy_(params, ema)
    _refuse_diverged(config.steps, dict(named))
    flops = facts.counted(objective, config, seed, device, half)
    module.eval()
    if parallel.rank():
        raise parallel.Follower
    verdict = _learned(objective, half, device)
    if verdict is not None and verdict.refused:
        print(
            f"warning: {folder.name.removeprefix('.building-')} is at chance: {verdict}", flush=True
        )
    seconds = curve[-1]["seconds"] if curve else 0.0
    facts.write(folder, config, device, seconds=seconds, flops=flops, learned=verdict)
    write_text(folder / "curve.jsonl", "".join(json.dumps(p) + "\n" for p in curve))
    return curve


def _learned(objective: Objective, half: bool, device: torch.device) -> Learned | None:
    if not isinstance(objective, Learns):
        return None
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=half):
        return objective.learned()


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
    # what cannot be had of these data (an area under a curve of one class) is left out
    found = {f"valid_{name}": float(value) for name, value in figures.items()}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _save(path: Path, begun: Begun, state: State) -> None:
    """Raises ``UserError`` rather than keep numbers that are not finite."""
    # a float holds a float32 exactly
    sums = {name: float(value) for name, value in begun.sums.items()}
    tensors = state.tensors()
    if not all(bool(one.sum(dtype=torch.float32).isfinite()) for one in tensors.values()):
        _refuse_diverged(begun.step, tensors)
    checkpoint.write(path, tensors, {"step": begun.step, "curve": begun.curve, "sums": sums})


def _refuse_diverged(step: int, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise UserError(f"training diverged at step {step}: '{name}' is not finite")


def _restore(path: Path, state: State, steps: int) -> Begun:
    """Fills ``state`` with a checkpoint, all of it or nothing. Raises ``UserError`` for one that
    is damaged or of another training."""
    tensors, meta = checkpoint.read(path)
    try:
        begun = Begun(_count(meta["step"]), _points(meta["curve"]), dict(meta.get("sums", {})))
        if not 0 < begun.step <= steps:
            raise ValueError(f"step {begun.step} of {steps}")
        if not all(isinstance(value, float) for value in begun.sums.values()):
            raise ValueError("its sums are no numbers")
        state.fill(tensors)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise UserError(f"checkpoint {path} does not fit this training: {reason}") from None
    return begun


def _count(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"its step is {value!r}")
    return value


def _points(value: Any) -> list[dict[str, float]]:
    right = isinstance(value, list) and all(isinstance(point, dict) for point in value)
    if not right or not all(isinstance(v, float) for point in value for v in point.values()):
        raise ValueError("its curve is none")
    return list(value)
