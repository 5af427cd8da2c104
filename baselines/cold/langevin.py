"""Langevin dynamics over logits: Adam steps down an energy, each followed by Gaussian noise."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from baselines.cold.settings import ColdSettings
from models.nets.finite import check, sizes
from tasks.common.progress import Progress, silent

#: Adam's defaults in torch, which the released code uses
BETAS = (0.9, 0.999)
EPSILON = 1e-8

Gradient = Callable[[Tensor], Tensor]


def langevin(
    y: Tensor,
    gradient: Gradient,
    settings: ColdSettings,
    generators: Sequence[torch.Generator],
    report: Progress = silent,
) -> Tensor:
    """``y`` (R, ...) after ``settings.iterations`` steps down ``gradient`` with their noise.

    The noise of row i comes from ``generators[i]`` alone, on the CPU whatever the device of ``y``;
    rows beyond them (fillers) get none. Noise moves y and not Adam's moments, as released.
    ``report`` counts steps.
    """
    y = y.detach().clone()
    first, second = torch.zeros_like(y), torch.zeros_like(y)
    noise = torch.zeros_like(y, device="cpu")
    rows = list(zip(noise, generators, strict=False))
    # threads draw beside an accelerator, which would otherwise wait longer for noise than it works
    beside = y.device.type != "cpu"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for i in range(settings.iterations):
            std = settings.noise_std(i)
            drawn = [pool.submit(row.normal_, generator=rng) for row, rng in rows if std and beside]
            descent = adam(gradient(y), first, second, i + 1)
            y -= settings.step_size * descent
            if std:
                for future in drawn:
                    future.result()
                for row, rng in [] if beside else rows:
                    row.normal_(generator=rng)
                y += std * noise.to(y.device)
            report(i + 1, settings.iterations)
    # a NaN stays in Adam's moments, and in y
    check(sizes(y), "the logits that the Langevin steps leave")
    return y


def adam(gradient: Tensor, first: Tensor, second: Tensor, step: int) -> Tensor:
    """The direction of Adam's ``step``-th step (from 1); updates both moments in place.

    One rounding an operation: fused ones may round an element by where it stands in memory, and a
    row's result would then depend on the rows before it.
    """
    a, b = BETAS
    first.mul_(a).add_(gradient * (1 - a))
    second.mul_(b).add_((gradient * gradient) * (1 - b))
    return (first / (1 - a**step)) / ((second / (1 - b**step)).sqrt_() + EPSILON)
