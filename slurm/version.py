"""Which code a sweep was planned with."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tasks.common.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("tasks", "models", "baselines", "eval", "slurm")


def code_digest() -> str:
    """A hash of the source files of this program: committed or not, and without git too."""
    sha = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            sha.update(f"{path.relative_to(ROOT)}\0".encode())
            sha.update(hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()[:16]


def same_code(planned: str) -> None:
    """Raises ``UserError`` if the code is another than when the sweep was planned: a job reads the
    code when it starts, and the results of one table come from one version."""
    now = code_digest()
    if now != planned:
        raise UserError(
            f"the code has changed since this sweep was planned (then {planned}, now {now}): "
            "run the same slurm.sweep command again to plan with the new one"
        )
