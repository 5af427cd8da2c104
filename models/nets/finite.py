"""Numbers of networks are finite, or decoding ends.

A NaN or an infinity, from weights, from a setting or from half precision, would be drawn, rounded
or ranked like any number and become words. What decoding decides by is therefore looked at where it
decides: logits may be -inf where a token is left out, and must leave one. Numbers whose squares do
not fit in fp32 count as overflown: a network's norms would turn them into nothing unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tasks.common.errors import UserError

#: checks between two looks at what a :class:`Watch` has seen; a look waits for the device
EVERY = 50


class NotFinite(UserError):
    """Numbers that are NaN or infinite. ``what``: the numbers, in the plural. ``row`` of ``rows``:
    where in a batch, if known. ``target``: the id of the target that they were for, once known."""

    def __init__(self, what: str, row: int | None = None, rows: int = 1) -> None:
        super().__init__(what)
        self.what, self.row, self.rows, self.target = what, row, rows, ""

    def __str__(self) -> str:
        where = f" of target {self.target}" if self.target else ""
        return f"{self.what}{where} are not finite (NaN or infinite)"

    def among(self, count: int) -> NotFinite:
        """The same, its row one of ``count``, each of which stood for equally many."""
        if self.row is not None:
            self.row, self.rows = self.row * count // self.rows, count
        return self

    def of(self, target: str) -> NotFinite:
        """The same, for that target unless one is known."""
        self.target = self.target or target
        return self


def check(right: Tensor, what: str) -> None:
    """Raises :class:`NotFinite` unless all rows are ``right``, (R,)."""
    if not right.is_meta and not bool(right.all()):
        raise NotFinite(what, int(right.int().argmin()), len(right))


def sizes(x: Tensor) -> Tensor:
    """Whether the numbers of each row of ``x`` (R, ...) are finite and their squares fit, (R,)."""
    wide = torch.promote_types(x.dtype, torch.float32)
    norms: Tensor = torch.linalg.vector_norm(x.detach().flatten(1), dim=1, dtype=wide)
    return norms.isfinite()


def best(logits: Tensor) -> Tensor:
    """Whether each row of ``logits`` (R, ..., V) leaves a token everywhere and is no NaN or +inf
    anywhere, (R,)."""
    return logits.detach().amax(-1).isfinite().reshape(len(logits), -1).all(1)


def numbers(logits: Tensor) -> Tensor:
    """Whether each row of ``logits`` (R, ..., V) has no NaN and no +inf, (R,)."""
    # the largest is NaN where any is, and a comparison with NaN is false
    return logits.detach().flatten(1).amax(1) < torch.inf


class Watch:
    """Checks that do not wait for the device each time: what went wrong is raised at the next look,
    the last of which is :meth:`close`. Nothing is to be taken from a batch before that."""

    def __init__(self) -> None:
        self._seen: dict[str, Tensor] = {}
        self._checks = 0

    def __call__(self, right: Tensor, what: str) -> None:
        """Notes which rows are ``right``, (R,)."""
        before = self._seen.get(what)
        self._seen[what] = right if before is None else before & right
        self._checks += 1
        if self._checks >= EVERY:
            self.close()

    def close(self) -> None:
        """Raises :class:`NotFinite` for the first kind of numbers that went wrong."""
        for what, right in self._seen.items():
            check(right, what)
        self._checks = 0


@contextmanager
def naming(target: str) -> Iterator[None]:
    """Numbers that are not finite in this block are those of ``target``."""
    try:
        yield
    except NotFinite as error:
        raise error.of(target) from None


@contextmanager
def naming_rows(rows: Tensor) -> Iterator[None]:
    """Numbers that are not finite in this block are those of the row that ``rows`` (R,) gives for
    the one that they stand in."""
    try:
        yield
    except NotFinite as error:
        if error.row is not None:
            error.row = int(rows[error.row])
        raise


def check_weights(module: nn.Module, place: Any) -> None:
    """Raises ``UserError`` naming the first parameter or buffer of ``module``, read from ``place``,
    that holds a NaN or an infinity."""
    for name, tensor in module.state_dict().items():
        refuse(name, tensor, place)


def refuse(name: str, tensor: Tensor, place: Any) -> None:
    """Raises ``UserError`` where a stored tensor holds a NaN or an infinity."""
    # one pass without a copy: whatever is not finite makes the sum so
    if not tensor.is_floating_point() or bool(tensor.sum(dtype=torch.float32).isfinite()):
        return
    broken = int(tensor.numel() - tensor.isfinite().sum())
    if broken:
        raise UserError(
            f"{place} is damaged: {broken} of {tensor.numel()} numbers of '{name}' are not finite "
            "(NaN or infinite)"
        )
