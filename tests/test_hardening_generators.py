"""A Generator of one's own that breaks its contract: said in one line, and nothing is lost."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from baselines import METHODS
from eval.run import main
from models.base import Card, Generator, Sample, TargetSamples
from models.contract import answers, blame, loaded
from models.nets.finite import NotFinite
from tasks import TASKS
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import Control, Length
from tests.hardening import Tried

TARGETS = [Target(f"t{i}", Length(2)) for i in range(3)]


def sample(index: int = 0) -> Sample:
    return Sample(index, ("a", "b"), ("a", "b"), 1.0, 0.0)


def both(target: str = "t0", **changes: Any) -> TargetSamples:
    """Two samples, the second of them changed."""
    return TargetSamples(target, (sample(), dataclasses.replace(sample(1), **changes)))


class Own(Generator):
    card: ClassVar[Card] = Card("own")

    def __init__(self, made: Callable[[], Any]) -> None:
        self.made = made

    @classmethod
    def load(cls, *given: Any) -> Any:
        return None

    def generate(self, *given: Any) -> Any:
        return self.made()


def one(answer: Any) -> Callable[[], Any]:
    return lambda: iter([answer])


#: what generate gives -> what is said of it
BREACHES: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing": (list, "generate ended without samples of 3 of 3 targets, the first of which is t0"),
    "None": (lambda: None, "generate gave None, no iterator of TargetSamples"),
    "a number": (lambda: 7, "generate gave 7, no iterator of TargetSamples"),
    "a text": (lambda: "text", "generate gave 'text', no iterator of TargetSamples"),
    "too few targets": (one(both()), "without samples of 2 of 3 targets, the first of which is t1"),
    "Nones": (one(None), "generate yielded None, no TargetSamples"),
    "a sample alone": (one(sample()), "no TargetSamples"),
    "an unknown target": (one(both("x")), "target 'x', which was not asked for"),
    "a target of another type": (one(both(3)), "target 3, which was not asked for"),  # type: ignore[arg-type]
    "a target twice": (lambda: [both(), both()], "'t0', which has been answered already"),
    "one for two": (one(TargetSamples("t0", (sample(),))), "1 samples where 2 were asked for"),
    "five for two": (
        one(TargetSamples("t0", tuple(map(sample, range(5))))), "5 samples where 2 were asked for",
    ),
    "samples are None": (one(TargetSamples("t0", None)), "samples are None, no tuple"),  # type: ignore[arg-type]
    "a text as samples": (one(TargetSamples("t0", "ab")), "samples are 'ab', no tuple"),  # type: ignore[arg-type]
    "a dictionary": (
        one(TargetSamples("t0", ({}, {}))), "sample 0: it is {}, no Sample",  # type: ignore[arg-type]
    ),
    "wrong index": (one(both(index=0)), "sample 1: its index is 0"),
    "index of another type": (one(both(index=True)), "its index is True"),
    "words in one": (one(both(words="a b")), "its words are 'a b', no tuple of strings"),
    "words are None": (one(both(words=None)), "its words are None"),
    "a number as word": (one(both(words=("a", 3))), "3 among its words is no string"),
    "half an emoji": (one(both(words=("\ud83d",))), r"'\ud83d' among its words is no text"),
    "tokens are numbers": (one(both(tokens=(1, 2))), "1 among its tokens is no string"),
    "a tensor as token": (one(both(tokens=torch.zeros(2))), "its tokens are tensor([0., 0.])"),
    "nfe is nan": (one(both(nfe=float("nan"))), "its nfe is nan, no finite number"),
    "nfe is infinite": (one(both(nfe=float("inf"))), "its nfe is inf, no finite number"),
    "nfe is negative": (one(both(nfe=-1)), "its nfe is -1, no finite number of at least 0"),
    "nfe is None": (one(both(nfe=None)), "its nfe is None"),
    "nfe is a tensor": (one(both(nfe=torch.ones(()))), "its nfe is tensor(1.)"),
    "seconds are nan": (one(both(seconds=float("nan"))), "its seconds is nan"),
    "log_z is nan": (one(both(log_z=float("nan"))), "its log_z is nan, no number below infinity"),
    "log_z is infinite": (one(both(log_z=float("inf"))), "its log_z is inf, no number"),
    "log_z is a text": (one(both(log_z="-1")), "its log_z is '-1', no number"),
    "chosen beyond": (one(dataclasses.replace(both(), chosen=2)), "chosen is 2, no index of its 2"),
    "chosen negative": (one(dataclasses.replace(both(), chosen=-1)), "chosen is -1"),
    "chosen of another type": (one(dataclasses.replace(both(), chosen=1.0)), "chosen is 1.0"),  # type: ignore[arg-type]
}  # fmt: skip


def ask(made: Callable[[], Any]) -> list[TargetSamples]:
    return list(answers(Own(made), TARGETS, 2, 0, settings=None))


@pytest.mark.parametrize("kind", BREACHES)
def test_a_breach_is_one_line_with_the_methods_name(kind: str) -> None:
    made, said = BREACHES[kind]
    with pytest.raises(UserError) as caught:
        ask(made)
    message = str(caught.value)
    assert said in message and message.startswith("own: ") and "\n" not in message


def test_what_keeps_the_contract_passes() -> None:
    found = [both(f"t{i}") for i in (2, 0, 1)]
    assert ask(lambda: found) == found
    assert list(answers(Own(list), TARGETS, 0, 0, settings=None)) == []


def test_load_that_gives_no_generator() -> None:
    with pytest.raises(UserError, match="^own: load gave None, no Generator$"):
        loaded(Own, {}, None, None, None)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Inner:
    lr: float = 0.1


@dataclasses.dataclass(frozen=True)
class Settings:
    scale: float = 1.0
    steps: int = 10
    inner: Inner = dataclasses.field(default_factory=Inner)
    lams: tuple[float, ...] | None = None


#: options -> which of them is named
SUSPECTS = {
    Settings(): "its networks' weights are at fault, or their half precision",
    Settings(scale=3.0): "its networks' weights are at fault, or their half precision",
    Settings(scale=1e38): "most likely own.scale=1e+38 is at fault",
    Settings(scale=1e9, inner=Inner(1e30)): "most likely own.inner.lr=1e+30 is at fault",
    Settings(steps=10**9): "its networks' weights are at fault, or their half precision",
    Settings(scale=1e-9): "most likely own.scale=1e-09 is at fault",
    Settings(lams=(1.0, 1e38)): "most likely own.lams=[1.0,1e+38] is at fault",
    Settings(scale=float("nan"), steps=10**9): "most likely own.scale=nan is at fault",
}


@pytest.mark.parametrize("options", SUSPECTS, ids=str)
def test_the_setting_at_fault_is_named(options: Settings) -> None:
    assert blame(Card("own", Settings=Settings), options) == SUSPECTS[options]


def test_numbers_that_are_not_finite_name_method_target_and_setting() -> None:
    def broken() -> Iterator[TargetSamples]:
        yield both()
        raise NotFinite("the logits").of("t1")

    found = answers(Own(broken), TARGETS, 2, 0, settings=None)
    assert next(found) == both()
    with pytest.raises(UserError) as caught:
        next(found)
    assert str(caught.value) == (
        "own: the logits of target t1 are not finite (NaN or infinite): its networks' weights are "
        "at fault, or their half precision"
    )


# from the command line

OWN = """
import sys
from dataclasses import dataclass
from models.base import Card, Generator, Sample, TargetSamples

