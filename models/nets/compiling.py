"""How networks are compiled, by the device that they are on."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

Mode = Literal["default", "reduce-overhead"]
#: parameters of the largest network whose kernels are taken to run no longer than they take to
#: launch at the batches of the presets: the paper's has 87 M
SMALL = 200_000_000


def mode(device: torch.device, parameters: int) -> Mode:
    """``reduce-overhead`` (the kernels of a call are recorded as a CUDA graph and replayed at once)
    for small networks on a GPU, where launching them one by one would take longer than running
    them."""
    graphs = device.type == "cuda" and parameters <= SMALL
    return "reduce-overhead" if graphs else "default"


def for_decoding(device: torch.device, asked: bool) -> bool:
    """Whether networks that decode are compiled: on a GPU, where it is asked for. On a CPU another
    order of summation would change samples and compiling costs more than it saves."""
    return asked and device.type == "cuda"


def compile_encoder(network: nn.Module, device: torch.device, asked: bool) -> None:
    """Compiles, in place, the ``encoder`` of a network that decodes, if it has one, where
    :func:`for_decoding` says so. What is around it reads the encoder's states at once, before a
    graph that is replayed overwrites them."""
    encoder = getattr(network, "encoder", None)
    if encoder is not None and for_decoding(device, asked):
        encoder.compile(mode=mode(device, sum(p.numel() for p in network.parameters())))
