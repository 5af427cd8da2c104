"""Stored data never runs code, and names never are paths."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slices import mistake, snapshot
from stored import make_set

from baselines import METHODS
from eval.compare import compare
from eval.publish import publish
from eval.reading.results import ResultSet
from eval.reading.tables.build import all_tables
from eval.run import guarded
from eval.running.store import Store, seal
from eval.studies import collect, human, likelihood, trajectory
from eval.studies.ablation import AblationOptions, plan
from eval.studies.sweep import configured
from eval.studies.varied import Varied
from tasks import TASKS
from tasks.common.errors import UserError
from tasks.common.names import TAKEN, check_name, is_key, is_name
from tasks.common.recipe import Spec, recipe
from tests.hardening import Tried

PATHS = (
    *("", ".", "..", "../x", "../../../x", "/abs", "a/b", "a\\b", ".hidden", "-x", "a b", "a\nb"),
    *("a\0b", "x" * 101, "a:b", "~", "$HOME", "*", "a,b", "a=b", "ends.", "\u202ex", " x", "x "),
)
KEYS = (
    *("../x-0123456789abcdef", "/etc", "..", "lm-0123456789ABCDEF", "lm-0123", ".lm", ""),
    *("a/b-0123456789abcdef", "lm-0123456789abcdef/..", "lm-0123456789abcdef\n"),
)
READERS = ("tables", "compare", "ablation", "likelihood", "human", "collect", "trajectory")
EXAMPLES = 100
TRIED = (
    Tried(
        "names", "a method or task called as a path or what is taken", len(PATHS) + 2 * len(TAKEN)
    ),
    Tried("names", "any text: a name, or one line", EXAMPLES, "never a path"),
    Tried("names", "a stored artefact that is a path", len(KEYS), "not looked for"),
    Tried(
        "result folder", "run.json names a file of code", len(READERS) * 2, "the file is never run"
    ),
    Tried("artefacts", "published: a link out of the store, stray files", 3, "not copied"),
)


@pytest.mark.parametrize("name", [*PATHS, *TAKEN, *(name.upper() for name in TAKEN)])
def test_no_name_is_a_path_or_taken(name: str) -> None:
    with pytest.raises(UserError, match="choose another name"):
        check_name(name, "name=...: samples")


def test_names_with_dots_are_no_methods_of_files() -> None:
    assert check_name("gpt-4.1_mini", "name=") == "gpt-4.1_mini"
    with pytest.raises(UserError, match="cannot be called 'a.b'"):
        check_name("a.b", "Mine in my.py", dots=False)


@given(st.text(max_size=8))
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
def test_any_name(name: str) -> None:
    if said := mistake(lambda: check_name(name, "x")):
        assert "choose another name" in said
        return
    assert is_name(name) and Path("folder") / name == Path("folder", name)
    assert (Path("/folder") / name).parent == Path("/folder") and not name.startswith(".")


OWN = """\
from pathlib import Path
from dataclasses import dataclass
Path({mark!r}).write_text("run")
from models.base import Card, Generator
class M(Generator):
    card = Card({name!r}, label="mine")
    @classmethod
    def load(cls, folders, task, settings, device): return cls()
    def generate(self, targets, samples, seed, batch, progress=None): yield from ()
