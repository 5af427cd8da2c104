"""Whatever is typed after a command: a result, or one line, exit code 2, folders as they were."""

from __future__ import annotations

import importlib
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from settable import every_key

from eval.run import guarded
from tasks.common.errors import UserError
from tests.hardening import Tried

ROOT = Path(__file__).parent.parent
#: every command that a person starts
COMMANDS = (
    "eval.run", "eval.targets", "eval.score", "eval.generate", "eval.export",
    "eval.sweep", "eval.tune", "eval.bench",
    "eval.tables", "eval.report", "eval.plots", "eval.compare", "eval.verify", "eval.publish",
    "eval.human", "eval.likelihood", "eval.ablation", "eval.collect", "eval.trajectory",
    "eval.hub", "eval.export_lm_eval", "eval.copied", "eval.two_by_two",
    "eval.in_context",
    "slurm.sweep", "slurm.bench", "slurm.status", "slurm.cancel", "slurm.logs",
    "slurm.pack", "slurm.unpack",
)  # fmt: skip
#: arguments that are none, or that nothing can be made of, after any command
JUNK: tuple[list[str], ...] = (
    [""], ["="], ["=1"], ["run"], ["run="], ["out="], ["--nothing"], ["store= "], ["seed=1\0"],
    ["\udcff=1"], ["out=\udcff"], ["no.such.key=1"], ["a=b=c"], ["run=nowhere", "run=nowhere"],
    ["store=a", "store=b"], ["\x1b[31m=1"], ["x\ny=1"], ["k" * 5000 + "=1"], ["ä=ö"],
)  # fmt: skip
#: what each command says of what it alone takes
OWN: tuple[tuple[str, list[str], str], ...] = (
    ("eval.run", ["task=length", "data=${oc.env:HOME}/nowhere", "corpus=e2e"], "nowhere"),
    ("eval.run", ["--list", "seed=1"], "--list stands alone"),
    ("eval.run", ["task=length", "out=taken", "method=fudge"], "out=taken: .*taken is no folder"),
    ("eval.run", ["task=length", "device=cuda:x"], "unknown device 'cuda:x'"),
    ("eval.targets", ["task=length", "file="], "file=: empty"),
    ("eval.targets", ["task=length", "file=a", "file=b"], "file is given twice: 'a' and 'b'"),
    ("eval.targets", ["task=length", "file=nowhere/a"], "there is no folder nowhere"),
    ("eval.targets", ["task=length", "file=."], "is a folder"),
    ("eval.targets", ["task=length", "seed=-1"], "seed=-1: at least 0"),
    ("eval.targets", ["task=length,syntax_spans"], "one task at a time"),
    ("eval.score", ["task=length", "samples=a", "samples=b"], "samples is given twice"),
    ("eval.score", ["task=length", "samples="], "samples=: empty"),
    ("eval.score", ["task=length", "samples=a", "name="], "name=: empty"),
    ("eval.run", ["corpus=mine.jsonl"], "there is no corpus file mine.jsonl"),
    ("eval.run", ["corpus=./mine"], "corpus=./mine: no such folder"),
    ("eval.run", ["corpus=taken"], "corpus=taken: its suffix is none of .jsonl, .csv, .tsv"),
    ("eval.run", ["task=length", "controls=no.jsonl"], "controls=no.jsonl: there is no such file"),
    ("eval.run", ["task=length,syntax_spans", "controls=taken"], "controls=taken is of one task"),
    ("eval.run", ["task=infilling", "controls=taken"], "infilling is scored against human answers"),
    ("eval.generate", ["task=length"], "control= is missing"),
    ("eval.generate", ["task=length", "control= "], "control=: empty"),
    ("eval.generate", ["task=length", "control=9", "control=9"], "control is given twice: '9'"),
    ("eval.generate", ["control=9", "length.control=9"], "control= beside length.control="),
    ("eval.generate", ["task=length", "control=9", "file=."], "is a folder"),
    ("eval.generate", ["task=length", "control=9", "controls=taken"], "controls= beside control="),
    ("eval.generate", ["task=length,syntax_spans", "control=9"], "one task at a time"),
    ("eval.targets", ["task=length", "control="], "control=: empty"),
    ("eval.export", ["what=text"], "unknown what 'text': did you mean 'texts'"),
    ("eval.export", ["oracles=maybe"], "unknown value of oracles 'maybe'"),
    ("eval.export", ["file=nowhere/a"], "there is no folder nowhere"),
    ("eval.export", ["corpus=gramar"], "unknown corpus 'gramar': did you mean 'grammar'"),
    ("eval.tune", ["task=length", "method=fudge", "within=nan"], "within=nan: a finite number"),
    ("eval.tune", ["task=length", "method=fudge", "within=2", "within=3"], "within is given twice"),
    ("eval.tune", ["task=length", "method=fudge", "kept=-1"], "kept=-1: at least 0"),
    ("eval.tune", ["task=length", "method=fudge", "fudge.lam=1,,2"], "none of them empty"),
    ("eval.tune", ["task=length", "method=fudge", "fudge.lam=1,1"], "1 is given twice"),
    ("eval.tune", ["task=length", "method=fudge", "fudge.lam=1,nan"], "fudge.lam=nan: a finite"),
    ("eval.tune", ["method=fudge", "fudge.lam=1", "fudge.lam=2"], "fudge.lam is given twice"),
    ("eval.tune", ["task=length", "method=diffusion_lm", "diffusion_lm.sampling.steps=50,30"],
     "sampling.steps=30: 30 decoding steps do not divide the 2000"),
    ("eval.tune", ["task=length", "method=fudge", "by=cost"], "expected one of control, evalua"),
    ("eval.tune", ["task=length", "method=diffusion_lm_fast",
                   "diffusion_lm_fast.guidance.until=2,3", "diffusion_lm_fast.guidance.since=2"],
     "guidance until=3 begins at since=2"),
    ("eval.run", ["task=length", "diffusion_lm.sampling.settled=-1"], "settled=-1: at least 0"),
    ("eval.run", ["task=length", "diffusion_lm.sampling.sampler=dpmpp"], "did you mean 'dpmpp_2m'"),
    ("eval.sweep", ["run=SET", "values=1,,2"], "numbers separated by commas"),
    ("eval.sweep", ["run=SET", "values=1,1"], "1 is given twice"),
    ("eval.sweep", ["run=SET", "values=1,x"], "a number in decimal digits"),
    ("eval.sweep", ["run=SET", "values=1,nan"], "fudge.lam=nan: a finite number"),
    ("eval.sweep", ["run=SET", "values=1", "key=seed"], "key=seed: the setting of a method"),
    ("eval.sweep", ["run=SET", "values=1", "key=fudge.no"], "unknown key 'fudge.no'"),
    ("eval.sweep", ["run=SET", "method=diffusion_lm", "task=length", "values=50,30",
                    "key=diffusion_lm.sampling.steps"], "steps=30: 30 decoding steps do not"),
    ("eval.sweep", ["run=SET", "method=fudge,fudge"], "method=fudge,fudge: fudge is given twice"),
    ("eval.sweep", ["run=SET", "method=fudge,fugde"], "unknown method 'fugde'"),
    ("eval.sweep", ["run=SET", "method=fudge,ft_search,cold"], "ft_search, cold: no setting is"),
    ("eval.sweep", ["run=SET", "method=fudge,fluency_alone"], "proposed for fluency_alone"),
    ("eval.sweep", ["run=SET", "key=fudge.top_k"], "none are proposed for fudge .fudge.top_k"),
    ("eval.sweep", ["run=SET", "key=pplm.steps"], "no setting of fudge: method=pplm"),
    ("eval.sweep", ["run=SET", "method=fudge,pplm", "key=pplm.steps"], "is of one method, not of"),
    ("eval.sweep", ["run=SET", "method=gedi"], "has no judged samples of gedi, but of"),
    ("eval.sweep", ["run=SET", "task=lenght"], "fudge under lenght, but under .*length"),
    ("eval.bench", ["out=nowhere/a", "task=length"], "there is no folder nowhere"),
    ("eval.bench", ["estimate=h1000"], "unknown card 'h1000'"),
    ("eval.bench", ["task=parts_of_speech"], "eval.bench times controls of the kinds span, length"),
    ("eval.compare", ["SET", "lr=0.1"], "unknown key 'lr'"),
    ("eval.compare", ["SET"], "two result sets are compared, not 1"),
    ("eval.compare", ["SET", "SET", "margin=1"], "are those of equivalence=true"),
    ("eval.compare", ["SET", "SET", "equivalence=true", "lm_margin=0"], "lm_margin=0: above 0"),
    ("eval.compare", ["", "SET"], "has a name"),
    ("eval.tables", ["run=SET", "targets=0"], "targets=0: at least 1"),
    ("eval.report", ["run=SET", "samples=0"], "samples=0: at least 1"),
    ("eval.ablation", ["run=SET", "dims=4,x"], "dims=4,x: a whole number"),
    ("eval.ablation", ["run=SET", "dims=0"], "dims=0: at least 1"),
    ("eval.likelihood", ["run=SET", "steps=0"], "steps=0: at least 1"),
    ("eval.trajectory", ["run=SET", "frames=1"], "frames=1: at least 2"),
    ("eval.trajectory", ["run=SET", "device=meta"], "unknown device 'meta'"),
    ("eval.in_context", ["run=SET"], "has no task that fills in a text between two contexts"),
    ("eval.in_context", ["run=SET", "device=meta"], "unknown device 'meta'"),
    ("eval.human", ["export", "items=0"], "items=0: at least 1"),
    ("eval.human", ["exprot"], "did you mean 'export'"),
    ("slurm.status", [], "name the result folder"),
    ("slurm.status", ["SET", "more"], "'more' says nothing here"),
    ("slurm.logs", ["SET", "job", "more"], "'more' says nothing here"),
    ("slurm.cancel", [""], "name the result folder"),
    ("slurm.pack", ["task=length"], "out= is missing"),
    ("slurm.pack", ["task=length", "out=taken"], "out=taken is there already"),
    ("slurm.pack", ["out=a", "python=3"], "python=3: a version of Python as 3.12"),
    ("slurm.pack", ["out=a", "limit=0"], "limit=0: above 0"),
    ("slurm.pack", ["out=a", "fit=diffusion"], "fit=diffusion: networks with minutes above 0"),
    ("slurm.pack", ["out=a", "task=length", "bench=fugde"], "unknown method 'fugde'"),
    ("slurm.pack", ["out=a", "task=length", "lm.pretrained=b"], "lm.pretrained=b: a pack takes no"),
    ("slurm.unpack", [], "name the folder that came back"),
    ("slurm.unpack", ["a", "b"], "'b' says nothing here"),
    ("slurm.unpack", ["nowhere"], "there is no folder nowhere"),
    ("slurm.unpack", ["."], "is nothing that came back of a pack: it has no back.json"),
    ("slurm.unpack", [".", "jugde=true"], "unknown key 'jugde': did you mean 'judge'"),
    ("slurm.sweep", ["task=length", "grace=90", "minutes=1"], "grace=90: below 60"),
    ("slurm.sweep", ["task=length", "partition=a\nb"], "a text on one line"),
)  # fmt: skip
EXAMPLES = 150
TRIED = (
    Tried("command line", "an argument of no key, form or letters", len(JUNK) * len(COMMANDS)),
    Tried("command line", "a value that a command finds wrong before its work", len(OWN)),
    Tried("command line", "any text for any key of any command", EXAMPLES),
)


