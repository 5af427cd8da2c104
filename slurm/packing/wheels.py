"""The small packages that a bare machine lacks, as wheels for its Python."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path

from tasks.common.errors import UserError

#: what training and sampling import beside the packages of ``start.NEEDED`` and of these; a
#: filelock of torch's is older than the leases here
SMALL = ("annotated-types", "filelock", "pydantic", "pydantic-core", "typing-extensions",
         "typing-inspection")  # fmt: skip


def here() -> str:
    """This Python, as 3.12."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def gather(folder: Path, python: str) -> None:
    """Puts the wheels into ``folder``, in the versions that are installed here. For this Python
    they are made of what is installed, for another one pip fetches them. Raises ``UserError`` where
    it cannot."""
    folder.mkdir(parents=True, exist_ok=True)
    if python == here():
        for name in SMALL:
            _made(folder, name)
        return
    pinned = [f"{name}=={version(name)}" for name in SMALL]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
               "--only-binary=:all:", "--python-version", python, "--dest", str(folder),
               *pinned]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = said[-1] if said else f"pip ended with {done.returncode}"
        raise UserError(f"no wheels for python={python}: {reason}")


def _made(folder: Path, name: str) -> None:
    """A wheel of an installed package: its files as they lie, compiled Python left out."""
    installed = distribution(name)
    with zipfile.ZipFile(
        folder / f"{name}-{installed.version}.whl", "w", zipfile.ZIP_DEFLATED
    ) as wheel:
        for one in installed.files or ():
            if ".." not in one.parts and one.suffix != ".pyc":
                wheel.write(str(one.locate()), str(one))
