"""Labels beside the points of an axis, where none covers another, a point or the frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from eval.reading.figures.style import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: x and y in the axis's data, and the text
Label = tuple[float, float, str]
#: left, low, right, high in points
Box = tuple[float, float, float, float]

SIZE = 6.5
#: points; how far from its point a label may stand. From :data:`LINE` on a line leads to it
DISTANCES = (4.0, 10.0, 17.0, 25.0, 34.0, 44.0)
LINE = 10.0
#: directions, the most readable first
AROUND = [math.radians(a) for a in (35, -35, 90, -90, 145, -145, 0, 180, 60, -60, 120, -120)]
#: points; half the side of a marker
MARKER = 3.5
#: points that labels keep from each other and from the frame
AIR = 1.0


def annotate(
    figure: Figure,
    labels: Mapping[Axes, Sequence[Label]],
    others: Mapping[Axes, Sequence[tuple[float, float]]],
) -> None:
    """Writes the labels beside their points; one for which there is no room is left out.
    ``others``: points without a label, which none may cover either."""
    figure.draw_without_rendering()  # settles where the axes are
    for axis, named in labels.items():
        bare = others.get(axis, ())
        for (x, y, text), offset in zip(named, _offsets(axis, named, bare), strict=True):
            if offset is None:
                continue
            far = math.hypot(*offset) > LINE + 2 * SIZE
            axis.annotate(
                text,
                (x, y),
                xytext=offset,
                textcoords="offset points",
                fontsize=SIZE,
                color=GREY,
                va="bottom",
                arrowprops=_leader() if far else None,
            )


def _leader() -> dict[str, object]:
    return {"arrowstyle": "-", "color": GREY, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 3}


def _offsets(
    axis: Axes, labels: Sequence[Label], others: Sequence[tuple[float, float]]
) -> list[tuple[float, float] | None]:
    """Of each label's lower left corner from its point, in points; None where no place is free."""
    unit = axis.figure.dpi / 72

    def at(x: float, y: float) -> tuple[float, float]:
        left, low = axis.transData.transform((x, y)) / unit
        return float(left), float(low)

    places = [at(x, y) for x, y, _ in labels]
    taken = [_around(*place) for place in [*places, *(at(*point) for point in others)]]
    frame = tuple(side / unit for side in axis.bbox.extents)
    chosen = list[tuple[float, float] | None]()
    for (left, low), (_, _, text) in zip(places, labels, strict=True):
        found = None
        for distance, angle in product(DISTANCES, AROUND):
            dx, dy, box = _box(left, low, _size(text), distance, angle)
            if _inside(box, frame) and not any(overlap(box, other) for other in taken):
                found = dx, dy
                taken.append(box)
                break
        chosen.append(found)
    return chosen


def _around(x: float, y: float) -> Box:
    return x - MARKER, y - MARKER, x + MARKER, y + MARKER


def _box(
    left: float, low: float, size: tuple[float, float], distance: float, angle: float
) -> tuple[float, float, Box]:
    """Offset and box of a label whose nearest side stands at ``distance`` from its point."""
    wide, high = size
    dx = (distance + wide / 2) * math.cos(angle) - wide / 2
    dy = (distance + high / 2) * math.sin(angle) - high / 2
    return dx, dy, (left + dx, low + dy, left + dx + wide, low + dy + high)


@lru_cache(maxsize=1024)
def _size(text: str) -> tuple[float, float]:
    """Width and height in points; every line is as high as one with the tallest letters. Letters
    that are set for a screen are a little wider than their outlines."""
    from matplotlib.textpath import TextPath

    outline = TextPath((0, 0), text or " ", size=SIZE).get_extents().width
    return float(outline) + 1.5, 1.2 * SIZE


def overlap(a: Box, b: Sequence[float]) -> bool:
    """Whether two boxes come nearer than :data:`AIR`."""
    return min(a[2], b[2]) - max(a[0], b[0]) > -AIR and min(a[3], b[3]) - max(a[1], b[1]) > -AIR


def _inside(box: Box, frame: Sequence[float]) -> bool:
    return (
        box[0] > frame[0] + AIR
        and box[1] > frame[1] + AIR
        and box[2] < frame[2] - AIR
        and box[3] < frame[3] - AIR
    )
