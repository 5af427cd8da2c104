"""``task=path/to/file.py:ClassName``: found, refused with a reason, composed, run end to end, and
read where its file is not named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_baselines_own import ECHO
from test_runner import arguments

from baselines import METHODS
from eval.reading.results import ResultSet
from eval.run import main
from eval.running.cells import read_targets, write_targets
from eval.running.command import parse
from tasks import COMPOSITIONS, TASKS, known, load_task, parts
from tasks.base import Annotation, Corpus, Target, Text
from tasks.common.errors import UserError
from tasks.controls import AllOf, Control, Length
from tasks.marks import Marks
from tasks.stored import facts

#: the example that is run from the command line, under names that a test chooses
LAST = (Path(__file__).parent / "own" / "last_word.py").read_text("utf-8")
LAST = LAST.replace("own_last_word", "{name}").replace("OwnLastWord", "LastWord")
LAST += """

class NotComplete(Task):
    name = "{name}"


class Unrelated:
    pass
"""
TEXTS = tuple(Text(words) for words in (("a", "b", "."), ("b", "c", "a", "."), ("c", ".")))
CORPUS = Corpus("toy", TEXTS, TEXTS)


def write(folder: Path, name: str, text: str = LAST) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text.replace("{name}", name), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """No class of a file is known before a test, nor after it."""
    monkeypatch.setattr(TASKS, "_files", {})
    monkeypatch.setattr(METHODS, "_files", {})
    monkeypatch.setattr(Control, "kinds", dict(Control.kinds))


def test_a_class_from_a_file_is_a_task(tmp_path: Path) -> None:
    given = f"{write(tmp_path, 'last_one')}:LastWordTask"
    assert not known("last_one")
    task = load_task(given)
    assert (task.name, task.label, task.rank, task.fills) == ("last_one", "Last word", 1000, False)
    assert known("last_one") and type(load_task("last_one")) is type(task)
    assert "last_one" not in TASKS and parts(given) == ("last_one",)
    (target,) = task.draw(CORPUS, 1, "validation", 0, 62)
    assert target.control.brief() == "last one: b"
    assert task.score(target, Annotation(("x", "b", "."))) == {"ends_right": 1.0}
    assert task.marks(target.control, ("b", "x"), {}) == Marks(("good", ""))
    assert task.paper_metrics == frozenset() and task.refuses_corpus("stories") is None
    config = parse([f"task=length,{given}"])
    assert config.tasks == ["length", "last_one"]
    assert "last_one" not in parse(["task=all"]).tasks


def test_it_composes_and_its_code_is_part_of_its_identity(tmp_path: Path) -> None:
    file = write(tmp_path, "last_two")
    both = load_task(f"{file}:LastWordTask+length")
    assert both.name == "length+last_two" and both.label == "Length + Last word"
    assert parse([f"task={file}:LastWordTask+length"]).tasks == ["length+last_two"]
    (target,) = both.targets(CORPUS, 1, "validation", 0)
    length, last = target.control.parts
    assert length == Length(len(target.source or ())) and last.kind == "last_two"
    later = write(tmp_path, "before_two", LAST)  # by name, whichever was loaded first
    pair = load_task(f"{file}:LastWordTask+{later}:LastWordTask")
    assert pair.name == "before_two+last_two"
    before = load_task("last_two").digest, both.digest
    assert all(before) and before[0] != before[1]
    write(tmp_path, "last_two", LAST + "\n# changed\n")
    again = load_task(f"{file}:LastWordTask+length")
    assert load_task("last_two").digest != before[0] and again.digest != before[1]
    assert load_task("length").digest == load_task(COMPOSITIONS[0]).digest == ""


def test_mistakes_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "last_three")
    taken = LAST.replace('kind="{name}"', 'kind="length"')
    folder = LAST.replace('name = "{name}"', 'name = "a/b"')
    wrong = {
        f"{tmp_path}/nowhere.py:LastWordTask": "task=.*there is no file",
        f"{path}:LastWordTusk": "unknown class of .*did you mean 'LastWordTask'",
        f"{path}:Unrelated": "no subclass of tasks.base.Task",
        f"{path}:NotComplete": "lacks metrics, examples, prompt, prompt_tokens, score, targets",
        f"{write(tmp_path, 'length')}:LastWordTask": r"\(line \d+\).*kind 'length' is Length's",
        f"{write(tmp_path, 'taken', taken)}:LastWordTask": "kind 'length' is Length's",
        f"{write(tmp_path, 'folder', folder)}:LastWordTask": "choose another name",
        f"{write(tmp_path, 'broken', 'x = 1' + chr(10) + 'y = (')}:Last": r"line 2\): SyntaxError",
        f"{write(tmp_path, 'nothing', 'x = 1')}:Last": "nor any tasks.base.Task",
        f"{path}:LastWordTask+lenth": "did you mean 'length'",
        f"{path}:LastWordTask+{path}:LastWordTask": "a composition is of different tasks",
    }
    for task, reason in wrong.items():
        with pytest.raises(UserError, match=reason):
            parse([f"task={task}"])
    named = LAST.replace('name = "{name}"', 'name = "length"')
    with pytest.raises(UserError, match="called 'length', as another task is"):
        load_task(f"{write(tmp_path, 'named', named)}:LastWordTask")
    again = LAST.replace('kind="{name}"', 'kind="again"').replace("{name}", "last_three")
    with pytest.raises(UserError, match="called 'last_three', as another task is"):
        load_task(f"{write(tmp_path, 'again', again)}:LastWordTask")


def test_facts_are_all_that_readers_want_of_a_task(tmp_path: Path) -> None:
    task = load_task(f"{write(tmp_path, 'last_four')}:LastWordTask")
    assert json.loads(json.dumps(facts(task))) == {
        "label": "Last word",
        "rank": 1000,
        "example_table": "",
        "table": "control",
        "fills": False,
        "fluency": True,
        "metrics": {"ends_right": "the last word before the full stop is the one asked for"},
        "headlines": ["ends_right"],
        "running": ["ends_right"],
        "paper_metrics": [],
        "pooled": [],
    }
    filling = facts(load_task("infilling"))
    assert filling["pooled"] == filling["headlines"] == ["bleu4"] and filling["fills"]


def test_it_runs_and_its_results_are_read_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, echo = write(tmp_path, "last_five"), write(tmp_path, "echo_last", ECHO)
    given = arguments(tmp_path, f"task={file}:LastWordTask", f"method={echo}:Echo")
    assert main(given) == 0
    shown = capsys.readouterr().out
    assert "last five: " in shown
    assert "ends_right" in (tmp_path / "out" / "table.md").read_text()
    folder = tmp_path / "out" / "last_five"
    rows = [json.loads(line) for line in (folder / "targets.jsonl").read_text().splitlines()]
    assert len(rows) == 6
    word = rows[0]["control"]["word"]
    assert rows[0]["control"] == {
        "kind": "last_five",
        "word": word,
        "brief": f"last five: {word}",
    }
    results = ResultSet(tmp_path / "out")
    assert results.task("last_five").label == "Last word"
    cell = results.cell("last_five", "echo_last")
    (target, *_) = results.targets("last_five")
    assert cell is not None
    (judged,) = cell.judged(target, (word, "x"))
    assert judged.task is not None
    assert judged.task.marks(judged.control, (word, "x"), {}) == Marks(("good", ""))

    # elsewhere, where nobody named the file
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(TASKS, "_files", {})
        elsewhere.delitem(Control.kinds, "last_five")
        results = ResultSet(tmp_path / "out")
        assert not known("last_five")
        traits = results.task("last_five")
        assert (traits.label, traits.headlines) == ("Last word", ("ends_right",))
        before = (folder / "targets.jsonl").read_bytes()
        targets = results.targets("last_five")
        assert targets[0].control.brief() == f"last five: {word}"
        write_targets(folder / "targets.jsonl", targets)
        assert (folder / "targets.jsonl").read_bytes() == before
        cell = results.cell("last_five", "echo_last")
        assert cell is not None and cell.scored
        (judged,) = cell.judged(targets[0], (word,))
        assert judged.task is None

    # its code is part of what targets and samples are known by
    assert main(given) == 0
    assert "nothing was left to do" in capsys.readouterr().out
    file.write_text(file.read_text() + "\n# changed\n")
    assert main(given) == 2
    assert "of other settings, code" in capsys.readouterr().err


def test_a_composition_with_one_is_read_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load_task(f"{write(tmp_path, 'last_six')}:LastWordTask")
    (one,) = task.targets(CORPUS, 1, "validation", 0)
    both = AllOf((Length(3), one.control))
    write_targets(tmp_path / "targets.jsonl", [Target("x", both)])
    monkeypatch.setattr(TASKS, "_files", {})
    monkeypatch.delitem(Control.kinds, "last_six")
    (again,) = read_targets(tmp_path / "targets.jsonl")
    assert again.control.brief() == both.brief() == "3 words and last six: b"
