"""What stands beside every stored number so that it can be made again."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tasks.common.schema import read_json
from tasks.common.shipped import ROOT
from tasks.oracles.files import ParserFile

PACKAGES = (
    "control-bench",
    "torch",
    "transformers",
    "numpy",
    "safetensors",
    "benepar",
    "nltk",
    "spacy",
)


def packages() -> dict[str, str]:
    """Installed versions of what a result hangs on."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def commit() -> str | None:
    """The git commit of this checkout, with ``+changes`` where files differ from it."""
    if not (ROOT / ".git").exists():  # a wheel, in whatever repository its environment lies
        return None
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def parser_figures(folder: Path) -> dict[str, Any]:
    """What the oracle parser was trained on and how well it did on held-out sentences."""
    figures: dict[str, Any] = read_json(folder / "parser.json", ParserFile)["meta"]
    return figures


def provenance(config: Mapping[str, Any], command: list[str]) -> dict[str, Any]:
    """The resolved config, the versions, the commit and the command line."""
    return {
        "command": command,
        "config": config,
        "packages": packages(),
        "commit": commit(),
        "platform": platform.platform(),
    }
