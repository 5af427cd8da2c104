"""Fenced blocks of README.md and docs/, and what a comment above each says of how it is run.

``<!-- run: slow -->``: every command is read by the real parser, and not executed.
``<!-- run: install -->``: the extras that it installs are looked up.
``<!-- run: from results/SET -->``: executed where the default result folder already holds that set.
Without a comment a block is executed. A block whose first line is ``# NAME`` or that has
``title="NAME"`` is a file, and a ``text`` block is the output of the one above, cut at ``...``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
FENCE = re.compile(
    r"(?:<!-- run: (?P<mark>[^>]*?) -->\s+)?^```(?P<head>[^\n`]*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
NAMED = re.compile(r"# ([\w.-]+\.\w+)\n")
INLINE = re.compile(r"`control-bench ([a-z-]+)")


@dataclass(frozen=True)
class Block:
    """``language``, ``name`` of the file that it is (or empty), ``mark`` of its comment."""

    page: str
    line: int
    language: str
    name: str
    mark: str
    text: str

    def commands(self) -> Iterator[str]:
        """Its lines of shell, joined where they go on."""
        for line in self.text.replace("\\\n", " ").splitlines():
            if line.strip():
                yield line.strip()


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        language, _, title = match["head"].partition(" ")
        named = NAMED.match(match["text"])
        name = title.removeprefix('title="').removesuffix('"') or (named[1] if named else "")
        line = text[: match.start("head")].count("\n") + 1
        found.append(Block(page.name, line, language, name, match["mark"] or "", match["text"]))
    return found
