"""The page of a result set: data, tables and figures in one template."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.compare import compare
from eval.reading.figures.build import svg_figures
from eval.reading.figures.style import Missing
from eval.reading.figures.trajectory import DENOISING, load, positions
from eval.reading.finding import finding
from eval.reading.names import reference
from eval.reading.page.data import embedded, glance, provenance, samples
from eval.reading.page.overview import described, overview
from eval.reading.page.svg import inline, width
from eval.reading.results import ResultSet
from eval.reading.tables.build import all_tables
from eval.reading.tables.grid import Grid, html_table
from eval.running.scoring import HUMAN
from tasks.common.files import json_text
from tasks.controls import from_json

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).parent
#: in the order in which a page runs them
SCRIPTS = ("common.js", "tables.js", "pareto.js", "tree.js", "samples.js", "player.js")
#: targets that the tables of samples show
EXAMPLES = 6
#: entries of a table's records that were measured here
MEASURED = ("ours", "nats", "seconds")
#: points; a figure drawn wider than this gets the page's whole width
HALF = 500


def page(
    results: ResultSet,
    against: ResultSet | None,
    targets: int,
    each: int,
    data: Path | None = None,
    home: str | None = None,
) -> str:
    """The page's HTML; ``targets`` and ``each``: how much the sample browser holds; ``data``: the
    corpus's folder, for human texts (see :func:`eval.reading.page.human.human_texts`, which says
    what is raised); ``home``: the address of an index of sets."""
    browser = samples(results, targets, each, data)
    methods = {m for task in browser.values() for m in task["methods"]}
    tables = [table(grid, results.name) for grid in all_tables(results, EXAMPLES)]
    found = finding(results)
    views = overview(results, found)
    return template("page.html").render(
        name=results.name,
        home=home,
        folder=str(results.folder),
        finding=found.sentence,
        details=found.details,
        overview=views,
        overview_text=described(views[0]) if views else "",
        parts=any("+" in task for task in results.tasks),
        people=any(HUMAN in task["methods"] for task in browser.values()),
        settings=results.settings,
        settings_text=json_text(results.settings, indent=1),
        command=results.run.get("command", ""),
        tasks=[task["name"] for task in browser.values()],
        glance=glance(results),
        numbers=[t for t in tables if not t["long"] and t["filled"]],
        empty=[t for t in tables if not t["long"] and not t["filled"]],
        examples=[t for t in tables if t["long"]],
        figures=_figures(results),
        comparison=table(compare(against, results), results.name) if against else None,
        provenance=provenance(results),
        style=text("style.css"),
        script=script(SCRIPTS),
        data=embedded(
            {
                "tasks": browser,
                "methods": {m: results.method_name(m) for m in sorted(methods)},
                "reference": reference().name,
                "overview": [{**view, "text": described(view)} for view in views],
                "trajectory": _trajectory(results),
            }
        ),
    )


def template(name: str) -> Template:
    """A template of this folder."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def text(name: str) -> str:
    """A file of this folder."""
    return (HERE / name).read_text(encoding="utf-8")


def script(names: Sequence[str]) -> str:
    """Several files as one script."""
    return "\n".join(map(text, names))


def table(grid: Grid, owner: str) -> dict[str, Any]:
    """A table as the template has it; ``owner`` begins the name of its CSV file."""
    title, _, rest = grid.title.partition(": ")
    return {
        "id": grid.name.replace("+", "-"),
        "file": f"{owner}-{grid.name}",
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
                "svg": inline(svg, f"f{number}", f"{plot.title}. {plot.caption}"),
                "missing": reason,
                "player": "yes" if plot is DENOISING and svg else "",
                "wide": "yes" if width(svg) > HALF else "",
            }
        )
    return shown


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
