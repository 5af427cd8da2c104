"""Every command explains itself, in its own name, without doing anything."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: started by a sweep's jobs, not by people
INTERNAL = {"slurm.worker"}


def commands() -> list[str]:
    found = set()
    for path in (p for top in ("eval", "slurm", "tasks") for p in (ROOT / top).rglob("*.py")):
        if '__name__ == "__main__"' in path.read_text():
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.add(".".join(p for p in parts if p != "__main__"))
    return sorted(found - INTERNAL)


def test_commands_are_found() -> None:
    assert {"eval.run", "eval.tables", "slurm.sweep", "tasks.oracles.measure"} <= set(commands())


@pytest.mark.parametrize("name", commands())
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(
    name: str,
    flag: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = name
    if (ROOT / Path(*name.split("."))).is_dir():
        module = f"{name}.__main__"
    monkeypatch.chdir(tmp_path)
    main = importlib.import_module(module).main
    assert not main([flag])
    printed = capsys.readouterr()
    assert f"python -m {name}" in printed.out.splitlines()[0] and not printed.err

    assert len(printed.out.splitlines()) > 4 and not re.search("Traceback|error:", printed.out)
    assert list(tmp_path.iterdir()) == []
