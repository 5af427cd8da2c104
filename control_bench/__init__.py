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
