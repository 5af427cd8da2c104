"""The rows of a batch that end before the others."""

from __future__ import annotations

import torch
from torch import Tensor

from models.nets.finite import NotFinite


class Ended:
    """The rows of a batch that have left it, from states ``x`` of all of them."""

    def __init__(self, x: Tensor) -> None:
        self._all = x
        #: of each row that is left, its row in the whole batch; None: none has left
        self._places: Tensor | None = None

    def leave(self, clean: Tensor, rows: Tensor) -> None:
        """The estimates of all rows that are left but ``rows`` (N,) are their end."""
        if self._places is None:
            self._all = torch.empty_like(self._all)
            self._places = torch.arange(len(clean), device=clean.device)
        self._all[self._places] = clean
        self._places = self._places[rows]

    def named(self, error: NotFinite) -> NotFinite:
        """The same, its row that of the whole batch."""
        if self._places is not None and error.row is not None and error.row < len(self._places):
            error.row, error.rows = int(self._places[error.row]), len(self._all)
        return error

    def joined(self, x: Tensor) -> Tensor:
        """The ends of all rows, ``x`` those of the ones that never left."""
        if self._places is None:
            return x
        self._all[self._places] = x
        return self._all
