"""The networks that come with the repository are the ones that the presets ask for."""

import os
from pathlib import Path

import pytest

from eval.publish import LEFT_OUT
from eval.running.command import parse
from eval.running.display import Display
from eval.running.runner import Run
from eval.running.store import verify

ROOT = Path(__file__).resolve().parent.parent
PREBUILT = ROOT / "results" / "prebuilt"
DATA = Path(os.environ.get("DIFFUSION_BENCH_DATA", ROOT.parent / "shared" / "data"))


DEMO = ["task=all", "method=all"]
SMALL = [*DEMO, "preset=small", "corpus=e2e", f"data={DATA}"]


def needed(given: list[str], tmp_path: Path) -> tuple[set[str], list[str]]:
    """The keys that a run with an empty store needs, and those of them that it would train: not
    what is read off the corpus in seconds."""
    given = [*given, f"store={tmp_path / 'store'}", f"out={tmp_path / 'out'}"]
    given.append(f"prebuilt={PREBUILT}")
    run = Run(parse(given), Display(), given)
    needs = [recipe for job in run.cells for recipe in job.recipes.values()]
    needs += run.judges.values()
    missing = [recipe.key for recipe in run.store.missing(needs)]
    trained = [key for key in missing if key.rsplit("-", 1)[0] not in LEFT_OUT]
    return {recipe.key for recipe in needs}, trained


def test_demo_trains_nothing(tmp_path: Path) -> None:
    """The shipped keys are those that the settings, the corpus and the builders give today."""
    keys, trained = needed(DEMO, tmp_path)
    assert len(keys) > 8 and trained == []


@pytest.mark.skipif(not (DATA / "e2e").is_dir(), reason=f"no E2E under {DATA}")
def test_small_trains_nothing_and_nothing_else_is_shipped(tmp_path: Path) -> None:
    keys, trained = needed(SMALL, tmp_path)
    # NLTK's tagger is copied from the data folder, not trained
    assert len(keys) > 8 and [key for key in trained if not key.startswith("tagger-")] == []
    known = needed(DEMO, tmp_path)[0] | keys
    # of the families of discrete diffusion some come trained
    known |= needed([*SMALL[:1], "method=discrete", *SMALL[2:]], tmp_path)[0]
    assert {path.name for path in PREBUILT.iterdir()} <= known


def test_shipped_files_are_whole_and_small() -> None:
    folders = sorted(PREBUILT.iterdir())
    for folder in folders:
        verify(folder)
        assert not list(folder.rglob("*.pkl")) + list(folder.rglob("*.pt"))
    size = sum(path.stat().st_size for path in PREBUILT.rglob("*") if path.is_file())
    assert size < 110 * 2**20


def test_a_setting_that_comes_later_changes_no_older_key() -> None:
    """Settings enter keys where they differ from the defaults of their class."""
    from models.diffusion.latents.config import DiffusionConfig
    from models.diffusion.latents.decoding import InfillingConfig
    from tasks.common.recipe import settings

    plain = settings(DiffusionConfig())
    assert plain == {"train": {"ema": 0.9999}}
    more = {"output": "words", "embedding_std": 0.5, "clean_contexts": 0.5}
    assert settings(DiffusionConfig(**more)) == {**plain, **more}
    infilling = settings(InfillingConfig(word_temperature=0.5))
    assert infilling == {**settings(InfillingConfig()), "word_temperature": 0.5}