@dataclass(frozen=True)
class Settings:
    after: int = 99

class Odd(Generator):
    card = Card("odd", Settings=Settings, uses=("vocabulary",))

    def __init__(self, after):
        self.after = after

    @classmethod
    def load(cls, folders, task, settings, device):
        return cls(settings.after)

    def generate(self, targets, samples, seed, batch=64, progress=None):
        for i, target in enumerate(targets):
            if i == 1:
                BREAK
            rows = (Sample(k, ("a", target.id), ("a",), 1.0, 0.0) for k in range(samples))
            yield TargetSamples(target.id, tuple(rows))
"""
#: what the second target ends in -> the first line on stderr
FAULTS = {
    "raise ValueError('no such thing')": ("failed: ValueError: no such thing", True),
    "raise FileNotFoundError(2, 'no', 'x')": ("failed: FileNotFoundError: [Errno 2] no: 'x'", True),
    "len(3)": ("failed: TypeError: object of type 'int' has no len()", True),
    "sys.exit(0)": ("ended the program: sys.exit(0)", False),
    "yield 3": ("error: odd: generate yielded 3, no TargetSamples", False),
}
COMMAND = ["task=length", "targets=3", "samples=2", "floor=0", "threads=1", "device=cpu"]


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS, "_files", {})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def run(folder: Path, store: Path, code: str) -> int:
    (folder / "odd.py").write_text(code)
    METHODS._files.clear()
    return main(
        [*COMMAND, f"method={folder / 'odd.py'}", f"out={folder / 'out'}", f"store={store}"]
    )


def stored(folder: Path) -> list[str]:
    text = (folder / "out" / "length" / "odd" / "samples.jsonl").read_text()
    return [json.loads(line)["target"] for line in text.splitlines()]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_was_stored_stays(
    fault: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said, traced = FAULTS[fault]
    assert run(tmp_path, store, OWN.replace("BREAK", fault)) == 2
    first, *more = capsys.readouterr().err.splitlines()
    assert first.startswith("error: ") and "odd" in first and said in first
    assert bool(more) == traced
    if traced:
        assert (
            more[0] == "Traceback (most recent call last):" and more[-1] == first.split(": ", 2)[2]
        )
        assert all("odd.py" in line for line in more if line.startswith("  File"))
    assert len(stored(tmp_path)) == 2 and len(set(stored(tmp_path))) == 1
    assert not list(tmp_path.glob("out/**/.lock*"))


#: a class that cannot be used -> what is said before anything is done
UNUSABLE = {
    ("@dataclass(frozen=True)\nclass Settings:", "class Settings:"): "Settings, is no dataclass",
    ("after: int = 99", "after: int"): "Settings cannot be had without values",
    ('uses=("vocabulary",)', 'uses=["vocabulary"]'): "card's uses is ['vocabulary'], no tuple",
    ('uses=("vocabulary",)', "uses=(3,)"): "card names the role 3, no str",
    ('uses=("vocabulary",)', 'uses=("vocabulry",)'): "unknown role 'vocabulry'",
    ('uses=("vocabulary",)', 'order="first"'): "card's order is 'first', no int",
    ("import sys", "import sys; sys.exit(0)"): "cannot import",
    ("return cls(settings.after)", "return None"): "odd: load gave None, no Generator",
    ("return cls(settings.after)", "return sys.exit(0)"): "ended the program: sys.exit(0)",
}


@pytest.mark.parametrize("change", UNUSABLE, ids=lambda change: change[1])
def test_a_class_that_cannot_be_used(
    change: tuple[str, str], store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, store, OWN.replace(*change).replace("BREAK", "pass")) == 2
    said = capsys.readouterr().err
    assert UNUSABLE[change] in said and said.count("\n") == 1


TASK = (Path(__file__).parent / "own" / "last_word.py").read_text(encoding="utf-8")
#: what a task's own file says -> what it says instead
HOOKS = {
    "words = [text.words": "raise ValueError('no such thing'); words = [text.words",
    'return {"ends_right"': 'raise SystemExit(0); return {"ends_right"',
}


@pytest.mark.parametrize("hook", HOOKS)
def test_a_task_of_ones_own_that_fails(
    hook: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(TASKS, "_files", {})
    # another test of the same process may have read that file's kind of control
    kinds = {name: one for name, one in Control.kinds.items() if name != "own_last_word"}
    monkeypatch.setattr(Control, "kinds", kinds)
    path = tmp_path / "task.py"
    path.write_text(TASK.replace(hook, HOOKS[hook]))
    (tmp_path / "odd.py").write_text(OWN.replace("BREAK", "pass"))
    where = [f"method={tmp_path / 'odd.py'}", f"out={tmp_path / 'out'}", f"store={store}"]
    METHODS._files.clear()
    assert main([f"task={path}", *COMMAND[1:], *where]) == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("error: task own_last_word (") and str(path) in first


ONE_LINE = "one line with the method's name, exit code 2; what was stored stays and is resumed"
TRIED = (
    Tried("Generator of one's own", "answers that break the contract", len(BREACHES), ONE_LINE),
    Tried("Generator of one's own", "raises, ends the program, yields a number", len(FAULTS),
          f"{ONE_LINE}; its traceback below where it raises"),
    Tried("Generator of one's own", "a class that cannot be used", len(UNUSABLE)),
    Tried("task of one's own", "raises, ends the program", len(HOOKS), "one line with its name"),
    Tried("numbers", "a setting that makes them overflow", len(SUSPECTS), "the setting is named"),
)  # fmt: skip
