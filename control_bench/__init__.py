"""The installed name of control-bench: what Python code and the console script come in by.

Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

from control_bench.packages import claim

claim()

#: name -> ``module:attribute`` that it stands for
_EXPORTS = {
    "__version__": "control_bench.version:__version__",
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
__version__: str


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _EXPORTS[name].partition(":")
    value = globals()[name] = getattr(importlib.import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
