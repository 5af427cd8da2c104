"""What methods that fill in a middle share: the control that they read, and the sample that
answers it."""

from __future__ import annotations

import dataclasses

from models.base import TargetSamples
from models.nets.unk import MaskedRepair
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import Control, Infill
from tasks.metrics import mbr
from tasks.vocabulary import UNKNOWN


def infill(target: Target) -> Infill:
    """The control of an infilling target; ``UserError`` for any other."""
    control: Control = target.control
    if not isinstance(control, Infill):
        raise UserError(f"target {target.id}: infilling cannot read {control}")
    return control


def answer(
    result: TargetSamples, control: Infill, repair: MaskedRepair | None = None
) -> TargetSamples:
    """``result`` with the UNKs of its samples replaced, if ``repair`` is given, and with the sample
    chosen that has the least expected risk against the others (paper, section 5.2)."""
    samples = result.samples
    if repair is not None:
        samples = tuple(
            dataclasses.replace(s, words=repair.repair(control.left, s.words, control.right))
            if UNKNOWN in s.words
            else s
            for s in samples
        )
    chosen = mbr.choose([s.words for s in samples]) if samples else None
    return TargetSamples(result.target_id, samples, chosen)
