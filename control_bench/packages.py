"""Whose ``models`` it is: the packages of this program, whatever a user's files are called.

Five packages have plain names, as files beside a user's own have: ``models.py``, ``eval.py``. From
here on these names are those of the packages that lie beside this one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

NAMES = ("tasks", "models", "baselines", "eval", "slurm")
ROOT = Path(__file__).resolve().parents[1]


class Beside(MetaPathFinder):
    """Finds the five packages, and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [str(ROOT)]) if fullname in NAMES else None


def claim() -> None:
    """Makes the five names this program's, for this process. Raises ``ImportError`` for one under
    which a file of the user's has been imported already."""
    for name in NAMES:
        found = getattr(sys.modules.get(name), "__file__", None)
        if name in sys.modules and Path(found or ".").resolve() != ROOT / name / "__init__.py":
            raise ImportError(
                f"'{name}' is {found or 'a folder'} here, and a package of control_bench: rename "
                "it, or import control_bench first"
            )
    if not any(isinstance(finder, Beside) for finder in sys.meta_path):
        sys.meta_path.insert(0, Beside())
