"""Data-parallel training of one network: several processes, each with its share of every batch.

Each process draws the whole batch and its noise from the same random numbers and keeps its share,
so that the gradients, averaged over the processes, are those of one process with the whole batch
(to rounding; dropout masks differ). An objective that takes no shares is computed whole by every
process: right, and no faster. Processes are joined by accelerate; alone, all this does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

Rows = TypeVar("Rows", bound=Any)

#: how long one process waits for another: as long as another job may take to build an artefact
PATIENCE = timedelta(days=7)


class Follower(Exception):
    """Training is over in a process that is not the first: what follows is the first one's work."""


def asked() -> bool:
    """Whether this process was started as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def start(cpu: bool) -> None:
    """Joins the processes that were started together. Called once, by all of them."""
    from accelerate import PartialState

    PartialState(cpu=cpu, timeout=PATIENCE)


def size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def share(rows: Rows) -> Rows:
    """This process's part of a batch: a tensor, an array or a list, cut along its first axis."""
    n = len(rows)
    return rows[rank() * n // size() : (rank() + 1) * n // size()]


def mean(values: Tensor) -> Tensor:
    """A number whose average over the processes is the mean over all their ``values``."""
    if size() == 1:
        return values.mean()
    count = torch.tensor(float(values.numel()), device=values.device)
    dist.all_reduce(count)
    return values.sum() * size() / count


def average(tensors: Sequence[Tensor]) -> None:
    """Replaces each tensor by its average over the processes."""
    if size() == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    dist.all_reduce(flat)
    flat /= size()
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def anyone(value: bool, device: torch.device) -> bool:
    """Whether it is true in any process."""
    if size() == 1:
        return value
    count = torch.tensor(int(value), device=device)
    dist.all_reduce(count)
    return bool(count)


def tell(message: Any = None) -> Any:
    """What the first process says, in all of them."""
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([message])[0]