"""


@pytest.mark.parametrize("name", ["../../../x", "/abs", "all", "..", "human", "tables", "a.b"])
def test_an_own_method_stays_in_its_folder(name: str, tmp_path: Path) -> None:
    file = tmp_path / "m.py"
    file.write_text(OWN.format(mark=str(tmp_path / "mark"), name=name))
    with pytest.raises(UserError, match=r"M in .* cannot be called"):
        METHODS.name(f"{file}:M")
    assert name not in METHODS.own


@pytest.mark.parametrize("key", KEYS)
def test_a_stored_key_is_no_path(key: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    (tmp_path / "x-0123456789abcdef").mkdir()
    assert not is_key(key) and store.find(key) is None


@pytest.mark.parametrize("where", ["method", "task"])
@pytest.mark.parametrize("reader", READERS)
def test_a_stored_method_is_never_run(reader: str, where: str, tmp_path: Path) -> None:
    mark, file = tmp_path / "mark", tmp_path / "m.py"
    file.write_text(OWN.format(mark=str(mark), name="mine"))
    config = {"corpus": "grammar", "preset": "demo", "method": "all", "task": "length"}
    folder = make_set(tmp_path / "set", config={**config, where: f"{file}:M"})
    for path in folder.rglob("config.json"):
        stored = json.loads(path.read_text())
        stored["identity"]["method"] = f"{file}:M"
        path.write_text(json.dumps(stored))
    # a folder that is called as code is
    shutil.copytree(folder / "length" / "fudge", folder / "length" / "m.py:M")
    results, store = ResultSet(folder), tmp_path / "store"
    options = [f"run={folder}", f"store={store}", "prebuilt="]
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        if reader == "tables":
            all_tables(results, 2)
        elif reader == "compare":
            compare(results, ResultSet(folder))
        elif reader == "ablation":
            base = results.config(str(store), "")
            assert list(plan(base, AblationOptions(run=str(folder), group="objective")))
        else:
            main = {"likelihood": likelihood, "human": human, "collect": collect}
            main["trajectory"] = trajectory
            words = ["export", *options] if reader == "human" else options
            assert guarded(main[reader].main, words) == 2
    finally:
        os.chdir(before)
    assert not mark.exists() and "mine" not in METHODS.own and "mine" not in TASKS.own


def test_a_value_of_a_sweep_is_no_path(tmp_path: Path) -> None:
    command = "python -m eval.run task=all method=all"
    results = ResultSet(make_set(tmp_path / "set", command=command))
    one = Varied("fudge", "lm.pretrained", ["../../../x"], ["length"])
    config, _ = configured(results, "length", one, "../../../x", str(tmp_path / "store"))
    assert config.folder.parent == tmp_path / "store" / "sweep" / "set"
    assert ".." not in config.folder.parts and "/" not in config.folder.name


def test_a_variable_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    config = {"corpus": "grammar", "preset": "demo", "data": "${oc.env:TOKEN}"}
    results = ResultSet(make_set(tmp_path / "set", config=config))
    assert results.config("s", "").data == "${oc.env:TOKEN}"


# publishing


@pytest.fixture
def store(tmp_path: Path) -> tuple[Store, str]:
    root = tmp_path / "store"
    spec = Spec("thing", {"a": 1}, 1)
    folder = root / spec.key
    (folder / "tagger").mkdir(parents=True)
    (folder / "weights.json").write_text("[1]")
    (folder / "tagger" / "classes.json").write_text("[2]")
    seal(folder, spec)
    return Store(root), spec.key


def _thing() -> object:
    return recipe("thing", "make a thing", lambda *_: None, {"a": 1})


def test_only_what_was_sealed_is_published(store: tuple[Store, str], tmp_path: Path) -> None:
    kept, key = store
    (kept.root / key / ".env").write_text("TOKEN=secret")
    (kept.root / key / "tagger" / "notes.txt").write_text("mine")
    place = kept.export(_thing(), tmp_path / "out")  # type: ignore[arg-type]
    assert set(snapshot(place)) == {
        *("spec.json", "digests.json", "weights.json", "tagger/classes.json"),
    }


@pytest.mark.parametrize("linked", ["folder", "file", "inner"])
def test_no_link_is_followed(linked: str, store: tuple[Store, str], tmp_path: Path) -> None:
    kept, key = store
    inner = {"folder": "", "file": "weights.json", "inner": "tagger"}[linked]
    path, elsewhere = kept.root / key / inner, tmp_path / "elsewhere"
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a link"):
        kept.export(_thing(), tmp_path / "out")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_nothing_is_published_before_all_is_there(tmp_path: Path) -> None:
    out = tmp_path / "prebuilt"
    given_ = ["task=length", "method=fudge", f"store={tmp_path}", f"prebuilt={out}"]
    with pytest.raises(UserError, match="is not built yet"):
        publish(given_)
    assert not out.exists()