class Reached(UserError):
    """The arguments were taken, and the work would begin."""


@pytest.fixture(autouse=True)
def _no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """What costs minutes says that it was reached."""

    def reached(*_: Any, **__: Any) -> None:
        raise Reached("reached")

    for name in (
        "eval.running.runner.Run.build",
        "eval.running.runner.Run.perform",
        "eval.studies.bench.Bench.__init__",
        "slurm.submit.planned",
        "slurm.cluster.queue",
        "eval.running.inputs.load_corpus",
        "tasks.corpora.load_corpus",
    ):
        monkeypatch.setattr(name, reached)
    monkeypatch.setenv("NLTK_DATA", "")


def run(name: str, arguments: Sequence[str]) -> tuple[int, str]:
    """Exit code and stderr of one command, in this process and an empty folder."""
    module = importlib.import_module(name)
    main: Callable[[Sequence[str]], Any] = module.main
    out, err = TextIOWrapper(BytesIO(), encoding="utf-8"), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        if name in ("eval.run", "slurm.sweep"):
            code = main(list(arguments))
        else:
            code = guarded(main, arguments)
    return code, err.getvalue()


def one_line(code: int, said: str) -> bool:
    return code == 2 and said.startswith("error: ") and said.count("\n") == 1 and "\x1b" not in said


