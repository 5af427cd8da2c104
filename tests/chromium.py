"""A headless Chromium for tests of pages, and axe-core, which judges how accessible they are."""

from __future__ import annotations

import importlib.resources
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: findings of axe-core that a page must not have
GRAVE = ("serious", "critical")
#: widths in CSS pixels
PHONE, DESK = 390, 1400


@contextmanager
def chromium() -> Iterator[Browser]:
    """Skips the test where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip install)")
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"needs one of {', '.join(NAMES)} on the PATH (apt-get install chromium)")
    with api.sync_playwright() as playwright:
        # as root Chromium has no sandbox to start
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Noise:
    """What a page says on its console, what it asks for in vain, and whatever it fetches from
    elsewhere than ``within``, the beginning of the addresses that are its own."""

    def __init__(self, page: Page, within: tuple[str, ...] = ()) -> None:
        self.heard: list[str] = []
        own = ("data:", "blob:", *within)
        page.on("console", lambda one: self.heard.append(one.text))
        page.on("pageerror", lambda one: self.heard.append(str(one)))
        page.on("request", lambda one: None if _own(one, own) else self.heard.append(one.url))
        page.on("requestfailed", lambda one: self.heard.append(f"failed: {one.url}"))


def _own(request: Any, own: tuple[str, ...]) -> bool:
    return bool(request.is_navigation_request()) or request.url.startswith(own)


def grave(page: Page) -> list[str]:
    """What axe-core finds serious or critical: rule, and the first elements."""
    pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    axe = importlib.resources.files("axe_playwright_python") / "axe.min.js"
    page.evaluate(axe.read_text(encoding="utf-8"))
    # of a picture its name counts; the thousands of lines in it would be looked at one by one
    page.evaluate(
        "document.querySelectorAll('svg[role=img]').forEach((one) => one.replaceChildren())"
    )
    found: list[dict[str, Any]] = page.evaluate("axe.run().then((done) => done.violations)")
    return [
        f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in GRAVE
    ]
