"""``eval.score`` on hostile samples: they are judged, or nothing at all is left of the try."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from eval import score, targets
from eval.run import guarded
from eval.running import scoring
from eval.running.cells import share
from eval.running.judge import Judge
from eval.running.oracles import load_parser
from eval.running.taggers import load_tagger
from tasks import load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import Control, FieldValue, ParseTree, Span, TagSequence
from tasks.oracles.trees import leaves
from tests.hardening import Tried

PREBUILT = Path(__file__).parent.parent / "results" / "prebuilt"
#: words that oracles, trees and tables may stumble over
ODD_WORDS = (
    "-LRB-", "-RRB-", "-NONE-", "-NL-", "-SP-", "*", "*T*-1", "(", ")", "((", "(NP", "NP)", "``",
    "''", '"', "\\", "/", "|", "\x00", "\x1b[31m", "\x07", "\x1c", "\x85", "\u2028", "\u2029",
    "\u200b", "\ufeff", "\ufffd", "\u202e", " ", "\t", "\r", "\n", "\r\n", "a b", "e\u0301",
    "\U0001f600", "\U0001f468\u200d\U0001f469", "\u540d", "\u0645", "{}", "$x_{$", "[red]", "[/]",
    "<b>", "&amp;", "%s", "=1+1", "UNK", "START", "END", "PAD", "[CLS]", "</s>", "None", "nan",
    "0" * 400, "a" * 5000, "!" * 50,
)  # fmt: skip
LONG = "The Red Kite is a cheap pub near the river "

Common = Callable[..., list[str]]


@pytest.fixture(scope="module", autouse=True)
def _few_human_texts() -> Iterator[None]:
    whole = scoring.HUMAN_TEXTS
    scoring.HUMAN_TEXTS = 10
    yield
    scoring.HUMAN_TEXTS = whole


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("score")


@pytest.fixture(scope="module")
def common(base: Path) -> Common:
    def arguments(out: str = "set", task: str = "length", *more: str) -> list[str]:
        return [
            f"task={task}", "targets=3", f"out={base}/{out}", f"store={base}/store",
            f"prebuilt={PREBUILT}", "threads=1", *more,
        ]  # fmt: skip

    return arguments


@pytest.fixture(scope="module")
def ids(common: Common, base: Path) -> Callable[..., list[str]]:
    def chosen(out: str = "set", task: str = "length") -> list[str]:
        file = base / f"{out}-{task}.jsonl"
        assert guarded(targets.main, [*common(out, task), f"file={file}"]) == 0
        return [json.loads(line)["id"] for line in file.read_text().splitlines()]

    return chosen


def write(path: Path, names: Sequence[str], *forms: dict[str, Any]) -> Path:
    lines = [json.dumps({"target": name, **form}) for name in names for form in forms]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def state(folder: Path) -> dict[str, str]:
    """Every file by digest, and every folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in sorted(folder.rglob("*"))
    }


def cell(base: Path, name: str, out: str = "set", task: str = "length") -> list[dict[str, Any]]:
    text = (base / out / task / name / "scores.jsonl").read_text()
    return [json.loads(line) for line in text.split("\n") if line]


