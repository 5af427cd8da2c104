"""The hook of mkdocs: pages that are made, or stand elsewhere in the repository."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # mkdocs is started from anywhere and loads this file alone
    sys.path.insert(0, str(ROOT))

#: files of the repository's root -> pages
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")
PICTURE = re.compile(r"<picture>.*?</picture>", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the reference and the pages of the root."""
    from docs.made.reference import pages

    made = pages()
    for name, page in ELSEWHERE.items():
        made[page] = moved((ROOT / name).read_text(encoding="utf-8"))
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


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