def test_every_command_is_here() -> None:
    found = {
        f"{top}.{path.stem}"
        for top in ("eval", "slurm")
        for path in (ROOT / top).glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert found - {"eval.__main__", "slurm.worker", "slurm.together"} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_no_argument(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for junk in JUNK:
        code, said = run(name, ["export", *junk] if name == "eval.human" else junk)
        assert one_line(code, said) and "reached" not in said, (junk, said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "arguments", "message"), OWN)
def test_what_a_command_finds_wrong_before_its_work(
    name: str,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file")
    arguments = [part.replace("SET", str(ROOT / "results/demo")) for part in arguments]
    code, said = run(name, arguments)
    assert one_line(code, said), said
    assert re.search(message, said), said
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


WORDS = st.text(max_size=20)
VALUES = st.one_of(
    WORDS,
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["", "null", "all", "true", "[1,2]", "{}", "a,b", "length", "fudge", "cpu"]),
)
KEYS = st.one_of(st.sampled_from([name for _, name, _ in every_key()]), WORDS)
ARGUMENT = st.one_of(st.builds("{}={}".format, KEYS, VALUES), WORDS)


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=st.sampled_from(COMMANDS), arguments=st.lists(ARGUMENT, max_size=4))
def test_any_arguments(name: str, arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        code, said = run(name, arguments)
        asked = {"--help", "-h", "--list"} & set(arguments)
        # the set that comes with the program is read from any folder
        written = code == 0 and name in ("eval.tables", "eval.plots", "eval.report")
        assert one_line(code, said) or (code == 0 and (asked or written)), (code, said)
        assert os.listdir(folder) == [] or "reached" in said or written, said


def test_a_run_starts_where_nothing_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same arguments without the mistake reach their work."""
    monkeypatch.chdir(tmp_path)
    for name, more in (("eval.run", []), ("eval.targets", ["file=a"]), ("eval.bench", [])):
        code, said = run(name, ["task=length", "method=fudge", *more])
        assert (code, said) == (2, "error: reached\n"), name
