"""What a computation takes of a device, counted from its operations and not timed.

The operations are those that torch is asked for, on tensors of shapes alone (fake tensors), so that
networks of any size are counted in seconds and without their memory. Floating-point operations are
those of matrix products and attention, by torch's own formulas
(:mod:`torch.utils.flop_counter`). Bytes are those that an operation reads and writes in the
device's memory; what the last operations touched is read from a cache, as far as it has room. As
they are run, all tensors of every operation count; ``fused``, the operations between two products
with weights, attention among them, are one kernel, which reads what was made before it and writes
what is read after it: the most that a compiler can save.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

#: what starts no kernel, besides views
NOTHING = frozenset((
    "_unsafe_view", "alias", "detach", "empty", "empty_like", "empty_strided", "lift_fresh",
    "new_empty", "new_empty_strided", "scalar_tensor", "device",
))  # fmt: skip
#: products of attention, which a fused kernel takes in
ATTENTION = frozenset(("bmm", "baddbmm"))
#: bytes that AdamW reads and writes of a parameter in one fused kernel: the parameter, both moments
#: and the gradient are read, the former three written, in fp32
OPTIMISER = 7 * 4
#: bytes of a parameter's moving average: it and the parameter are read, and it is written
AVERAGE = 3 * 4


@dataclass(frozen=True)
class Kernel:
    """One operation: floating-point operations, and the buffers (id -> bytes) it reads and
    writes."""

    flops: float
    reads: dict[int, float]
    writes: dict[int, float]
    name: str = ""

    @property
    def alone(self) -> bool:
        """Whether it is a kernel of its own when others are fused."""
        return bool(self.flops) and self.name not in ATTENTION


@dataclass
class Work:
    """Kernels in their order. ``parameters``: the buffers of these."""

    kernels: list[Kernel] = field(default_factory=list)
    parameters: frozenset[int] = frozenset()
    kept: list[Any] = field(default_factory=list, repr=False)

    @property
    def flops(self) -> float:
        return sum(one.flops for one in self.kernels)

    @property
    def of_parameters(self) -> float:
        """Bytes of parameters that kernels read and write."""
        every = (part for one in self.kernels for part in (one.reads, one.writes))
        return sum(size for part in every for at, size in part.items() if at in self.parameters)

    def bytes(self, cache: float = 0.0) -> list[float]:
        """Of each kernel, those that pass between the memory and a cache of so many bytes, which
        keeps what was touched last. All that is written goes to the memory."""
        held: OrderedDict[int, float] = OrderedDict()
        passed = []
        for one in self.kernels:
            missed = sum(size for at, size in one.reads.items() if at not in held)
            passed.append(missed + sum(one.writes.values()))
            for at, size in (one.reads | one.writes).items():
                held.pop(at, None)
                held[at] = size
            while sum(held.values()) > cache:
                held.popitem(last=False)
        return passed

    def fused(self) -> Work:
        """The same with the operations between two products with weights as one kernel."""
        last: dict[int, int] = {}
        for number, kernel in enumerate(self.kernels):
            last |= dict.fromkeys(kernel.reads, number)
        made: list[Kernel] = []
        first = 0
        ends: list[Kernel | None] = [*self.kernels, None]
        for number, one in enumerate(ends):
            if one is not None and not one.alone:
                continue
            if first < number:
                made.append(_one(self.kernels[first:number], last, number - 1))
            if one is not None:
                made.append(one)
            first = number + 1
        return Work(made, self.parameters, self.kept)

    def seconds(self, flops: float, bandwidth: float, cache: float = 0.0) -> float:
        """Of a device that does ``flops`` and moves ``bandwidth`` bytes a second, one kernel after
        another, each as long as the slower of the two (the roofline of Williams et al. 2009)."""
        both = zip(self.kernels, self.bytes(cache), strict=True)
        return sum(max(one.flops / flops, size / bandwidth) for one, size in both)


def _one(group: list[Kernel], last: dict[int, int], end: int) -> Kernel:
    made: set[int] = set()
    reads: dict[int, float] = {}
    writes: dict[int, float] = {}
    for one in group:
        for at, size in one.reads.items():
            if at not in made:
                reads[at] = max(size, reads.get(at, 0.0))
        made |= one.writes.keys()
        writes |= one.writes
    kept = {at: size for at, size in writes.items() if last.get(at, 0) > end}
    return Kernel(sum(one.flops for one in group), reads, kept, "fused")


class Operations(TorchDispatchMode):
    """Adds up in ``flops`` what runs inside, as ``torch.utils.flop_counter.FlopCounterMode`` does;
    unlike that, it bears ``torch.autograd.grad`` with respect to what a module is given."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0.0

    def note(self, name: str, flops: float, given: Any, out: Any) -> None:
        """Takes down an operation that starts a kernel."""
        self.flops += flops

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        if packet not in flop_registry and not _is_leaf(func):
            with self:
                made = func.decompose(*args, **kwargs)
            if made is not NotImplemented:
                return made
        out = func(*args, **kwargs)
        if packet in flop_registry:
            flops = float(flop_registry[packet](*args, **kwargs, out_val=out))
            self.note(packet.__name__, flops, (args, kwargs), out)
        elif not func.is_view and packet.__name__ not in NOTHING:
            self.note(packet.__name__, 0.0, (args, kwargs), out)
        return out


