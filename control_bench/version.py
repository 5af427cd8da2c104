"""Which version this is: of a checkout as its ``pyproject.toml`` says, else as installed."""

from __future__ import annotations

import tomllib
from importlib.metadata import version

from control_bench.packages import ROOT

PROJECT = ROOT / "pyproject.toml"
if PROJECT.is_file():
    __version__ = str(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"])
else:
    __version__ = version("control-bench")
