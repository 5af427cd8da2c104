"""The report and the index of sets in a browser: accessible, quiet, and usable by keyboard."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import DESK, PHONE, Noise, chromium, grave
from stored import ROOT

from eval.reading.page.index import index
from eval.reading.page.page import page as report
from eval.reading.results import ResultSet

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of a report of the demo set and of an index; ``browser``: nothing is built for a
    test that is skipped."""
    folder = tmp_path_factory.mktemp("site")
    demo, stories = (ResultSet(ROOT / "results" / name) for name in ("demo", "demo-stories"))
    texts = {
        "report": report(demo, None, 12, 2, home="index.html"),
        "index": index(folder, {"report.html": demo, "stories.html": stories}),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in texts}


@pytest.fixture
def desk(browser: Browser, site: dict[str, str]) -> Iterator[Page]:
    """The report on a wide screen."""
    page = browser.new_page(viewport={"width": DESK, "height": 900}, color_scheme="light")
    noise = Noise(page)
    page.goto(site["report"])
    yield page
    assert noise.heard == []
    page.close()


def test_a_fault_is_seen(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content("<html lang=en><title>x</title><main><h1>x</h1><img src='data:,'></main>")
    assert [found.partition(":")[0] for found in grave(page)] == ["image-alt"]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("name", ["report", "index"])
def test_accessible_quiet_and_as_wide_as_the_screen(
    browser: Browser, site: dict[str, str], name: str, width: int, scheme: Any
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    noise = Noise(page)
    page.goto(site[name])
    # one cell's provenance stands for all of them
    closed = "details:not(.cell), details.cell:first-of-type"
    page.evaluate(f"document.querySelectorAll('{closed}').forEach((one) => {{ one.open = true; }})")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert grave(page) == []
    assert noise.heard == []
    page.close()


def test_every_picture_has_a_name(desk: Page) -> None:
    pictures = desk.locator("svg:not([aria-hidden]), [role=img], img, canvas")
    names = [pictures.nth(i).get_attribute("aria-label") or "" for i in range(pictures.count())]
    assert len(names) >= 9 and all(len(name) > 20 for name in names)
    assert names[0].startswith("Control in percent over perplexity, Mean of 5 tasks. ")
    assert "Diffusion-LM: 83.2 % at 6.12" in names[0] and "human text: 96.8 % at 3.6" in names[0]


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_names_in_the_picture_cover_nothing(
    browser: Browser, site: dict[str, str], width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(site["report"])
    chips = page.locator(".chip")
    assert chips.count() == 8
    for i in range(chips.count()):
        chips.nth(i).press("Enter")
        boxes = page.evaluate(
            "[...document.querySelectorAll('#pareto .name')].map((one) => {"
            " const box = one.getBoundingClientRect();"
            " return [box.left, box.top + 2, box.right, box.bottom - 2]; })"
        )
        assert len(boxes) >= 4
        assert all(box[0] >= 0 and box[2] <= width for box in boxes)
        for a, b in combinations(boxes, 2):
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            assert apart, (chips.nth(i).inner_text(), a, b)
    page.close()


def column(page: Page, table: str, at: int) -> list[str]:
    """The cells of one column, in the first row of each block."""
    rows = page.locator(f"#{table} tbody tr:first-child")
    return [rows.nth(i).locator("td").nth(at).inner_text() for i in range(rows.count())]


def test_tables_sort_by_mouse_and_keyboard(desk: Page) -> None:
    before = column(desk, "table2", 0)
    head = desk.locator("#table2 thead tr:last-child > *").nth(2)
    button = head.get_by_role("button")
    button.focus()
    desk.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    names = column(desk, "table2", 0)
    assert names[:3] == ["human text", "target texts", "FT-search"] and names != before
    # a block moves as one: the interval and the paper's figure stay below ours
    second = desk.locator("#table2 tbody").nth(2).locator("tr")
    assert [second.nth(i).locator("td").nth(1).inner_text() for i in range(3)] == [
        "ours",
        "95 %",
        "paper",
    ]
    desk.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(desk, "table2", 0)[0] == "unconditional"
    button.click()
    assert head.get_attribute("aria-sort") is None and column(desk, "table2", 0) == before
    # less is better: the lowest first
    desk.locator("#table2 thead tr:last-child button").nth(2).click()
    assert column(desk, "table2", 0)[0] == "FT-search"
    assert desk.locator("#table2 th[aria-sort]").count() == 1


def test_what_is_shown_can_be_had_as_csv(desk: Page, tmp_path: Path) -> None:
    desk.locator("#table2 thead tr:last-child button").nth(1).click()
    with desk.expect_download() as waited:
        desk.locator("#table2 .csv").click()
    assert waited.value.suggested_filename == "demo-table2.csv"
    rows = _saved(waited.value, tmp_path)
    assert rows[0][:4] == ["method", "", "Semantic Content: ctrl ↑", "Semantic Content: lm ↓"]
    assert rows[1][:3] == ["human text", "ours", "84.6"] and rows[2][0] == "human text"
    # what stands below a name is no name
    assert "trained on it" in desk.locator("#table2").inner_text()
    assert {row[0] for row in rows if row[1] == "95 %"} >= {"FT-sample", "FT-search", "FUDGE"}
    desk.locator("#task").select_option("length")
    desk.locator("#query").fill("7 words")
    with desk.expect_download() as waited:
        desk.locator("#save").click()
    head, *rows = _saved(waited.value, tmp_path)
    assert head == ["task", "target", "control", "method", "index", "text", "score, percent"]
    assert rows and all(row[2].endswith("7 words") for row in rows)
    assert {row[3] for row in rows} == {"Diffusion-LM", "FUDGE"}


def _saved(download: Any, folder: Path) -> list[list[str]]:
    download.save_as(folder / "saved.csv")
    with (folder / "saved.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_the_choice_of_light_or_dark_is_remembered(desk: Page) -> None:
    def ground() -> str:
        return str(desk.evaluate("getComputedStyle(document.body).backgroundColor"))

    toggle = desk.get_by_role("button", name="Dark mode")
    assert toggle.get_attribute("aria-pressed") == "false" and ground() == "rgb(246, 247, 249)"
    toggle.press("Enter")
    assert toggle.get_attribute("aria-pressed") == "true" and ground() == "rgb(15, 18, 23)"
    desk.reload()
    assert ground() == "rgb(15, 18, 23)" and toggle.get_attribute("aria-pressed") == "true"
    toggle.click()
    assert ground() == "rgb(246, 247, 249)"


def test_a_link_opens_its_sample(desk: Page, site: dict[str, str]) -> None:
    asked = "#task=length&method=fudge&target=valid-00826-11&index=1"
    desk.goto(site["report"] + asked)
    here = desk.locator(".sample.here")
    assert here.get_attribute("data-index") == "1" and here.get_attribute("data-method") == "fudge"
    assert desk.locator(".pair", has=here).get_attribute("data-target") == "valid-00826-11"
    assert desk.locator("#task").input_value() == "length"
    assert desk.evaluate("document.activeElement.className") == "anchor"
    assert desk.evaluate("document.activeElement.getAttribute('href')") == asked
    box = "one.getBoundingClientRect()"
    seen = f"(one) => {box}.top >= 0 && {box}.bottom <= innerHeight"
    desk.wait_for_function(seen, arg=here.element_handle())
    # another link on the same page, and one to what the page does not hold
    desk.evaluate("location.hash = 'task=length&method=diffusion_lm&target=valid-00493-7&index=0'")
    desk.wait_for_function("document.querySelector('.here').dataset.method === 'diffusion_lm'")
    desk.evaluate("location.hash = 'task=length&method=fudge&target=nowhere&index=3'")
    desk.wait_for_function("document.getElementById('found').textContent.includes('nowhere')")
    assert "does not hold sample 3 of fudge" in desk.locator("#found").inner_text()


def test_human_text_stands_beside_the_methods(desk: Page) -> None:
    desk.locator("#task").select_option("length")
    first = desk.locator(".pair").first
    assert "human text" in first.locator(".human").inner_text()
    desk.locator("#right").select_option("human")
    sample = desk.locator(".pair").first.locator(".side").nth(1).locator(".sample")
    assert sample.count() == 1 and "✓" in sample.inner_text()
    assert desk.locator(".human").count() == 0


def test_a_table_that_goes_on_shows_it(desk: Page) -> None:
    edges = desk.locator("#table2 .edges")
    assert (edges.get_attribute("class") or "").split() == ["edges", "after"]
    seen = "(one) => getComputedStyle(one, '::after').opacity === '1'"
    desk.wait_for_function(seen, arg=edges.element_handle())
    edges.locator(".scroll").focus()
    edges.locator(".scroll").evaluate("(one) => { one.scrollLeft = one.scrollWidth; }")
    desk.wait_for_function("document.querySelector('#table2 .edges').className === 'edges before'")


def test_the_index_leads_to_the_pages(browser: Browser, site: dict[str, str]) -> None:
    page = browser.new_page(viewport={"width": PHONE, "height": 900})
    page.goto(site["index"])
    cards = page.locator(".set")
    assert cards.count() == 2
    assert "Diffusion-LM reaches the highest control" in cards.first.inner_text()
    page.locator("#sets button.sort").first.press("Enter")
    cards.first.get_by_role("link").click()
    assert page.url == site["report"]
    page.locator(".eyebrow a").click()
    assert page.url == site["index"]
    page.close()
