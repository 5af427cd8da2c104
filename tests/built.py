"""What takes long to build and several test files read: the wheel, an environment that has it, and
the site of the documentation. Each is built once for all processes of a test run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
#: what a wheel is built from
SOURCES = ("tasks", "models", "baselines", "eval", "slurm", "control_bench", "setup.py",
           "pyproject.toml", "README.md", "LICENSE")  # fmt: skip
STORED = ("*.json", "demo", "prebuilt")


def once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """The folder that ``build`` fills, or another process of this test run has filled."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each process has a folder of its own below
        base = base.parent
    folder, done = base / name, base / f"{name}.done"
    with FileLock(base / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            done.touch()
    return folder


def linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: building leaves folders behind."""
    pytest.importorskip("setuptools", minversion="77")
    (built,) = once(tmp_path_factory, "wheel", _wheel).glob("control_bench-*.whl")
    return built


def _wheel(out: Path) -> None:
    copy = out / "copy"
    (copy / "results").mkdir(parents=True)
    leave = shutil.ignore_patterns("__pycache__", ".lock*", ".sweep")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=leave)
        else:
            shutil.copyfile(ROOT / name, copy / name)
    for path in (path for pattern in STORED for path in (ROOT / "results").glob(pattern)):
        if path.is_dir():
            shutil.copytree(path, copy / "results" / path.name, ignore=leave, copy_function=linked)
        else:
            shutil.copyfile(path, copy / "results" / path.name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps",
               "--no-build-isolation", "--wheel-dir", str(out), str(copy)]  # fmt: skip
    subprocess.run(command, check=True, cwd=out)
    shutil.rmtree(copy)


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console script of an environment that has the wheel, and this one's other packages."""

    def build(place: Path) -> None:
        venv.create(place, with_pip=False, symlinks=True)
        packages = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
        command = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"),
                   "install", "--quiet", "--no-deps", str(wheel)]  # fmt: skip
        subprocess.run(command, check=True, cwd=place)
        # a folder on the path whose own .pth files, as that of a checkout, are not read
        (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")

    return once(tmp_path_factory, "environment", build) / "bin" / "control-bench"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the documentation's site, as CI builds it."""
    return once(tmp_path_factory, "site", _site)


def _site(folder: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
