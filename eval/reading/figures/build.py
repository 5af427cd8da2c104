"""Every figure of a result set, and its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from eval.reading.figures.ablation import ABLATIONS
from eval.reading.figures.embedding import EMBEDDINGS
from eval.reading.figures.frontiers import FRONTIERS
from eval.reading.figures.schedules import SCHEDULES
from eval.reading.figures.style import Missing, Plot, looks, render, write_bytes
from eval.reading.figures.tradeoff import PARETO, SECONDS, STEPS
from eval.reading.figures.training import NOISE, TRAINING
from eval.reading.figures.trajectory import DENOISING, animation
from eval.reading.figures.tuned import TUNED
from eval.reading.results import ResultSet

#: in the paper's order, then those that it does not have
PLOTS = (
    DENOISING,
    EMBEDDINGS,
    ABLATIONS,
    SCHEDULES,
    PARETO,
    FRONTIERS,
    STEPS,
    SECONDS,
    TUNED,
    NOISE,
    TRAINING,
)


def write_figures(results: ResultSet, folder: Path) -> list[tuple[Plot, str]]:
    """Writes each figure as PDF and PNG, and the trajectory as GIF too; gives each with the reason
    why it could not be drawn, empty where it was. A file of a figure that can no longer be drawn
    is removed. Nothing is written before everything has been drawn."""
    drawn, files = list[tuple[Plot, str]](), dict[Path, bytes | None]()
    with looks():
        for plot in PLOTS:
            places = {kind: folder / f"{plot.name}.{kind}" for kind in ("pdf", "png")}
            if plot is DENOISING:
                places["gif"] = folder / f"{plot.name}.gif"
            try:
                figure = plot.draw(results)
            except Missing as missing:
                files |= dict.fromkeys(places.values())
                drawn.append((plot, str(missing)))
                continue
            for kind, path in places.items():
                files[path] = animation(results) if kind == "gif" else render(figure, kind)
            drawn.append((plot, ""))
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        if data is None:
            path.unlink(missing_ok=True)
        else:
            write_bytes(path, data)
    return drawn


def svg_figures(results: ResultSet) -> Iterator[tuple[Plot, str, str]]:
    """(figure, its SVG or nothing, why there is none)."""
    with looks():
        for plot in PLOTS:
            try:
                yield plot, render(plot.draw(results), "svg").decode("utf-8"), ""
            except Missing as missing:
                yield plot, "", str(missing)
