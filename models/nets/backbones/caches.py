"""Keys and values of what a decoder has read, kept so that one more token copies none of them.

R rows, n tokens, of the library's interface no more than ``update`` and ``get_seq_length``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

#: tokens for which a layer makes room at once
ROOM = 64


class Roomy(DynamicLayer):
    """A layer's keys and values, (R, heads, n, width of a head) both, at the beginning of buffers
    with room for further tokens, which are written there. Gradients do not pass.

    In fp32 on a CPU alone: elsewhere, where the kernel of a product may be chosen by how its
    numbers lie, they are joined at each token, as the library does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.buffers: list[Tensor] = []
        self.front: tuple[Tensor, Tensor] | None = None

    def share(self) -> None:
        """What was read, by one row, stands from now on in front of however many follow."""
        assert self.keys is not None and self.values is not None
        self.front = self.keys[0], self.values[0]
        self.buffers, self.is_initialized = [], False

    def get_seq_length(self) -> int:
        """How many tokens have been read."""
        return self._own() + (0 if self.front is None else self.front[0].shape[1])

    def _own(self) -> int:
        return int(super().get_seq_length()) if self.is_initialized else 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """The keys and values of all tokens behind the front, these included, as views of the
        buffers."""
        new = key_states, value_states
        if key_states.device.type != "cpu" or key_states.dtype != torch.float32:
            return super().update(*new)
        if not self.is_initialized:
            self.lazy_initialization(*new)
            self.buffers = [one[:, :, :0] for one in new]
        before = self._own()
        length = before + key_states.shape[2]
        if length > self.buffers[0].shape[2]:
            self._move(torch.arange(len(key_states), device=key_states.device), before, length)
        for buffer, states in zip(self.buffers, new, strict=True):
            buffer[:, :, before:length] = states
        self.keys, self.values = (buffer[:, :, :length] for buffer in self.buffers)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Row i goes on from what row ``beam_idx[i]`` has read; there may be fewer rows than
        before, or more."""
        length = self._own()
        if not length:
            return
        if not self.buffers:
            super().reorder_cache(beam_idx)  # type: ignore[arg-type]
        else:
            self._move(beam_idx, length, length)
            self.keys, self.values = (buffer[:, :, :length] for buffer in self.buffers)

    def _move(self, rows: Tensor, length: int, least: int) -> None:
        """The first ``length`` tokens of ``rows`` into buffers of at least ``least``, the same ones
        where they are large enough."""
        room = -(-least // ROOM) * ROOM
        for i, old in enumerate(self.buffers):
            moved = old[:, :, :length].index_select(0, rows)
            if len(rows) > len(old) or least > old.shape[2]:
                old = old.new_empty(len(rows), old.shape[1], room, old.shape[3])
            self.buffers[i] = old[: len(rows)]
            self.buffers[i][:, :, :length] = moved


class RoomyCache(DynamicCache):
    """An empty cache of a network of the library's ``config``; layers that do not keep all tokens
    (sliding windows) are the library's own."""

    def __init__(self, config: Any) -> None:
        super().__init__(config=config)
        self.layers = [Roomy() if type(one) is DynamicLayer else one for one in self.layers]

    def share(self) -> None:
        """As :meth:`Roomy.share`; of networks whose reading looks at the front."""
        for layer in self.layers:
            assert isinstance(layer, Roomy)
            layer.share()

    def front(self, layer: int) -> tuple[Tensor, Tensor] | None:
        """Keys and values (heads, n, width of a head) in front of those of every row."""
        return getattr(self.layers[layer], "front", None)


class Joined:
    """The cache of one reading behind ``past``, which stays as it is; differentiable in it.
    ``layers``: the keys and values of all that has been read, as far as layers have."""

    def __init__(self, past: Any) -> None:
        self.past = past
        self.layers: list[tuple[Tensor, Tensor]] = []

    def get_seq_length(self) -> int:
        """How many tokens ``past`` holds."""
        return int(self.past[0][0].shape[2]) if self.past else 0

    def front(self, layer: int) -> None:
        """None: the past is each row's own."""

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Those of the past in front of these, for the next ``layer``."""
        if self.past:
            before = self.past[layer]
            both = torch.cat([before[0], keys], 2), torch.cat([before[1], values], 2)
        else:
            both = keys.contiguous(), values.contiguous()
        self.layers.append(both)
        return both
