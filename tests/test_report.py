"""The report: one page that loads nothing, with every sample it says it holds."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from stored import ROOT, TEXTS, fill, make_set

import eval.reading.page.page
from eval.reading.page.data import embedded, glance, provenance, samples
from eval.reading.page.page import page
from eval.reading.results import ResultSet
from eval.report import main
from tasks.common.errors import UserError
from tasks.controls import Length

#: attributes that make a browser fetch something
FETCHED = ("src", "href", "srcset", "poster", "data", "action", "xlink:href")


class Page(HTMLParser):
    """What a page would fetch, its ids, and whether its elements are balanced."""

    VOID = ("meta", "link", "input", "br", "img", "hr")

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.fetches, self.ids, self.open = list[str](), list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in FETCHED and value and not value.startswith(("#", "data:")):
                self.fetches.append(value)
            if name == "id" and value:
                self.ids.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def browser_data(text: str) -> dict[str, dict[str, dict[str, object]]]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(found)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def demo() -> str:
    return page(ResultSet(ROOT / "results" / "demo"), None, 40, 5)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of a page's time."""
    monkeypatch.setattr(eval.reading.page.page, "svg_figures", lambda results: iter(()))


def test_the_page_fetches_nothing(demo: str) -> None:
    parsed = Page(demo)
    assert parsed.fetches == [] and parsed.open == []
    style = re.sub(r"<script.*?</script>", "", demo, flags=re.S)
    assert not re.search(r"@import|url\((?!#)", style)
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|import\(", demo)


def test_ids_are_unique(demo: str) -> None:
    ids = Page(demo).ids
    assert len(ids) == len(set(ids))
    # what the script looks up is there
    wanted = set(re.findall(r'get\("(\w+)"\)', demo))
    assert wanted and wanted <= set(ids)


def test_the_same_page_again(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    assert page(ResultSet(folder), None, 5, 5) == page(ResultSet(folder), None, 5, 5)


def test_samples_of_a_task(tmp_path: Path) -> None:
    found = samples(ResultSet(make_set(tmp_path / "set")), 10, 10)["length"]
    assert found["targets"] == [["t1", "3 words"], ["t2", "2 words"]]
    assert found["shown"] == [2, 2, 8, 8]
    assert found["methods"]["fudge"][0] == [0, 0, "a", ".", ["2 words"], [0.0], ""]
    assert found["methods"]["fudge"][2] == [1, 0, "a b c d e f", "..bbbb", [], [0.0], ""]
    assert found["methods"]["diffusion_lm"][0][5] == [100.0]


def test_what_the_page_leaves_out_is_counted(tmp_path: Path) -> None:
    found = samples(ResultSet(make_set(tmp_path / "set")), 1, 1)["length"]
    assert found["shown"] == [1, 2, 2, 8]
    assert [row[:2] for row in found["methods"]["fudge"]] == [[0, 0]]


def test_glance_and_provenance(tmp_path: Path) -> None:
    results = ResultSet(make_set(tmp_path / "set"))
    (card,) = glance(results)
    rows = {row["method"]: row for row in card["rows"]}
    assert rows["FUDGE"]["ours"] == 50 and rows["FUDGE"]["paper"] == 46.9
    assert card["full"] == 100
    cells = {cell["method"]: cell for cell in provenance(results)}
    assert cells["FUDGE"]["judges"] == {"teacher": "teacher-0"}
    assert (cells["FUDGE"]["samples"], cells["FUDGE"]["command"]) == (4, "python -m eval.run")


@pytest.mark.usefixtures("no_figures")
def test_a_set_of_infilling() -> None:
    """CIDEr goes beyond 100, the chosen candidate is the one shown, and tables without any figure
    of the set stand aside."""
    results = ResultSet(ROOT / "results" / "demo-stories")
    cards = {card["metric"].split()[0]: card for card in glance(results)}
    assert cards["corpus"]["full"] == 100
    assert cards["CIDEr-D"]["full"] == max(row["high"] or 0 for row in cards["CIDEr-D"]["rows"])
    rows = samples(results, 3, 2)["infilling"]["methods"]["diffusion_lm"]
    chosen = {r["target"]: r["chosen"] for r in results.cell("infilling", "diffusion_lm").samples}
    assert [row[1] for row in rows[::2]] == list(chosen.values())[:3]
    assert all(row[5] for row in rows[::2])  # judged
    text = page(results, None, 1, 1)
    main, _, aside = text.partition("Tables that need what this set lacks")
    assert 'id="table5"' in main and 'id="table2"' not in main and 'id="table2"' in aside


@pytest.mark.usefixtures("no_figures")
def test_odd_words_cannot_break_the_page(tmp_path: Path) -> None:
    odd = {"t1": ["</script> <b> &amp;"], "t2": ["a \u2028 <!--"]}
    text = page(ResultSet(make_set(tmp_path / "set", {"fudge": odd})), None, 10, 10)
    assert Page(text).open == []
    stored = browser_data(text)["tasks"]["length"]["methods"]
    assert stored["fudge"][0][2] == "</script> <b> &amp;"  # type: ignore[index]
    assert "</" not in embedded("</script>")


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("methods", [[], ["fudge"], ["fudge", "diffusion_lm"]])
def test_few_methods(tmp_path: Path, methods: list[str]) -> None:
    folder = make_set(tmp_path / "set", {m: TEXTS[m] for m in methods})
    text = page(ResultSet(folder), None, 5, 5)
    assert set(browser_data(text)["methods"]) == set(methods)
    assert Page(text).open == []


@pytest.mark.usefixtures("no_figures")
def test_comparison_with_another_set(tmp_path: Path) -> None:
    first = ResultSet(make_set(tmp_path / "first"))
    second = ResultSet(make_set(tmp_path / "second", {"fudge": TEXTS["diffusion_lm"]}))
    text = page(second, first, 5, 5)
    assert 'id="comparison"' in text and "second against first" in text
    assert 'id="comparison"' not in page(first, None, 5, 5)


@pytest.mark.usefixtures("no_figures")
def test_thousands_of_samples(tmp_path: Path) -> None:
    targets = {f"t{i}": Length(3) for i in range(60)}
    folder = make_set(tmp_path / "set", {}, targets)
    fill(folder / "length" / "fudge", {t: ["a b c"] * 50 for t in targets}, targets)
    text = page(ResultSet(folder), None, 40, 5)
    assert browser_data(text)["tasks"]["length"]["shown"] == [40, 60, 200, 3000]


@pytest.mark.usefixtures("no_figures")
def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_set(tmp_path / "set")
    main([f"run={folder}"])
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    main(["--help"])
    assert "against (str or null) = null" in capsys.readouterr().out
    with pytest.raises(UserError, match="at least 1"):
        main([f"run={folder}", "samples=0"])
