"""Figures as they stand in a page: among others, named, and in its colours, light or dark."""

from __future__ import annotations

import html
import re

from eval.reading.figures.style import COLOURS, GREY, RC
from eval.reading.figures.trajectory import PALE

#: a colour of the figures -> what it is in the page (``style.css``)
_NAMED = {
    RC["axes.labelcolor"]: "currentColor",
    RC["xtick.color"]: "var(--soft)",
    RC["grid.color"]: "var(--line)",
    RC["axes.edgecolor"]: "var(--edge)",
    GREY: "var(--soft)",
    PALE: "var(--faint)",
    "#ffffff": "none",
    "#000000": "currentColor",
} | {colour: f"var(--c{i})" for i, colour in enumerate(COLOURS) if colour != "#000000"}
_PAGE = {colour.lower(): name for colour, name in _NAMED.items()}


def width(svg: str) -> float:
    """How wide the figure was drawn, in points; 0 where there is none."""
    drawn = re.search(r'viewBox="\S+ \S+ (\S+) ', svg)
    return float(drawn[1]) if drawn else 0.0


def inline(svg: str, prefix: str, label: str) -> str:
    """No prologue, ids of its own, as wide as its place; ``label``: what it shows, for who does not
    see it."""
    if not svg:
        return ""
    body = svg[svg.index("<svg") :]
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'(href="|url\()#', rf"\1#{prefix}-", body)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r": (#[0-9a-f]{6})\b", lambda found: ": " + _PAGE.get(found[1], found[1]), body)
    head, tail = body.split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{html.escape(label)}">{tail}'
