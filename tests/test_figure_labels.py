"""Labels of figures cover no other label, no point and not the frame; human text is a point."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.text import Annotation, Text
from stored import ROOT

from baselines import METHODS
from eval.reading.figures.labels import annotate
from eval.reading.figures.style import (
    BLACK,
    COLOURS,
    MARKERS,
    Plot,
    axes,
    looks,
    numbers,
    series,
)
from eval.reading.figures.tradeoff import PARETO, STEPS, pareto, seconds
from eval.reading.figures.training import TRAINING
from eval.reading.results import ResultSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox


def extents(figure: Figure, axis: Axes) -> list[Bbox]:
    """Of the labels' letters, in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    notes = [child for child in axis.get_children() if isinstance(child, Annotation)]
    for note in notes:
        note.update_positions(renderer)
    # without the line that leads to a point
    return [Text.get_window_extent(note, renderer) for note in notes]


@pytest.fixture(scope="module")
def demo() -> ResultSet:
    return ResultSet(ROOT / "results" / "demo")


@pytest.mark.parametrize("plot", [PARETO, STEPS], ids=lambda plot: plot.name)
def test_no_label_of_the_demo_covers_another(demo: ResultSet, plot: object) -> None:
    with looks():
        figure = (PARETO if plot is PARETO else STEPS).draw(demo)
        found = {axis.get_title(loc="left"): extents(figure, axis) for axis in figure.axes}
    # the seven settings of a sweep in either
    assert plot is STEPS or len(found["Length"]) == len(found["Syntax Spans"]) == 7
    assert sum(map(len, found.values())) >= 12
    for title, boxes in found.items():
        assert not [1 for a, b in combinations(boxes, 2) if a.overlaps(b)], title


def test_crowded_points_keep_apart_or_lose_their_label() -> None:
    rng = np.random.default_rng(0)
    spots = [(0.5 + x / 20, 0.5 + y / 20) for x, y in rng.random((40, 2))]
    with looks():
        figure, (axis,) = axes()
        axis.plot(*zip(*spots, strict=True), "o")
        axis.set(xlim=(0, 1), ylim=(0, 1))
        annotate(figure, {axis: [(x, y, "3.14") for x, y in spots]}, {})
        boxes = extents(figure, axis)
    assert 5 < len(boxes) <= len(spots)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(axis.bbox.y0 < box.y0 and box.y1 < axis.bbox.y1 for box in boxes)


def test_human_text_stands_in_every_panel(demo: ResultSet) -> None:
    with looks():
        figure = PARETO.draw(demo)
    for axis in (one for one in figure.axes if one.get_visible()):
        (star,) = [line for line in axis.lines if line.get_marker() == "*"]
        assert star.get_label() == "human text"
        assert float(star.get_xdata()[0]) == pytest.approx(3.599, abs=1e-3)  # type: ignore[index,arg-type]
    (legend,) = figure.legends
    # behind all methods, before what the markers' filling says
    said = [text.get_text() for text in legend.get_texts()]
    assert said[-2:] == ["human text", "trained on the control"]


def test_markers_say_who_was_trained_on_the_control_and_who_knows_the_rule() -> None:
    results = ResultSet(ROOT / "results" / "demo-steering")
    with looks():
        figures = [PARETO.draw(results), seconds(results)]
    fills: dict[str, set[str]] = {}
    for axis in (axis for figure in figures for axis in figure.axes):
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            line = handle[0] if isinstance(handle, tuple) else handle
            white = line.get_markerfacecolor() == "white"
            fills.setdefault(name, set()).add("hollow" if white else line.get_fillstyle())
    assert fills["FT-sample"] == fills["GeDi"] == fills["NADO"] == {"hollow"}
    assert fills["Ctrl-G"] == fills["Rejection"] == {"left"}
    assert fills["FUDGE"] == fills["Diffusion-LM"] == {"full"}
    for figure in figures:
        (legend,) = figure.legends
        said = [text.get_text() for text in legend.get_texts()]
        assert said[-2:] == ["trained on the control", "knows the rule"]


def test_no_two_methods_of_a_set_look_alike() -> None:
    """Nor like human text, a black star; and a method with a colour of its own keeps it."""
    cards = [METHODS.card(name) for name in METHODS]
    drawn = [series(number) for number in numbers(cards)]
    pairs = [(one["color"], one["marker"]) for one in drawn]
    assert len(set(pairs)) == len(cards) > 16 and (BLACK, "*") not in pairs
    for card, pair in zip(cards, pairs, strict=True):
        if card.colour is not None:
            assert pair == (COLOURS[card.colour], MARKERS[card.colour])


def test_a_method_looks_alike_in_all_figures_of_a_set() -> None:
    results = ResultSet(ROOT / "results" / "small-e2e")
    figures = [pareto(results), seconds(results)]
    found: dict[str, set[str]] = {}
    for axis in (axis for figure in figures for axis in figure.axes):
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            line = handle[0] if isinstance(handle, tuple) else handle
            found.setdefault(name, set()).add(str(line.get_color()))
    assert len(found) > 8 and all(len(colours) == 1 for colours in found.values())


@pytest.mark.parametrize(
    ("name", "plot"),
    [("demo", PARETO), ("demo-steering", PARETO), ("small-e2e", PARETO), ("demo", TRAINING),
     ("small-e2e", TRAINING)],
    ids=lambda one: getattr(one, "name", one),
)  # fmt: skip
def test_legends_and_titles_are_no_wider_than_their_figure(name: str, plot: Plot) -> None:
    figure = plot.draw(ResultSet(ROOT / "results" / name))
    figure.canvas.draw()
    titles = [axis.title for axis in figure.axes if axis.get_visible()]
    titles += [axis._left_title for axis in figure.axes if axis.get_visible()]  # type: ignore[attr-defined]
    for one in (*figure.legends, *titles):
        box = one.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width
