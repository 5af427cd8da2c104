"""The values that a numeric setting may have, said once, beside its field.

A frozen dataclass of settings declares ``lr: float = ranged(1e-4, above=0, most=1000)`` and has
:class:`Checked` as its base; the command line reads the same ranges for every class, those without
the base among them. Without a range a float is finite and an integer one of 64 bits.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from tasks.common.errors import UserError

#: what an integer holds in numpy, torch and SLURM's own files
WIDEST = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Range:
    """From ``least`` (or what is ``above``) to ``most`` (or what is ``below``)."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """``at least 1``, ``above 0 and at most 1``, ``from 0 to 1``."""
        if self.least is not None and self.most is not None and self.most <= 1:
            return f"from {self.least:g} to {self.most:g}"
        bounds = (
            ("at least", self.least),
            ("above", self.above),
            ("at most", self.most),
            ("below", self.below),
        )
        said = [f"{name} {_shown(bound)}" for name, bound in bounds if bound is not None]
        return " and ".join(said)


INTEGERS = Range(least=-WIDEST - 1, most=WIDEST)
#: of random streams: numpy has no negative ones
SEEDS = Range(least=0, most=WIDEST)


def ranged(
    default: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    **metadata: Any,
) -> Any:
    """A field of a dataclass whose values, or entries of a list, lie in a :class:`Range`;
    ``metadata``: whatever else is said of it."""
    limits = Range(least, above, most, below)
    return dataclasses.field(default=default, metadata={"range": limits, **metadata})


def a_seed(default: int = 0) -> Any:
    """A field that holds a seed."""
    return dataclasses.field(default=default, metadata={"range": SEEDS})


def share(default: float) -> Any:
    """A field that holds a share, from 0 to 1."""
    return ranged(default, least=0, most=1)


def refusal(value: Any, metadata: Mapping[str, Any]) -> str | None:
    """Why a setting cannot have ``value``, in words ("at least 1"), or None. ``metadata``: of its
    field. What is no number has no range; of a list, every entry counts."""
    if isinstance(value, list | tuple):
        return next((why for one in value if (why := refusal(one, metadata))), None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    limits: Range | None = metadata.get("range")
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number" + (f", {limits}" if limits else "")
    if limits is None:
        limits = INTEGERS if isinstance(value, int) else Range()
    return None if value in limits else str(limits)


def maybe_empty(default: str) -> Any:
    """A field that holds a text, which may be empty although its default is not."""
    return dataclasses.field(default=default, metadata={"empty": True})


class Checked:
    """The base of a dataclass of settings: its numbers lie in their ranges, however it is made."""

    def __post_init__(self) -> None:
        """Raises ``UserError`` naming a field, its value and the values that it may have."""
        for part in dataclasses.fields(self):  # type: ignore[arg-type]
            why = refusal(getattr(self, part.name), part.metadata)
            if why:
                raise UserError(f"{part.name}={getattr(self, part.name)}: {why}")


def _shown(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
