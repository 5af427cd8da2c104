"""The page: data, tables and figures in one template."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Any

from eval.compare import compare
from eval.reading.figures.build import svg_figures
from eval.reading.figures.style import Missing
from eval.reading.figures.trajectory import DENOISING, load, positions
from eval.reading.names import reference
from eval.reading.page.data import embedded, glance, provenance, samples
from eval.reading.results import ResultSet
from eval.reading.tables.build import all_tables
from eval.reading.tables.grid import Grid, html_table
from tasks.common.files import json_text
from tasks.controls import from_json

HERE = Path(__file__).parent
#: targets that the tables of samples show
EXAMPLES = 6
#: entries of a table's records that were measured here
MEASURED = ("ours", "nats", "seconds")
#: points; a figure drawn wider than this gets the page's whole width
HALF = 500


def page(results: ResultSet, against: ResultSet | None, targets: int, each: int) -> str:
    """The page's HTML; ``targets`` and ``each``: how much the sample browser holds."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    browser = samples(results, targets, each)
    methods = {m for task in browser.values() for m in task["methods"]}
    tables = [_table(grid) for grid in all_tables(results, EXAMPLES)]
    return environment.get_template("page.html").render(
        name=results.name,
        folder=str(results.folder),
        settings=results.settings,
        settings_text=json_text(results.settings, indent=1),
        command=results.run.get("command", ""),
        tasks=[task["name"] for task in browser.values()],
        glance=glance(results),
        numbers=[t for t in tables if not t["long"] and t["filled"]],
        empty=[t for t in tables if not t["long"] and not t["filled"]],
        examples=[t for t in tables if t["long"]],
        figures=_figures(results),
        comparison=_table(compare(against, results)) if against else None,
        provenance=provenance(results),
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        script=(HERE / "script.js").read_text(encoding="utf-8"),
        data=embedded(
            {
                "tasks": browser,
                "methods": {m: results.method_name(m) for m in sorted(methods)},
                "reference": reference().name,
                "trajectory": _trajectory(results),
            }
        ),
    )


def _table(grid: Grid) -> dict[str, Any]:
    title, _, rest = grid.title.partition(": ")
    return {
        "id": grid.name.replace("+", "-"),
        "title": grid.title,
        "short": title if rest else grid.title,
        "html": html_table(grid),
        "notes": grid.notes,
        "long": grid.long,
        "filled": any(r.get(key) not in (None, "") for r in grid.records for key in MEASURED),
    }


def _figures(results: ResultSet) -> list[dict[str, str]]:
    shown = []
    for number, (plot, svg, reason) in zip(count(), svg_figures(results), strict=False):
        shown.append(
            {
                "id": plot.name,
                "title": plot.title,
                "caption": plot.caption,
                "svg": _inline(svg, f"f{number}"),
                "missing": reason,
                "player": "yes" if plot is DENOISING and svg else "",
                "wide": "yes" if _width(svg) > HALF else "",
            }
        )
    return shown


def _width(svg: str) -> float:
    """How wide the figure was drawn, in points; 0 where there is none."""
    drawn = re.search(r'viewBox="\S+ \S+ (\S+) ', svg)
    return float(drawn[1]) if drawn else 0.0


def _inline(svg: str, prefix: str) -> str:
    """An SVG to stand in a page among others: no prologue, ids of its own, as wide as its place."""
    if not svg:
        return ""
    body = svg[svg.index("<svg") :]
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'(href="|url\()#', rf"\1#{prefix}-", body)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    head, tail = body.split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    return f'{head} role="img">{tail}'


def _trajectory(results: ResultSet) -> dict[str, Any] | None:
    try:
        stored = load(results)
    except Missing:
        return None
    shown = positions(stored)
    return {
        "control": from_json(stored["control"]).brief(),
        "frames": [[f["t"], f["std"], f["words"][:shown]] for f in stored["frames"]],
    }
