"""The benchmark as a Python package; names are imported when they are first used."""

from __future__ import annotations

import importlib
from typing import Any

#: public name -> where it lives
_EXPORTS = {
    "load": "control_bench.api:load",
    "Bench": "control_bench.api:Bench",
    "Generated": "control_bench.samples:Generated",
    "Results": "eval.reading.frames:Results",
    "Control": "tasks.controls:Control",
    "FieldValue": "tasks.controls:FieldValue",
    "TagSequence": "tasks.controls:TagSequence",
    "Span": "tasks.controls:Span",
    "ParseTree": "tasks.controls:ParseTree",
    "Length": "tasks.controls:Length",
    "Infill": "tasks.controls:Infill",
    "AllOf": "tasks.controls:AllOf",
    "Target": "tasks.targets:Target",
    "UserError": "tasks.common.errors:UserError",
    "push_to_hub": "control_bench.hub:push_to_hub",
    "from_pretrained": "control_bench.hub:from_pretrained",
}


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'control_bench' has no attribute '{name}'")
    module, attribute = _EXPORTS[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
