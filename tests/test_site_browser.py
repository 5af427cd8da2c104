"""The documentation's site in a browser: accessible, quiet, and no wider than the screen."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import DESK, PHONE, Noise, chromium, grave

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGES = ("start", "compare", "reference/methods", "evidence")


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def address(browser: Browser, site: Path) -> Iterator[str]:
    """Where the site is served: its search is a worker, which no page of a file may start."""
    handler = functools.partial(_Silent, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_accessible_quiet_and_as_wide_as_the_screen(
    browser: Browser, address: str, name: str, width: int, scheme: Any
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    noise = Noise(page, within=(address,))
    page.goto(f"{address}{name}.html", wait_until="networkidle")
    palette = page.evaluate("document.body.dataset.mdColorScheme")
    assert palette == {"light": "default", "dark": "slate"}[scheme]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert grave(page) == []
    assert noise.heard == []
    page.close()


def test_the_search_finds_a_key(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": DESK, "height": 900})
    noise = Noise(page, within=(address,))
    page.goto(f"{address}start.html")
    page.locator("input.md-search__input").fill("stop_after")
    found = page.locator("a.md-search-result__link")
    found.first.wait_for()
    assert any(
        "reference/keys" in (found.nth(i).get_attribute("href") or "") for i in range(found.count())
    )
    assert noise.heard == []
    page.close()
