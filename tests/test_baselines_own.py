"""``method=path/to/file.py:ClassName``: found, refused with a reason, and run end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_runner import arguments

from baselines import METHODS
from eval.run import main
from eval.running.command import parse
from eval.running.config import RunConfig
from tasks.common.errors import UserError

ECHO = '''
from dataclasses import dataclass

from models.base import Card, Generator, Sample, TargetSamples


@dataclass(frozen=True)
class Settings:
    word: str = "we"


class Echo(Generator):
    """One word as often as the length asks for."""

    card = Card("{name}", Settings=Settings)

    def __init__(self, settings):
        self.settings = settings

    @classmethod
    def load(cls, folders, task, settings, device):
        return cls(settings)

    def generate(self, targets, samples_per_target, seed, batch=64, progress=print):
        for target in targets:
            words = (self.settings.word,) * target.control.needed_words
            rows = [Sample(i, words, words, 0.0, 0.0) for i in range(samples_per_target)]
            yield TargetSamples(target.id, tuple(rows))


class NotComplete(Generator):
    pass


class Unrelated:
    pass
'''


def write(folder: Path, name: str, text: str = ECHO) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text.replace("{name}", name), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS, "_files", {})


def test_a_class_from_a_file_is_a_method(tmp_path: Path) -> None:
    given = f"{write(tmp_path, 'echo_one')}:Echo"
    cls = METHODS.load(given)
    assert cls.__name__ == "Echo" and METHODS.load("echo_one") is METHODS.load(given) is cls
    config = parse([f"method=fudge,{given}"])
    assert config.methods == ["fudge", "echo_one"]
    assert "echo_one" not in RunConfig(method="all").methods
    assert METHODS.digest("fudge") is None and METHODS.name("fudge") == "fudge"
    before = METHODS.digest("echo_one")
    write(tmp_path, "echo_one", ECHO + "\n# changed\n")
    assert METHODS.load(given) is not cls and METHODS.digest("echo_one") != before


def test_mistakes_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "echo_two")
    wrong = {
        f"{tmp_path}/nowhere.py:Echo": "there is no file",
        f"{path}:Eco": "unknown class of .*did you mean 'Echo'",
        f"{path}:Unrelated": "no subclass of models.base.Generator",
        f"{path}:NotComplete": "lacks card, generate, load",
        f"{write(tmp_path, 'fudge')}:Echo": "called 'fudge', as another method is",
        f"{write(tmp_path, 'broken', 'x = 1' + chr(10) + 'y = (')}:Echo": r"line 2\): SyntaxError",
        f"{write(tmp_path, 'raises', 'import no_such_thing')}:Echo": r"\(line 1\): ModuleNotFound",
        f"{write(tmp_path, 'nothing', 'x = 1')}:Echo": "nor any models.base.Generator",
    }
    for method, reason in wrong.items():
        with pytest.raises(UserError, match=reason):
            parse([f"method={method}"])
    METHODS.load(f"{path}:Echo")
    with pytest.raises(UserError, match="as another method is"):
        METHODS.load(f"{write(tmp_path, 'again', path.read_text())}:Echo")


def test_it_runs_like_any_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the command line to its row of the table; edited, its stored samples are refused."""
    file = write(tmp_path, "echo_three")
    given = arguments(tmp_path, f"method={file}:Echo")
    assert main(given) == 0
    folder = tmp_path / "out" / "length" / "echo_three"
    records = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert len(records) == 12 and {word for r in records for word in r["words"]} == {"we"}
    row = next(r for r in (tmp_path / "out" / "table.md").read_text().splitlines() if "echo" in r)
    assert "100.0" in row  # the length is exact
    assert main(given) == 0
    assert "nothing was left to do" in capsys.readouterr().out
    file.write_text(file.read_text().replace("(self.settings.word,)", '("us",)'))
    assert main(given) == 2
    assert "of other settings, code" in capsys.readouterr().err


def test_a_file_stands_beside_all_and_may_be_named_without_its_class(tmp_path: Path) -> None:
    alone = ECHO.split("class NotComplete")[0]
    path = write(tmp_path, "echo_four", alone)
    methods = parse([f"method=all,{path}", "task=length"]).methods
    assert methods == [*parse(["method=all", "task=length"]).methods, "echo_four"]
    assert parse(["task=length,all"]).tasks[0] == "length"
    assert set(parse(["task=length,all"]).tasks) == set(parse(["task=all"]).tasks)
    # one that lacks what a method must have is none to choose from
    assert parse([f"method={write(tmp_path, 'echo_five')}"]).methods == ["echo_five"]
    complete = ECHO.replace("NotComplete(Generator)", "Second(Echo)")
    two = write(tmp_path, "echo_six", complete)
    with pytest.raises(UserError, match="has 2 classes .*: name one, as .*echo_six.py:Echo"):
        parse([f"method={two}"])
    with pytest.raises(UserError, match="cannot be called 'all'"):
        parse([f"method={write(tmp_path, 'all', alone)}:Echo"])
