"""Every command and every block of code of README.md and docs/ is run, or read by its parser."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from readme_blocks import INLINE, PAGES, ROOT, Block, blocks

#: where a run without out= stores the demo
DEFAULT_OUT = "results/run-demo-grammar"
LANGUAGES = {"bash", "python", "text", "json", "yaml"}
MARKS = {"", "slow", "install", "from results/demo"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page: Path) -> None:
    made = blocks(page)
    assert page.read_text(encoding="utf-8").count("```") == 2 * len(made)
    for one in made:
        assert one.language in LANGUAGES and one.mark in MARKS, one
        assert one.language == "bash" or not one.mark, one
        for command in one.commands() if one.language == "bash" else ():
            assert command.split()[0] in {"control-bench", "pip"}, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_are_there(page: Path) -> None:
    from tasks.common.commands import COMMANDS

    assert set(INLINE.findall(page.read_text(encoding="utf-8"))) <= {*COMMANDS, "completion"}


def corpus(rows: str) -> str:
    """As many rows as a corpus needs, of the kind of those that a page shows."""
    shown = [json.loads(line) for line in rows.splitlines()]
    made = ({**row, "text": f"{row['text']} {i}"} for i in range(50) for row in shown)
    return "".join(json.dumps(row) + "\n" for row in made)


@pytest.mark.parametrize("page", filter(blocks, PAGES), ids=lambda page: page.name)
def test_blocks_in_order(page: Path, tmp_path: Path) -> None:
    """In an empty folder, one after the other."""
    made = blocks(page)
    for one, following in zip_longest(made, made[1:]):
        if one.name:
            text = corpus(one.text) if one.name.endswith(".jsonl") else one.text
            (tmp_path / one.name).write_text(text, encoding="utf-8")
        elif one.mark == "install":
            installs(one)
        elif one.language == "bash" and one.mark == "slow":
            for command in one.commands():
                reads(command, tmp_path)
        elif one.language in ("bash", "python"):
            if one.mark.startswith("from "):
                shutil.copytree(ROOT / one.mark.removeprefix("from "), tmp_path / DEFAULT_OUT)
            printed = executes(one, tmp_path)
            if following is not None and following.language == "text":
                prints(following.text, printed)


def environment() -> dict[str, str]:
    """With this checkout's code, the console script beside the interpreter, a terminal's width."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    fixed = {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "HF_HUB_OFFLINE": "1"}
    return {**os.environ, **fixed}


def started(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done


def executes(block: Block, folder: Path) -> str:
    program = [sys.executable, "-c"] if block.language == "python" else ["bash", "-ec"]
    return started([*program, block.text], folder).stdout


def prints(expected: str, printed: str) -> None:
    """What stands between two lines ``...`` was printed in one piece, and in this order."""
    lines = [line.rstrip() for line in printed.splitlines()]
    for piece in expected.split("...\n"):
        wanted = piece.rstrip("\n").split("\n")
        at = next((i for i in range(len(lines)) if lines[i : i + len(wanted)] == wanted), None)
        assert at is not None, f"not printed:\n{piece}\nin what is left:\n" + "\n".join(lines)
        lines = lines[at + len(wanted) :]


def installs(block: Block) -> None:
    """Extras that there are, pinned files that there are."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for command in block.commands():
        words = shlex.split(command)
        assert words[:2] == ["pip", "install"]
        for word in words[2:]:
            if word.startswith(".["):
                assert set(word[2:-1].split(",")) <= set(extras), word
            elif not word.startswith("-"):
                assert word in (".", "constraints.txt") or "==" in word, word


def reads(command: str, folder: Path) -> None:
    """Every key of a command is one of its own and has a value that it may have; the keys of a run
    are read as a run reads them."""
    from tasks.common.commands import COMMANDS, RUN

    name, *arguments = shlex.split(command)[1:]
    found = COMMANDS[name]
    values = [argument for argument in arguments if "=" in argument]
    if name == "tune":  # a grid: each value of a setting is one that it may have
        values = [one for value in values for one in alone(value)]
    known = keys_of(found.keys)
    of_run = keys_of(RUN) if set(RUN) <= set(found.keys) else {}
    own = [key for key in known if key not in of_run]
    methods = []
    for value in values:
        key, _, text = value.partition("=")
        if key in found.more:  # also where a run has a key of that name
            continue
        if key in known:
            known[key].read(key, text)
        else:
            # an option of a method from a file, or of a section that the command hands on
            assert "." in key, f"{command}: {key}"
            methods.append(value)
    once = {v.partition("=")[0]: v for v in values}
    passed = [value for key, value in once.items() if key not in {*own, *found.more}]
    if of_run:
        code = "import sys; from eval.running.command import parse; parse(sys.argv[1:])"
        started([sys.executable, "-c", code, *passed], folder)
    elif methods:
        code = (
            "import sys; from eval.running.keys import override, pairs;"
            "from eval.running.presets import preset_config;"
            "config = preset_config('demo', None);"
            "override(config, pairs(sys.argv[1:], type(config)))"
        )
        started([sys.executable, "-c", code, *methods], folder)


def alone(value: str) -> list[str]:
    """``METHOD.KEY=A,B`` as ``METHOD.KEY=A`` and ``METHOD.KEY=B``."""
    key, _, text = value.partition("=")
    return [f"{key}={one}" for one in text.split(",")] if "." in key else [value]


def keys_of(places: Sequence[str]) -> dict[str, Any]:
    """The keys of config dataclasses, ``module:Class`` or ``module:function`` that gives one."""
    from eval.running.keys import keys

    found: dict[str, Any] = {}
    for place in places:
        module, name = place.split(":")
        made = getattr(importlib.import_module(module), name)
        found |= keys(made if isinstance(made, type) else made())
    return found
