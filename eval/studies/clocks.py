"""What a benchmark measures with: time, operations and memory, of a CPU or a GPU."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import numpy as np

if TYPE_CHECKING:
    import torch

#: steps before the one whose operations are counted, after which steps are timed
BEFORE = 3
#: rows of a product that is timed, and how many are
PRODUCT, PRODUCTS = 2048, 12


class Clock:
    """A ``Progress`` that notes when each training step ended, and counts the operations of one of
    the first ones, which is not timed. A compiled network is counted, and neither compiled nor
    recorded, in that step."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.times, self.counts = device, list[float](), Counts(0, 0)
        self._counter: Operations | None = None

    def __call__(self, done: float, total: float, note: str = "") -> None:
        self.close()
        # a GPU is waited for where its time begins and ends, and runs freely between
        ends = len(self.times) <= BEFORE or done == total
        self.times.append(now(self.device) if ends else time.perf_counter())
        if len(self.times) == BEFORE:
            self._counter = Operations()

    def close(self) -> None:
        """Counts no further."""
        if self._counter is not None:
            self.counts = self._counter.stop()
            self._counter = None

    def step(self) -> float:
        """Seconds of a step: their median, or on a GPU their mean."""
        return step_seconds(self.times[BEFORE:], self.device)


def step_seconds(times: Sequence[float], device: torch.device) -> float:
    """Seconds of a step that ended at ``times``, of which a GPU is only in time at the first and
    the last."""
    if device.type == "cuda":
        return (times[-1] - times[0]) / (len(times) - 1)
    return float(statistics.median(np.diff(times)))


class Counts(NamedTuple):
    """Floating-point operations, and bytes of the tensors that operations read and write."""

    flops: int
    bytes: int


class Operations:
    """Counts from when it is made until :meth:`stop`."""

    def __init__(self) -> None:
        import torch

        from models.nets import counting

        self._counter, self._open = counting.Traffic(), ExitStack()
        # what is compiled is counted as it was written
        self._open.enter_context(torch.compiler.set_stance("force_eager"))
        self._open.enter_context(self._counter)

    def stop(self) -> Counts:
        self._open.close()
        return Counts(int(self._counter.flops), int(self._counter.bytes))


def peak_flops(device: torch.device) -> float:
    """FLOP/s of the matrix products that networks ask for: on a GPU of the data sheet, 0 for one
    without; on a CPU those of the fastest of a few large products, measured now with the threads
    that there are."""
    import torch

    from models.nets.cards import sheet
    from models.nets.precision import matrix_dtype

    if device.type == "cuda":
        known = sheet(card_name(device))
        return 0.0 if known is None else known.flops
    a, b = (torch.ones(PRODUCT, PRODUCT, dtype=matrix_dtype(device)) for _ in range(2))
    fastest = float("inf")
    for _ in range(PRODUCTS):
        began = time.perf_counter()
        a @ b
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * PRODUCT**3 / fastest


def parameters(weights: Path) -> int:
    """How many numbers a network's file holds; 0 where there is none."""
    from safetensors import safe_open

    if not weights.exists():
        return 0
    with safe_open(weights, framework="pt") as file:
        return sum(int(np.prod(file.get_slice(name).get_shape())) for name in list(file.keys()))


@contextmanager
def network_time(generator: Any) -> Iterator[Mapping[str, float]]:
    """Seconds spent in the denoiser and in the guide, its gradient included, while inside; none
    where a GPU computes, which would have to be waited for at each."""
    spent = {"seconds": 0.0}
    if not hasattr(generator, "diffusion") or generator.diffusion.device.type == "cuda":
        yield spent
        return
    import torch

    depth = 0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            depth += 1
            began = now(generator.diffusion.device)
            try:
                return function(*args, **kwargs)
            finally:
                depth -= 1
                if depth == 0:  # a network inside a gradient counts once
                    spent["seconds"] += now(generator.diffusion.device) - began

        return wrapper

    from models.diffusion.classifiers.chart import SpanGuide

    patches = [
        patch.object(generator.diffusion, "x0", timed(generator.diffusion.x0)),
        patch.object(torch.autograd, "grad", timed(torch.autograd.grad)),
        patch.object(SpanGuide, "__call__", timed(SpanGuide.__call__)),
    ]
    with patches[0], patches[1], patches[2]:
        yield spent


def now(device: torch.device) -> float:
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
    return time.perf_counter()


def threads() -> int:
    import torch

    return torch.get_num_threads()


def card_name(device: torch.device) -> str:
    """What a GPU is called; nothing for a CPU."""
    if device.type != "cuda":
        return ""
    import torch

    return torch.cuda.get_device_name(device)


def forget_peak(device: torch.device) -> None:
    """Begins anew to note how much of a GPU's memory is used."""
    if device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> float:
    """GiB: of the process, or of the device where there is one."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