GOOD = {"text": "The Red Kite is cheap ."}
#: what is wrong, what stands before the good samples in the file, options, what is said
REFUSED: list[tuple[str, str, list[str], str]] = [
    ("half a character", '{"target": "ID", "text": "\\ud83d"}', [], "half a character"),
    ("an unknown target", '{"target": "nobody", "text": "a"}', [], "unknown target 'nobody'"),
    ("an unknown option", "", ["strip=perhaps"], "unknown value of strip 'perhaps'"),
    ("an unknown key", "", ["tsak=length"], "did you mean 'task'"),
    ("a name that is a path", "", ["name=../x"], "choose another name"),
    ("the folder itself", "", ["name=."], "choose another name"),
    ("the folder above", "", ["name=.."], "choose another name"),
    ("a hidden name", "", ["name=.hidden"], "choose another name"),
    ("an empty name", "", ["name="], "name=: empty"),
    ("a name of the floor", "", ["name=left_context"], "choose another name"),
    ("a method's name", "", ["name=FUDGE"], "choose another name"),
    ("a file's name", "", ["name=targets.jsonl"], "choose another name"),
    ("a folder of cells", "", ["name=shards"], "choose another name"),
    ("other targets, to overwrite", '{"target": "nobody", "text": "a"}',
     ["targets=2", "overwrite=true"], "unknown target 'nobody'"),
    ("too few samples, to overwrite", "", ["targets=4", "overwrite=true"], "no sample for 1 of 4"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "line", "more", "said"), REFUSED, ids=[one[0] for one in REFUSED])
def test_a_refusal_leaves_all_as_it_was(
    common: Common, ids: Callable[..., list[str]], base: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], what: str, line: str, more: list[str], said: str,
) -> None:  # fmt: skip
    path = write(tmp_path / "mine.jsonl", names := ids(), GOOD)
    path.write_text(line.replace("ID", names[0]) + "\n" + path.read_text())
    before = state(base / "set")
    capsys.readouterr()
    changed = {one.partition("=")[0] for one in more}
    given = [one for one in common() if one.partition("=")[0] not in changed]
    assert guarded(score.main, [*given, f"samples={path}", *more]) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1 and said in error and "Traceback" not in error
    assert state(base / "set") == before


