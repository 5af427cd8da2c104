"""The artefact store: keys, builds that survive kills, damage, several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eval.running.store import Store
from tasks.common.errors import UserError
from tasks.common.lease import hold
from tasks.common.progress import Progress, silent
from tasks.common.recipe import Recipe, Spec, recipe

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def quiet(part: Recipe) -> Iterator[Progress]:
    yield silent


def writer(text: str, log: list[str]):
    def build(folder, deps, progress):
        log.append(text)
        inputs = "".join((path / "out.txt").read_text() for path in deps.values())
        (folder / "out.txt").write_text(inputs + text)

    return build


def chain(log: list[str], middle: int = 1) -> Recipe:
    a = recipe("a", "make a", writer("a", log), {"x": 1})
    b = recipe("b", "make b", writer("b", log), {"y": 2.5}, version=middle, deps={"a": a})
    return recipe("c", "make c", writer("c", log), {}, deps={"b": b, "a": a})


def test_key_depends_on_content_and_not_on_order() -> None:
    one = Spec("k", {"a": 1, "b": {"c": 2, "d": 3}}, 1, "d", {"p": "x", "q": "y"})
    two = Spec("k", {"b": {"d": 3, "c": 2}, "a": 1}, 1, "d", {"q": "y", "p": "x"})
    assert one.key == two.key
    assert one.key.startswith("k-") and len(one.key) == len("k-") + 16
    for other in (
        Spec("k", {"a": 2, "b": {"c": 2, "d": 3}}, 1, "d", one.deps),
        Spec("k", one.config, 2, "d", one.deps),
        Spec("k", one.config, 1, "e", one.deps),
        Spec("k", one.config, 1, "d", {"p": "x", "q": "z"}),
    ):
        assert other.key != one.key


def test_builds_dependencies_first_and_once(tmp_path: Path) -> None:
    log: list[str] = []
    store = Store(tmp_path)
    assert [part.title for part in store.missing([chain(log)])] == ["make a", "make b", "make c"]
    folder = store.resolve(chain(log), quiet)
    assert log == ["a", "b", "c"]
    assert (folder / "out.txt").read_text() == "aba" + "c"
    assert Store(tmp_path).resolve(chain(log), quiet) == folder
    assert log == ["a", "b", "c"]
    assert json.loads((folder / "spec.json").read_text())["deps"].keys() == {"a", "b"}
    # another version of the middle one rebuilds it and what hangs on it, and nothing else
    Store(tmp_path).resolve(chain(log, middle=2), quiet)
    assert log == ["a", "b", "c", "b", "c"]


def test_prebuilt_artefacts_are_used_without_their_dependencies(tmp_path: Path) -> None:
    log: list[str] = []
    first = Store(tmp_path / "one")
    first.resolve(chain(log), quiet)
    (tmp_path / "ready").mkdir()
    place = first.export(chain(log), tmp_path / "ready")
    second = Store(tmp_path / "two", [tmp_path / "ready"])
    assert second.resolve(chain(log), quiet) == place
    assert log == ["a", "b", "c"]


def test_a_failed_build_leaves_nothing_complete_and_goes_on(tmp_path: Path) -> None:
    def build(folder: Path, deps, progress) -> None:
        mark = folder / "checkpoint.json"
        if not mark.exists():
            mark.write_text("half")
            raise OSError(28, "No space left on device")
        (folder / "out").write_text(mark.read_text() + " and whole")

    part = recipe("n", "net", build, {})
    store = Store(tmp_path)
    with pytest.raises(OSError, match="No space"):
        store.resolve(part, quiet)
    assert store.find(part.key) is None
    folder = store.resolve(part, quiet)
    assert (folder / "out").read_text() == "half and whole"
    assert sorted(p.name for p in folder.iterdir()) == ["digests.json", "out", "spec.json"]


def test_a_kill_between_sealing_and_renaming_loses_no_training(tmp_path: Path) -> None:
    log: list[str] = []
    part = recipe("n", "net", writer("n", log), {})
    store = Store(tmp_path)
    folder = store.resolve(part, quiet)
    folder.rename(tmp_path / f".building-{part.key}")
    (tmp_path / f".building-{part.key}" / "checkpoint.safetensors").write_text("left")
    again = Store(tmp_path).resolve(part, quiet)
    assert log == ["n"]
    assert not (again / "checkpoint.safetensors").exists()


def test_damage_is_named(tmp_path: Path) -> None:
    part = recipe("n", "net", writer("some weights", []), {})
    folder = Store(tmp_path).resolve(part, quiet)
    (folder / "out.txt").write_text("some")
    with pytest.raises(UserError, match=r"out\.txt is damaged \(4 bytes\): delete the folder"):
        Store(tmp_path).find(part.key)
    (folder / "out.txt").unlink()
    with pytest.raises(UserError, match=r"out\.txt is missing"):
        Store(tmp_path).find(part.key)
    (folder / "digests.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        Store(tmp_path).find(part.key)


def test_a_store_that_cannot_be_written_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log: list[str] = []
    with pytest.raises(UserError, match="cannot write to the artefact store"):
        Store(tmp_path / "file" / "store").resolve(chain(log), quiet)
    assert log == []


def test_no_write_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="Permission denied"):
        Store(tmp_path / "store").resolve(chain([]), quiet)


SCRIPT = """
import sys, time
from contextlib import contextmanager
from pathlib import Path
from eval.running.store import Store
from tasks.common.recipe import recipe
from tasks.common.progress import silent
root = Path(sys.argv[1])
def build(folder, deps, progress):
    with open(root / "log", "a") as f: f.write("built\\n")
    time.sleep(0.5)
    (folder / "out").write_text("x")
@contextmanager
def quiet(part): yield silent
print(Store(root / "store").resolve(recipe("n", "net", build, {}), quiet))
"""


def test_two_processes_build_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    running = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    outs = [process.communicate(timeout=30)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert outs[0] == outs[1]
    assert (tmp_path / "log").read_text() == "built\n"


def test_who_waits_for_another_process_says_so(tmp_path: Path) -> None:
    told: list[str] = []
    wanted = chain([])
    store = Store(tmp_path, waiting=lambda part: told.append(part.key))
    first = store.missing([wanted])[0].key
    with hold(tmp_path / f".lock-{first}"):
        thread = threading.Thread(target=store.resolve, args=(wanted, quiet))
        thread.start()
        deadline = time.monotonic() + 20
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
        assert told == [first]
    thread.join(20)
    assert store.find(wanted.key) and told == [first]


def test_a_killed_builder_frees_its_lock(tmp_path: Path) -> None:
    slow = SCRIPT.replace("time.sleep(0.5)", "time.sleep(60)")
    process = subprocess.Popen([sys.executable, "-c", slow, str(tmp_path)], cwd=ROOT)
    deadline = time.monotonic() + 20
    while not (tmp_path / "log").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=ROOT, timeout=30)
    assert done.returncode == 0
    assert (tmp_path / "log").read_text() == "built\nbuilt\n"
