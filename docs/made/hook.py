"""The hook of mkdocs: pages that are made, or stand elsewhere in the repository."""

from __future__ import annotations

import re
import sys
from html import escape, unescape
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # mkdocs is started from anywhere and loads this file alone
    sys.path.insert(0, str(ROOT))

#: files of the repository's root -> pages
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
#: what ``control-bench report`` makes of the shipped set
REPORT = "report.html"
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")
PICTURE = re.compile(r"<picture>.*?</picture>", re.DOTALL)
HEAD_OR_TABLE = re.compile(
    r"<h[1-6][^>]*>(?P<head>.*?)(?:<a class=\"headerlink\".*?)?</h[1-6]>|<table>.*?</table>",
    re.DOTALL,
)
#: of the theme's search, which has no name
DIALOG = 'data-md-component="search" role="dialog"'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the reference, the pages of the root and the demo's report."""
    from docs.made.reference import pages
    from eval.reading.page.page import page as report
    from eval.reading.results import ResultSet
    from eval.report import ReportOptions

    made = pages()
    for name, page in ELSEWHERE.items():
        made[page] = moved((ROOT / name).read_text(encoding="utf-8"))
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    shown = ReportOptions()
    demo = report(ResultSet(ROOT / "results" / "demo"), None, shown.targets, shown.samples)
    files.append(File.generated(config, REPORT, content=demo))
    return files


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Tables scroll inside a box that the keyboard reaches, with the name of their section."""
    section = page.title or ""

    def boxed(match: re.Match[str]) -> str:
        nonlocal section
        if match["head"] is not None:
            section = unescape(re.sub(r"<[^>]+>", "", match["head"])).strip()
            return match[0]
        name = f'role="group" aria-label="Table: {escape(section)}"'
        return f'<div class="scroll" tabindex="0" {name}>{match[0]}</div>'

    return HEAD_OR_TABLE.sub(boxed, html)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    return output.replace(DIALOG, f'{DIALOG} aria-label="Search"')


def moved(text: str) -> str:
    """A page of the repository's root as one of docs/: links start there, what is no page is no
    link, and the picture follows the site's own switch of light and dark."""

    def link(match: re.Match[str]) -> str:
        path, anchor = match[1], match[2] or ""
        if path in ELSEWHERE:
            return f"]({ELSEWHERE[path]}{anchor})"
        return f"]({path.removeprefix('docs/')}{anchor})"

    return LINK.sub(link, PICTURE.sub(_both, text))


def _both(match: re.Match[str]) -> str:
    words = re.search(r'alt="([^"]*)"', match[0])
    assert words is not None
    return "\n".join(
        f"![{words[1]}](img/denoising-{look}.svg#only-{look})" for look in ("light", "dark")
    )
