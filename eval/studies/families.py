"""Bounds of the families of diffusion that a set was made with, for Table 7."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.reading.results import ResultSet
from eval.running.roles import roles
from eval.running.store import Store
from models.base import Role
from tasks.common.errors import UserError

if TYPE_CHECKING:
    import torch

    from tasks.base import Words
    from tasks.common.progress import Progress

Family = tuple[Role, Path]


def bounded() -> dict[str, Role]:
    """The roles of networks with a bound, by name."""
    return {role.name: role for role in roles().values() if role.bound}


def families(results: ResultSet) -> dict[str, tuple[Role, str]]:
    """The networks with a bound that the cells of a set name: their roles and keys, in the order
    of roles."""
    named = {
        role: key
        for cell in results.cells()
        for role, key in cell.config.get("identity", {}).get("artefacts", {}).items()
    }
    return {name: (role, named[name]) for name, role in bounded().items() if name in named}


def stored(named: Iterable[tuple[Role, str]], store: Store) -> list[Family]:
    """Raises ``UserError`` for one that the store lacks."""
    found = []
    for role, key in named:
        folder = store.find(key)
        if folder is None:
            raise UserError(
                f"{key} ({role.name}) is not in {store.root}: set store=, or only= to leave it out"
            )
        found.append((role, folder))
    return found


def bounds(
    found: Sequence[Family], texts: Sequence[Words], draws: int, seed: int, device: torch.device,
    progress: Progress,
) -> list[tuple[Role, dict[str, np.ndarray]]]:  # fmt: skip
    """The terms of each family's bound, in nats a text, (texts,). ``draws``: states of noise for
    each text. Raises ``UserError`` for texts that a network does not fit: figures of other texts
    than the other models' could not be compared."""
    measured: list[tuple[Role, dict[str, Any]]] = []
    for role, folder in found:
        module, _, name = role.bound.partition(":")
        measure = getattr(importlib.import_module(module), name)
        terms, fitting = measure(role, folder, texts, draws, seed, device, progress=progress)
        if len(fitting) != len(texts):
            raise UserError(f"{len(texts) - len(fitting)} texts do not fit the network {folder}")
        measured.append((role, {name: value.numpy() for name, value in terms.items()}))
    return measured