def test_a_refusal_makes_no_result_set(
    common: Common, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor targets that a mended command with other settings would stumble over."""
    path = write(tmp_path / "mine.jsonl", ["nobody"], GOOD)
    for samples in (path, tmp_path / "none.jsonl", tmp_path):
        assert guarded(score.main, [*common("fresh"), f"samples={samples}"]) == 2
    assert not (base / "fresh").exists()


def test_a_judge_that_fails_leaves_nothing_that_stops_the_mended_command(
    common: Common, ids: Callable[..., list[str]], base: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = write(tmp_path / "mine.jsonl", ids(), GOOD)
    command = [*common(), f"samples={path}"]
    whole = Judge._ask

    def failing(self: Judge, role: str, texts: Any) -> Any:
        raise UserError("the judge is ill")

    before = state(base / "set" / "length")
    with monkeypatch.context() as patch:
        patch.setattr(Judge, "_ask", failing)
        assert guarded(score.main, command) == 2
    assert state(base / "set" / "length") == before
    assert not list((base / "set").glob(".*"))
    write(path, ids(), {"text": "The Red Kite is dear ."})
    assert guarded(score.main, command) == 0
    first = cell(base, "mine")
    # once it is there, other samples are refused, and a failure on the way to replace it keeps it
    write(path, ids(), GOOD)
    kept = state(base / "set" / "length" / "mine")
    assert guarded(score.main, command) == 2
    with monkeypatch.context() as patch:
        patch.setattr(Judge, "_ask", failing)
        assert guarded(score.main, [*command, "overwrite=true"]) == 2
    assert state(base / "set" / "length" / "mine") == kept and cell(base, "mine") == first
    assert Judge._ask is whole
    assert guarded(score.main, [*command, "overwrite=true"]) == 0
    assert cell(base, "mine") != first and not list((base / "set").glob(".*"))


def test_one_endless_sample_does_not_stop_the_judging_of_all(
    common: Common, ids: Callable[..., list[str]], base: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    names = ids()
    path = write(tmp_path / "long.jsonl", names, GOOD)
    with open(path, "a") as file:
        file.write(json.dumps({"target": names[0], "text": LONG * 30}) + "\n")
    assert guarded(score.main, [*common(), f"samples={path}"]) == 0
    rows = cell(base, "long")
    assert len(rows) == 4 and [row["tokens"] for row in rows] == [7, 301, 7, 7]
    assert 0 < rows[1]["nll"] / 301 < 20
    assert "note: 1 texts are longer than the teacher reads at once" in capsys.readouterr().err


ODD: list[dict[str, Any]] = [
    {"words": list(ODD_WORDS)}, {"words": []}, {"text": ""}, {"text": " ".join(ODD_WORDS)},
    *({"words": ["The", word, "is", "near", word]} for word in ODD_WORDS),
]  # fmt: skip


def test_odd_words_and_empty_samples_are_judged(
    common: Common, ids: Callable[..., list[str]], base: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    names = ids()
    path = write(tmp_path / "odd.jsonl", names[:1], *ODD)
    rest = write(tmp_path / "rest.jsonl", names[1:], {"words": []})
    path.write_text(path.read_text() + rest.read_text())
    assert guarded(score.main, [*common(), f"samples={path}"]) == 0
    assert len(cell(base, "odd")) == len(ODD) + 2
    table = (base / "set" / "table.json").read_text()
    json.loads(table, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    said = capsys.readouterr().err
    assert "samples hold special tokens of raw outputs" in said and "strip=true" in said


CONTROLS: dict[str, Control] = {
    "syntax_spans": Span(1, 2, "NP"),
    "syntax_tree": ParseTree("(S (NP (NN *) (NN *)) (NN *))"),
    "parts_of_speech": TagSequence(("DET", "NOUN")),
    "semantic_content": FieldValue("name", "The e\u0301 -LRB-"),
}


def test_odd_words_are_read_by_every_oracle(tmp_path: Path) -> None:
    """Trees hold the very words."""
    places = {role: sorted(PREBUILT.glob(f"{role}-*"))[0] for role in ("parser", "tagger")}
    load = {"parser": load_parser, "tagger": load_tagger}
    judge = Judge(
        {role: place.name for role, place in places.items()},
        {role: partial(load[role], place) for role, place in places.items()},
    )
    texts = [tuple(form["words"]) for form in ODD if "words" in form]
    for name, control in CONTROLS.items():
        task = load_task(name)
        target = Target("t", control)
        pairs = [(target, words) for words in texts]
        annotated = judge.annotate(task, pairs, tmp_path / f"{name}.jsonl", fluency=False)
        for words, one in zip(texts, annotated, strict=True):
            assert all(share(value) >= 0 for value in task.score(target, one).values())
            if one.tree is not None:
                assert leaves(one.tree) == task.view(target, words)
            assert one.tags is None or len(one.tags) == len(words)


def test_a_byte_order_mark_and_raw_outputs_change_no_verdict(
    common: Common, ids: Callable[..., list[str]], base: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    names = ids()
    plain = write(tmp_path / "plain.jsonl", names, GOOD)
    marked = tmp_path / "marked.jsonl"
    marked.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n"))
    raw = {"words": ["START", *GOOD["text"].split(), "END", "PAD", "PAD"]}
    write(tmp_path / "raw.jsonl", names, raw)
    for name, more in (("plain", []), ("marked", []), ("raw", ["strip=true"])):
        path = tmp_path / f"{name}.jsonl"
        assert guarded(score.main, [*common(), f"samples={path}", *more]) == 0
    assert cell(base, "plain") == cell(base, "marked") == cell(base, "raw")
    assert "special tokens" not in capsys.readouterr().err


def test_help_says_what_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (score.main, targets.main):
        assert guarded(command, ["--help"]) == 0
        assert "newline" in capsys.readouterr().out


TRIED = (
    Tried("samples file", "refused lines, names and settings of eval.score", len(REFUSED) + 3),
    Tried("samples file", "a judge that fails, before and while a cell is replaced", 2),
    Tried("samples file", "a sample longer than the teacher", 1, "judged in windows"),
    Tried("samples file", "odd words and empty samples, by every judge and five tasks",
          (1 + len(CONTROLS)) * len(ODD), "judged; strict JSON"),
)  # fmt: skip
