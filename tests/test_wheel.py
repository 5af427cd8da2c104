"""From nothing but a wheel, in an empty folder: the first commands."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from built import ROOT

DATA = Path(os.environ.get("DIFFUSION_BENCH_DATA", ROOT.parent / "shared" / "data"))


def said(installed: Path, folder: Path, *given: str, code: int = 0) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(installed), *given], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_what_it_holds(wheel: Path) -> None:
    assert wheel.stat().st_size < 60 * 2**20
    names = set(zipfile.ZipFile(wheel).namelist())
    held = "control_bench/shipped"
    assert {"control_bench/py.typed", f"{held}/paper.json", f"{held}/left-out.txt"} <= names
    assert {f"{held}/demo/run.json", f"{held}/scheduling.json"} <= names
    assert "eval/reading/page/page.html" in names and "tasks/py.typed" in names
    networks = {n.split("/")[3] for n in names if n.startswith(f"{held}/prebuilt/")}
    shipped = {path.name for path in (ROOT / "results" / "prebuilt").iterdir()}
    left = set(zipfile.ZipFile(wheel).read(f"{held}/left-out.txt").decode().split())
    assert len(networks) > 8 and networks | left == shipped and not networks & left
    assert not [name for name in names if "/tables/" in name and name.startswith(held)]
    assert not [name for name in names if name.startswith(("tests/", "results/", "setup"))]


def test_the_first_commands_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    assert said(installed, tmp_path, "--help").startswith("usage: control-bench COMMAND")
    (tmp_path / "eval.py").write_text("raise SystemExit('of the user')\n")
    run = ("run", "task=length", "method=diffusion_lm", "targets=1", "samples=1", "floor=0",
           "threads=1", "diffusion_lm.sampling.steps=5")  # fmt: skip
    text = said(installed, tmp_path, *run)
    assert "diffusion_lm" in text and "len_exact" in text and "] train " not in text
    assert (tmp_path / "results" / "run-demo-grammar" / "table.md").is_file()
    assert "nothing was left to do" in said(installed, tmp_path, *run)
    text = said(installed, tmp_path, "tables", "show=false")
    assert "results/demo/tables/" in text
    assert (tmp_path / "results" / "demo" / "tables" / "table2.md").is_file()
    assert said(installed, tmp_path, "--version").startswith("control-bench ")


@pytest.mark.skipif(not (DATA / "e2e").is_dir(), reason=f"no E2E under {DATA}")
def test_networks_that_it_lacks_are_named_first(installed: Path, tmp_path: Path) -> None:
    """Before anything is trained, which ``stop_after`` ends at once."""
    given = ["run", "preset=small", f"data={DATA}", "task=length", "method=ft_sample"]
    text = said(installed, tmp_path, *given, "targets=1", "stop_after=0.0001", code=75)
    assert "note: the wheel holds the networks of preset demo; " in text
    assert "prebuilt=CLONE/results/prebuilt" in text and "stopped, and saved" in text
