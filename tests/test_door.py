"""The console script: one list of commands, each as the user types it, from any folder."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import control_bench
from baselines import METHODS
from control_bench.cli import main
from control_bench.packages import NAMES, claim
from eval.__main__ import main as eval_index
from eval.run import guarded
from tasks import TASKS
from tasks.common.commands import COMMANDS, GROUPS, find, index, started_as, typed
from tasks.common.errors import UserError
from tasks.common.own import OwnClasses

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Other tests are started as ``python -m`` and know no class of a file."""
    monkeypatch.setattr(sys, "argv", ["control-bench"])
    before = dict(METHODS._files), dict(TASKS._files), list(sys.path)
    yield
    started_as("")
    METHODS._files, TASKS._files, sys.path[:] = before[0], before[1], before[2]


def modules_with_a_main() -> set[str]:
    found = set()
    for path in (path for top in NAMES for path in (ROOT / top).rglob("*.py")):
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8"):
            found.add(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return found - {"eval.__main__"}  # the index


def exits(*arguments: str) -> int:
    """The exit code of the script."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def test_every_module_with_a_main_is_a_command_and_the_other_way_round() -> None:
    assert modules_with_a_main() == {command.module for command in COMMANDS.values()}
    assert sum(map(len, GROUPS.values())) == len(COMMANDS)


def test_the_keys_of_every_command_are_found() -> None:
    for command in COMMANDS.values():
        for name in command.keys:
            module, _, attribute = name.partition(":")
            assert callable(getattr(importlib.import_module(module), attribute)), name
        own = vars(importlib.import_module(command.module))
        options = [n for n in own if n.endswith("Options") and own[n].__module__ == command.module]
        assert {f"{command.module}:{name}" for name in options} <= set(command.keys)


def test_alone_and_with_help_it_prints_the_index(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits() == exits("--help") == exits("-h") == 0
    pages = capsys.readouterr().out.split("usage: ")[1:]
    assert len(set(pages)) == 1 and pages[0].startswith("control-bench COMMAND key=value")
    for command in COMMANDS.values():
        assert f"\n  {command.name} " in pages[0] and command.line in pages[0]
        assert len(command.line) < 60
    assert max(map(len, pages[0].splitlines())) <= 80


def test_python_m_eval_lists_the_modules(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(eval_index, []) == 0
    page = capsys.readouterr().out
    assert page.splitlines()[0].startswith("usage: python -m ")
    assert all(f"\n  {command.module} " in page for command in COMMANDS.values())
    assert guarded(eval_index, ["run"]) == guarded(eval_index, ["rnu"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].endswith("type python -m eval.run") and "did you mean 'run'?" in said[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("rnu", "unknown command 'rnu': did you mean 'run'?"),
        ("eval.run", "unknown command 'eval.run'"),
        ("task=length", "name the command first, as control-bench run task=length"),
        ("", "unknown command ''"),
        ("--halp", "unknown command '--halp'"),
    ],
)
def test_a_command_that_there_is_not(
    given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exits(given) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"error: {said}") and err.count("\n") == 1


def test_the_version_is_the_projects(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert control_bench.__version__ == project["version"]
    assert exits("--version") == 0
    assert capsys.readouterr().out == f"control-bench {project['version']}\n"
    with pytest.raises(AttributeError, match="no attribute 'verison'"):
        _ = control_bench.verison
    assert "__version__" in dir(control_bench)


def test_commands_are_said_as_they_were_typed() -> None:
    text = "python -m eval.run x; python -m slurm.sweep.\npython -m nltk.downloader, python -m eval"
    assert typed(text) == text
    started_as("control-bench")
    assert typed(text) == (
        "control-bench run x; control-bench sweep.\npython -m nltk.downloader, control-bench"
    )
    started_as("python -m control_bench")
    assert typed("python -m eval.sweep run=x") == "python -m control_bench vary run=x"
    assert index().startswith("usage: python -m control_bench COMMAND")


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_help_is_in_the_scripts_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exits(name, "--help") == 0
    page = capsys.readouterr().out
    assert f"control-bench {name}" in page.splitlines()[0]
    assert not [one for one in COMMANDS.values() if f"python -m {one.module}" in page]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_mistakes_and_hints_are_in_the_scripts_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    assert exits("tables", "run=set") == 2
    assert "(control-bench run makes one)" in capsys.readouterr().err
    assert exits("run", "tsak=length") == 2
    assert "did you mean 'task'" in capsys.readouterr().err


def test_a_file_called_as_a_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    claim()
    module = type(sys)("models")
    module.__file__ = "/home/me/models.py"
    monkeypatch.setitem(sys.modules, "models", module)
    with pytest.raises(ImportError, match="'models' is /home/me/models.py here, and a package of"):
        claim()


METHOD = """
from models.base import Card, Generator
from helper import LABEL

class {0}(Generator):
    card = Card(name="{1}", label=LABEL, uses=("vocabulary",))
    @classmethod
    def load(cls, folders, task, settings, device):
        return cls()
    def generate(self, targets, samples_per_target, seed, batch=64, progress=None):
        import later
        yield from later.answers()
"""


def own(folder: Path, *classes: str) -> Path:
    """A file of methods with siblings, two of them called as packages of the program are."""
    folder.mkdir(exist_ok=True)
    text = "".join(METHOD.format(name, name.lower()) for name in classes)
    (folder / "mine.py").write_text(text, encoding="utf-8")
    (folder / "helper.py").write_text("LABEL = 'My own'\n", encoding="utf-8")
    (folder / "later.py").write_text("def answers():\n    return []\n", encoding="utf-8")
    for name in (*NAMES, "control", "run"):
        (folder / f"{name}.py").write_text("raise SystemExit('of the user')\n", encoding="utf-8")
    return folder / "mine.py"


def test_files_called_as_packages_break_nothing(tmp_path: Path) -> None:
    """In their folder and from elsewhere; and nothing heavy is imported for the index."""
    own(tmp_path / "here", "Mine")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for where, given in (
        (tmp_path / "here", ["control_bench", "run", "method=mine.py", "--help", "mine"]),
        (tmp_path, ["control_bench", "run", "method=all,here/mine.py:Mine", "--help", "mine"]),
    ):
        done = subprocess.run(
            [sys.executable, "-m", *given], cwd=where, env=environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("mine: My own\n")
    (tmp_path / "here" / "eval.py").unlink()
    code = ["-X", "importtime", "-m", "eval.run", "method=mine.py:Mine", "--help", "mine"]
    done = subprocess.run(
        [sys.executable, *code], cwd=tmp_path / "here", env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("mine: My own\n")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "eval.running.help" in imported and not {"torch", "numpy", "rich", "pydantic"} & imported


def test_siblings_are_found_when_its_functions_run(tmp_path: Path) -> None:
    given = str(own(tmp_path / "a", "Mine"))
    method = METHODS.load(METHODS.name(given))
    assert list(method().generate([], 1, 0)) == []
    assert sys.path[-1] == str(tmp_path / "a")


def test_a_sibling_that_a_package_hides_is_named(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text("class Net: ...\n", encoding="utf-8")
    (tmp_path / "mine.py").write_text("from models import Net\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"models\.py beside it has the name of a package"):
        METHODS.name(f"{tmp_path / 'mine.py'}:Mine")


def test_lists_may_hold_all_and_a_file(tmp_path: Path) -> None:
    from eval.running.command import parse

    mine = own(tmp_path, "Mine")
    every = parse(["method=all"]).methods
    assert parse([f"method=all,{mine}:Mine"]).methods == [*every, "mine"]
    assert parse([f"method={mine}, all"]).methods == ["mine", *every]
    tasks = parse(["task=all"]).tasks
    assert parse(["task=all,length"]).tasks == tasks
    assert parse(["task=length,all"]).tasks == ["length", *(t for t in tasks if t != "length")]


def test_a_file_without_a_class(tmp_path: Path) -> None:
    one: OwnClasses = METHODS
    assert one.name(str(own(tmp_path / "one", "Mine"))) == "mine"
    two = own(tmp_path / "two", "First", "Second")
    with pytest.raises(UserError, match=r"has 2 classes \(First, Second\): name one, as .*:First"):
        one.name(str(two))
    base = two.read_text(encoding="utf-8").replace("class First(", "class Base(")
    base = base.replace("    def generate", "    def other", 1)
    two.write_text(base, encoding="utf-8")  # Base lacks generate
    assert one.name(str(two)) == "second"
    with pytest.raises(UserError, match="has no class models.base.Generator, nor any"):
        one.name(str(two.with_name("helper.py")))


def test_find_names_the_nearest() -> None:
    assert find("sweep").module == "slurm.sweep" and find("vary").module == "eval.sweep"
    with pytest.raises(UserError, match="did you mean 'tables'"):
        find("table")
