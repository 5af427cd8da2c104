"""What comes with the program is found from any folder; what the user names stays where it is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from eval.publish import LEFT_OUT as CHEAP
from eval.publish import main as publish
from eval.reading import paper
from eval.reading.results import stored
from eval.run import guarded
from eval.running.command import parse
from eval.running.display import Display
from eval.running.provenance import commit
from eval.running.runner import Run
from eval.tables import main as tables
from tasks.common import shipped
from tasks.common.errors import UserError
from tasks.common.recipe import recipe

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation without two networks."""
    place = tmp_path / "control_bench" / "shipped"
    place.mkdir(parents=True)
    (place / shipped.LEFT_OUT).write_text("lm-0123456789abcdef\nlm-0123456789abcdee\n")
    monkeypatch.setattr(shipped, "_IN_WHEEL", place)
    shipped.left_out.cache_clear()
    yield place
    shipped.left_out.cache_clear()


def setup_module_of_the_project() -> ModuleType:
    spec = importlib.util.spec_from_file_location("project_setup", ROOT / "setup.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_checkout_has_its_results(elsewhere: Path) -> None:
    assert shipped.shipped() == RESULTS and not shipped.installed()
    assert shipped.ready("shipped,mine,../other") == [
        RESULTS / "prebuilt", Path("mine"), Path("../other"),
    ]  # fmt: skip
    assert shipped.ready("") == [] and shipped.left_out() == frozenset()
    assert paper.values("length")


def test_the_demo_is_read_from_any_folder(elsewhere: Path) -> None:
    demo = stored("results/demo")
    assert demo.folder == RESULTS / "demo" and demo.named == Path("results/demo")
    assert "out=results/demo" in demo.command("length", "fudge")
    with pytest.raises(UserError, match="there is no result set demo"):
        stored("demo")
    with pytest.raises(UserError, match="there is no result set results/nothing"):
        stored("results/nothing")
    own = elsewhere / "results" / "demo" / "length"
    own.mkdir(parents=True)
    assert stored("results/demo").folder == RESULTS / "demo"  # a folder of tables, say
    (own / "targets.jsonl").write_text("")
    assert stored("results/demo").folder == Path("results/demo")


def test_tables_are_written_where_the_user_is(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert guarded(tables, ["show=false"]) == 0
    assert "results/demo/tables/" in capsys.readouterr().out
    made = elsewhere / "results" / "demo" / "tables" / "table2.md"
    assert made.read_text() == (RESULTS / "demo" / "tables" / "table2.md").read_text()


def networks(given: list[str]) -> tuple[set[str], list[str]]:
    """The networks that a run needs, and those that it would train."""
    run = Run(parse(given), Display(), given)
    needs = [r for job in run.cells for r in job.recipes.values()] + [*run.judges.values()]
    missing = [r.key for r in run.store.missing(needs)]
    kinds = {r.key: r.spec.kind for r in needs}
    return (
        {key for key, kind in kinds.items() if kind not in CHEAP},
        [key for key in missing if key.rsplit("-", 1)[0] not in CHEAP],
    )


def test_a_wheel_holds_the_networks_that_the_demo_needs(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder none of them is trained; and they are what ``setup.py`` chooses."""
    needed, trained = networks(["task=all", "method=all"])
    assert trained == []
    project = setup_module_of_the_project()
    monkeypatch.chdir(ROOT)
    assert project.demo_networks() == needed
    size = sum(path.stat().st_size for path in project.files())
    assert size < 60 * 2**20


def test_networks_that_a_wheel_lacks_are_named(wheel: Path) -> None:
    def made(name: str, key: str) -> object:
        one = recipe("lm", name, lambda *_: None, {})
        return type("Keyed", (), {"key": key, "title": name, "spec": one.spec})()

    others = [made("train a network", "lm-0000000000000000")]
    assert shipped.note_left_out(others) == ""  # type: ignore[arg-type]
    lacking = [made("train a language model", "lm-0123456789abcdef")]
    note = shipped.note_left_out(others + lacking)  # type: ignore[arg-type]
    assert note.startswith("note: the wheel holds the networks of preset demo; 1 of this run (")
    assert "prebuilt=CLONE/results/prebuilt" in note and "\n" not in note


def test_nothing_is_published_into_a_wheel(
    wheel: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(publish, ["task=length", "method=fudge"]) == 2
    assert capsys.readouterr().err == "error: name the folder to copy them into: prebuilt=DIR\n"
    assert guarded(publish, ["task=length", "method=fudge", "prebuilt="]) == 2


def test_a_wheel_has_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its environment may lie in a repository of another program."""
    from eval.running import provenance

    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert commit() is None
    (tmp_path / ".git").mkdir()  # none that git reads
    assert commit() is None
