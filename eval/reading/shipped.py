"""Result sets by name: those that come with the program, and any other by its folder."""

from __future__ import annotations

from pathlib import Path

from eval.running.cells import TARGETS
from tasks.common.errors import UserError, unknown
from tasks.common.names import is_name
from tasks.common.shipped import shipped

#: what a set that comes with the program is called with, wherever it lies
RESULTS = "results"


def shipped_sets() -> dict[str, Path]:
    """Name -> folder of each of them."""
    return {path.name: path for path in sorted(shipped().glob("*")) if is_set(path)}


def find(given: str) -> tuple[str, Path]:
    """What tables call a result set, and its folder: a path, or the name of one that comes with the
    program (``demo``, ``results/demo``). Raises ``UserError`` where there is none."""
    if not given.strip() or "\0" in given:
        raise UserError("a result set has a name")
    folder, name = Path(given), given.removeprefix(f"{RESULTS}/")
    if is_set(folder):
        return str(folder), folder
    if is_name(name) and name in shipped_sets():
        return f"{RESULTS}/{name}", shipped_sets()[name]
    if folder.is_dir():
        raise UserError(f"{given} is no result set: no folder in it has a {TARGETS}")
    raise unknown("result set", given, shipped_sets())


def is_set(folder: Path) -> bool:
    """Whether any task's targets lie in a folder."""
    try:
        return any(folder.glob(f"*/{TARGETS}"))
    except (OSError, ValueError):  # a name that no file can have
        return False
