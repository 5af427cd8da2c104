"""The documentation is what the program does, and fetches nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path

import pytest

from baselines import METHODS
from docs.made import picture, tables
from docs.made.__main__ import main as made_main
from docs.made.__main__ import stale
from eval.run import guarded
from eval.running.config import run_config
from eval.running.keys import keys
from eval.running.presets import PRESETS
from tasks import COMPOSITIONS, TASKS, load_task
from tasks.corpora import CORPORA

ROOT = Path(__file__).resolve().parent.parent
#: bytes of the README
MOST = 8_000
#: what a page may not load from elsewhere
LOADED = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\ssrc(?:set)?=\"?(?:https?:)?//"
    r"|<link[^>]*rel=\"?(?:stylesheet|preconnect|preload|icon)[^>]*href=\"?(?:https?:)?//"
)
IN_STYLE = re.compile(r"@import[^;]*//|url\(\"?'?(?:https?:)?//")


@pytest.fixture(scope="module")
def pages(site: Path) -> Mapping[str, str]:
    """Page of the site -> its words."""
    for path in site.rglob("*.css"):
        assert not IN_STYLE.search(path.read_text(encoding="utf-8")), path
    texts = {str(p.relative_to(site)): p.read_text(encoding="utf-8") for p in site.rglob("*.html")}
    assert [name for name, text in texts.items() if LOADED.search(text)] == []
    return {name: words(text) for name, text in texts.items()}


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= MOST


def test_tables_and_pictures_are_those_of_the_results() -> None:
    assert stale() == {}


def test_the_picture_ends_in_a_stored_sample_that_does_what_was_asked() -> None:
    """Of the set that its file names: the first sample of the target, with success."""
    stored = json.loads(picture.STORED.read_text(encoding="utf-8"))
    folder = ROOT / stored["set"] / stored["task"] / "diffusion_lm"
    same = {"target": stored["target"], "index": 0}

    def row(name: str) -> dict[str, object]:
        lines = map(json.loads, (folder / name).read_text(encoding="utf-8").splitlines())
        return next(line for line in lines if same.items() <= line.items())

    assert row("samples.jsonl")["tokens"] == stored["frames"][-1]["words"]
    assert 1.0 in row("scores.jsonl")["scores"].values()  # type: ignore[attr-defined]
    lines = picture.rows(stored)
    assert len(lines) == picture.ROWS and lines[-1][0] == "text"


@pytest.mark.parametrize(("look", "ground"), [("light", "#ffffff"), ("dark", "#0d1117")])
def test_the_picture_can_be_read(look: str, ground: str) -> None:
    """Contrast by WCAG 2: 4.5 for what is said, 3 for noise."""
    colours = picture.LOOKS[look]
    assert min(contrast(c, ground) for c in (colours.settled, colours.remark)) >= 4.5
    assert contrast(colours.noise, ground) >= 3


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_method_says_who_described_it() -> None:
    assert [card.name for card in METHODS.values() if not card.paper] == []


def test_the_reference_has_every_method_with_its_options(pages: Mapping[str, str]) -> None:
    page = pages["reference/methods.html"]
    for card in METHODS.values():
        assert card.name in page and card.label in page and card.paper in page
        for name, key in keys(card.Settings).items():
            assert f"{card.name}.{name} " in page and meaning(key.meaning) in page


def meaning(text: str) -> str:
    return " ".join(text.replace("`", "").split())


def test_the_reference_has_every_task_corpus_and_preset(pages: Mapping[str, str]) -> None:
    page = pages["reference/tasks.html"]
    for name in (*TASKS, *COMPOSITIONS):
        task = load_task(name)
        assert name in page and task.label in page
        if name in TASKS:
            assert all(metric in page for metric in task.metrics)
            assert all(meaning(said) in page for said in task.metrics.values())
    assert all(name in pages["reference/corpora.html"] for name in CORPORA)
    assert all(name in pages["reference/presets.html"] for name in PRESETS)


def test_the_reference_has_every_key_and_command(pages: Mapping[str, str]) -> None:
    from tasks.common.commands import COMMANDS

    page = pages["reference/keys.html"] + pages["reference/methods.html"]
    assert [name for name in keys(run_config()) if f"{name} " not in page] == []
    page = pages["reference/commands.html"]
    for command in COMMANDS.values():
        assert f"control-bench {command.name}" in page and command.module in page


def test_the_site_has_the_pages_of_the_root(pages: Mapping[str, str]) -> None:
    assert "Compare mine" in pages["index.html"] and "Changelog" in pages["changelog.html"]
    assert "Contributing" in pages["contributing.html"]


def test_a_wrong_argument_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(made_main, ["--wrote"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: unknown argument '--wrote'")


def test_a_stale_table_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    text = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    page.write_text(text.replace("| ours | 37.6", "| ours | 73.6"), encoding="utf-8")
    monkeypatch.setattr(tables, "PAGES", (page,))
    assert page in stale()


def test_middles_are_the_chosen_samples_of_the_same_random_items() -> None:
    import json

    page = "<!-- middles pretrained-anlg 3: AR; Diffusion-LM -->\nold\n<!-- end -->"
    head, _, *rows = map(tables.cells, tables.filled(page).split("\n")[2:-2])
    assert head == ["item", "AR", "Diffusion-LM"] and len(rows) == 3
    assert tables.filled(tables.filled(page)) == tables.filled(page)
    for column, method in enumerate(("ar_infilling", "diffusion_lm"), 1):
        folder = ROOT / "results" / "pretrained-anlg" / "infilling" / method
        lines = (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        for row in rows:
            (one,) = (
                r
                for r in records
                if r["target"].startswith(f"released-{row[0]}") and r["index"] == r["chosen"]
            )
            assert row[column] == " ".join(one["words"])
