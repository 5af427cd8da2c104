"""Output that is not UTF-8: letters are replaced, and no command ends over them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from eval import targets
from eval.reading.tables.grid import Column, Grid, entry
from eval.reading.tables.terminal import show
from eval.run import guarded
from eval.run import main as run
from tasks.common.errors import UserError
from tasks.common.terminal import one_line, shows_all
from tasks.controls import FieldValue
from tasks.targets import Target
from tests.hardening import Tried

ROOT = Path(__file__).parent.parent
ENCODINGS = ("ascii", "latin-1", "cp1252", "cp437", "utf-8", "utf-16")
GRID = Grid("t", "Caf\xe9", [Column("ctrl \u2191"), Column("\U0001f600")], [[entry("\xb1"), ()]])
COMMANDS: dict[str, tuple[Callable[[Sequence[str]], Any], list[str]]] = {
    "a table": (lambda given: show([GRID]), []),
    "eval.run --help": (run, ["--help"]),
    "letters": (lambda given: print("\u2191 Caf\xe9 \U0001f600 \ud800 \u200b"), []),
}
#: messages that would take more than a line, or steer the terminal
MESSAGES = {
    "a\nb": "a\\nb",
    "\x1b[31mred": "\\x1b[31mred",
    "caf\xe9 \u2191": "caf\xe9 \u2191",
    "\u2028": "\\u2028",
    "\r": "\\r",
}
TRIED = (
    Tried("terminal", "an output that is not UTF-8", len(ENCODINGS) * len(COMMANDS) + 3,
          "other letters in their place, exit code 0"),
    Tried("terminal", "line ends and escapes in a message", len(MESSAGES), "spelt out on one line"),
)  # fmt: skip


def terminal(monkeypatch: pytest.MonkeyPatch, encoding: str) -> BytesIO:
    """What stdout and stderr of that encoding get."""
    raw = BytesIO()
    for name in ("stdout", "stderr"):
        stream = TextIOWrapper(raw, encoding=encoding, errors="strict", write_through=True)
        monkeypatch.setattr(sys, name, stream)
    return raw


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_letter_is_shown_or_replaced(
    name: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, given = COMMANDS[name]
    raw = terminal(monkeypatch, encoding)
    code = main(given) if main is run else guarded(main, given)
    said = raw.getvalue().decode(encoding)
    monkeypatch.undo()
    assert not code and said and "Traceback" not in said
    if name == "letters" and encoding == "ascii":
        assert said.split() == ["?", "Caf?", "?", "?", "?"]


def test_targets_keep_their_letters_as_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads the lines again gets the same words."""
    control = FieldValue("name", "Caf\xe9 \u2191")

    class Run:
        class plan:
            @staticmethod
            def task(name: str) -> Any:
                from tasks import load_task

                return load_task("semantic_content")

        class lists:
            @staticmethod
            def full(name: str) -> list[Target]:
                return [Target("t", control)]

    monkeypatch.setattr(targets, "planned", lambda *_: Run)
    monkeypatch.setattr(targets, "drawn", lambda run, name: run.lists.full(name))
    for encoding in ("ascii", "utf-8"):
        raw = terminal(monkeypatch, encoding)
        code = guarded(targets.main, ["task=semantic_content"])
        text = raw.getvalue().decode(encoding)
        assert code == 0 and json.loads(text)["control"]["value"] == "Caf\xe9 \u2191"
        assert ("\\u2191" in text) == (encoding == "ascii")


@pytest.mark.parametrize(("message", "line"), MESSAGES.items())
def test_a_message_is_one_line(message: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(given: Sequence[str]) -> None:
        raise UserError(message)

    assert one_line(message) == line and guarded(fails, []) == 2
    assert capsys.readouterr().err == f"error: {line}\n"


def test_what_shows_all() -> None:
    for encoding, whole in (("utf-8", True), ("UTF8", True), ("ascii", False), ("cp1252", False)):
        assert shows_all(TextIOWrapper(BytesIO(), encoding=encoding)) is whole


def test_a_command_in_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "eval.tables", "run=results/demo", f"out={tmp_path}"]
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    environment = {**os.environ, **plain}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, env=environment, check=False)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    assert b"tables as Markdown" in done.stdout and len(list(tmp_path.iterdir())) > 20
