"""What a device does in a second, where nothing was measured on one like it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.nets.cards import SHEETS, sheet

if TYPE_CHECKING:
    from eval.running.config import RunConfig
    from slurm.config import SweepConfig

#: dense bf16 FLOP/s of GPUs, from the same sheets as utilisation is of
PEAKS = {name: one.flops for name, one in SHEETS.items()}
#: the GPU that one without a name is taken for
USUAL = "a100"
#: the share of its peak that a GPU is taken to sustain on networks of these sizes. It was not
#: measured: nothing has been run on a GPU yet
SHARE = 0.2
#: seconds that launching the kernels of one layer takes in a training step, below which no GPU goes
LAUNCH = 1e-3
#: FLOP/s of two CPU threads with bf16, measured: the median of 6 x parameters x tokens / seconds of
#: a training step over results/bench-small.json and results/bench-reference-sizes.json (0.9 to
#: 4.3e11)
TWO_THREADS = 2.4e11


@dataclass(frozen=True)
class Device:
    """``kind``: cpu or cuda. ``flops``: what it sustains in training, a second; ``source``: who
    says so. ``launch``: seconds that a layer costs at least in each step."""

    kind: str
    flops: float
    source: str
    launch: float = 0.0


CPU = Device("cpu", TWO_THREADS, "two CPU threads as measured in results/bench-small.json")


def device_of(sweep: SweepConfig, run: RunConfig) -> Device:
    """What the jobs of a sweep that use a GPU run on: ``device_flops`` where it is given, else the
    GPU that ``gres``, ``constraint`` or this machine names, else a usual one; or a CPU."""
    name = _gpu(sweep, run)
    kind = "cpu" if name is None else "cuda"
    if sweep.device_flops:
        launch = LAUNCH if kind == "cuda" else 0.0
        return Device(kind, sweep.device_flops, "device_flops", launch)
    if name is None:
        return CPU
    known = sheet(name)
    peak = known.flops if known else PEAKS[USUAL]
    said = known.name if known else f"GPU taken for an {USUAL.upper()}"
    return Device("cuda", SHARE * peak, f"{said}, {SHARE:.0%} of {peak / 1e12:g} TFLOP/s", LAUNCH)


def _gpu(sweep: SweepConfig, run: RunConfig) -> str | None:
    """What is known of the GPU's name; None for a CPU."""
    if run.device == "cpu" or not (sweep.gpus or sweep.gres):
        return None
    if sweep.cluster == "slurm":
        return f"{sweep.gres or ''} {sweep.constraint or ''}"
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