class Traffic(Operations):
    """Adds up in ``bytes``, too, those of the tensors that each operation reads and writes, as if
    nothing were kept in a cache."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0.0

    def note(self, name: str, flops: float, given: Any, out: Any) -> None:
        super().note(name, flops, given, out)
        for tree in (given, out):
            tensors = {id(one): one for one in tree_leaves(tree) if isinstance(one, Tensor)}
            self.bytes += sum(map(_shown, tensors.values()))


class Counting(Operations):
    """Notes in ``work`` what runs inside, and holds all of its buffers. ``parameters``: tensors
    whose bytes are told apart."""

    def __init__(self, parameters: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.work = Work()
        self.work.parameters = frozenset(self._buffer(one) for one in parameters)

    def note(self, name: str, flops: float, given: Any, out: Any) -> None:
        super().note(name, flops, given, out)
        self.work.kernels.append(Kernel(flops, self._buffers(given), self._buffers(out), name))

    def _buffer(self, tensor: Tensor) -> int:
        storage = tensor.untyped_storage()
        # held, so that no other one gets its address
        self.work.kept.append(storage)
        return int(storage._cdata)

    def _buffers(self, tree: Any) -> dict[int, float]:
        found: dict[int, float] = {}
        for one in tree_leaves(tree):
            if isinstance(one, Tensor):
                at = self._buffer(one)
                found[at] = max(_shown(one), found.get(at, 0.0))
        return found


def _shown(tensor: Tensor) -> float:
    """Bytes of a tensor; a view that repeats what it shows is no larger than that."""
    return float(min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()))


def _is_leaf(func: Any) -> bool:
    """Whether an operation is carried out as it stands, by kernels of its own."""
    if func is torch.ops.prim.device.default:
        return True
    composite = torch._C.DispatchKey.CompositeImplicitAutograd
    return not func.has_kernel_for_dispatch_key(composite)


def counted(work: Callable[[], Any], parameters: Iterable[Tensor] = ()) -> Work:
    """What ``work()`` takes."""
    with Counting(parameters) as counting:
        work()
    return counting.work


@contextmanager
def shapes_alone() -> Iterator[None]:
    """Tensors made inside have shapes and no numbers; nothing asks whether these are finite."""
    from unittest.mock import patch

    from torch._subclasses.fake_tensor import FakeTensorMode

    from models.nets import finite

    with FakeTensorMode(allow_non_fake_inputs=True), patch.object(finite, "check"):
        yield
