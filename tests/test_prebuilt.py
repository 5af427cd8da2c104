"""The networks that come with the repository are the ones that the demo preset asks for."""

from pathlib import Path

import pytest

from eval.config import parse
from eval.display import Display
from eval.publish import LEFT_OUT
from eval.runner import Run
from eval.store import verify

PREBUILT = Path(__file__).parent.parent / "results" / "prebuilt"


def test_demo_trains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an empty store, all that is missing is what is read off the corpus in seconds: the
    shipped keys are those that the settings, the corpus and the builders give today."""
    given = [
        "task=all",
        "method=all",
        f"store={tmp_path / 'store'}",
        f"out={tmp_path / 'out'}",
        f"prebuilt={PREBUILT}",
    ]
    run = Run(parse(given), Display(), given)
    needs = [recipe for job in [run.floor, *run.jobs] for recipe in job.recipes.values()]
    needs += run.judges.values()
    assert len(needs) > 8
    missing = [recipe.key for recipe in run.store.missing(needs)]
    assert [key for key in missing if key.rsplit("-", 1)[0] not in LEFT_OUT] == []
    # and nothing is shipped that the demo does not use
    assert {path.name for path in PREBUILT.iterdir()} == {recipe.key for recipe in needs}


def test_shipped_files_are_whole_and_small() -> None:
    folders = sorted(PREBUILT.iterdir())
    for folder in folders:
        verify(folder)
        assert not list(folder.rglob("*.pkl")) + list(folder.rglob("*.pt"))
    size = sum(path.stat().st_size for path in PREBUILT.rglob("*") if path.is_file())
    assert size < 40 * 2**20
