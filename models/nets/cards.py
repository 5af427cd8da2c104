"""What GPUs do in a second, by their makers' data sheets. Free of torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.common.errors import unknown


@dataclass(frozen=True)
class Sheet:
    """``flops``: dense bf16 (fp16 where there is none) FLOP/s; ``bandwidth``: bytes of its memory a
    second; ``memory``: GiB; ``cache``: bytes of the cache in front of it (L2)."""

    name: str
    flops: float
    bandwidth: float
    memory: float
    cache: float


#: by what is found in a device's name; of a card that is sold in several forms, the SXM one
SHEETS = {
    sheet.name.lower(): sheet
    for sheet in (
        Sheet("H200", 989e12, 4.8e12, 141, 50e6),
        Sheet("H100", 989e12, 3.35e12, 80, 50e6),
        Sheet("A100", 312e12, 2.0e12, 80, 40e6),
        Sheet("L40S", 362e12, 0.864e12, 48, 96e6),
        Sheet("A40", 150e12, 0.696e12, 48, 6e6),
        Sheet("V100", 125e12, 0.9e12, 32, 6e6),
        Sheet("A10", 125e12, 0.6e12, 24, 6e6),
        Sheet("L4", 121e12, 0.3e12, 24, 48e6),
        Sheet("T4", 65e12, 0.32e12, 16, 4e6),
        Sheet("4090", 165e12, 1.008e12, 24, 72e6),
        Sheet("3090", 71e12, 0.936e12, 24, 6e6),
    )
}


def sheet(name: str) -> Sheet | None:
    """Of the GPU that ``name``, as torch or SLURM has it, is of; None for one without a sheet."""
    low = name.lower()
    # longer names first: an L40S is no L4
    for key in sorted(SHEETS, key=len, reverse=True):
        if re.search(rf"(?<![a-z0-9]){key}(?![0-9])", low):
            return SHEETS[key]
    return None


def card(name: str) -> Sheet:
    """The sheet of a card. Raises ``UserError`` for one that has none here."""
    found = sheet(name)
    if found is None:
        raise unknown("card", name, SHEETS)
    return found
