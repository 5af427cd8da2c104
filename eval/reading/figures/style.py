"""How every figure looks, and how it is written so that the same data gives the same bytes.

Colours are those of Okabe and Ito (2008), which colour-blind readers tell apart; methods differ by
marker and line as well, so that figures read in black and white.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eval.reading.names import palette
from eval.reading.results import ResultSet
from tasks.common.shown import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from models.base import Card

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#6B7280"
#: yellow is left for last: thin lines in it vanish on white paper
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE, BLACK, YELLOW)
#: those of the colours, then more for where both come again; report pages know them by number
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", ">", "<", "h")
#: so many series differ in colour or marker
LOOKS = len(COLOURS) * (len(MARKERS) - 1)
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))

WIDTH = 6.4  # inches, the text width of a page
RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E5E7EB",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.edgecolor": "#9CA3AF",
    "axes.linewidth": 0.8,
    "xtick.color": "#374151",
    "ytick.color": "#374151",
    "axes.labelcolor": "#111827",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "savefig.dpi": 160,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    # ids in an SVG are random without it
    "svg.hashsalt": "control-bench",
}


class Missing(Exception):
    """What a figure would be drawn from is not there; the message names the command that makes
    it."""


@dataclass(frozen=True)
class Plot:
    """One figure. ``draw`` raises :class:`Missing` where the set lacks its data."""

    name: str
    title: str
    caption: str
    draw: Callable[[ResultSet], Figure]


@contextmanager
def looks() -> Iterator[None]:
    """Everything drawn inside has this project's look, whatever the user's matplotlib settings."""
    import matplotlib

    matplotlib.use("Agg")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def axes(
    columns: int = 1,
    rows: int = 1,
    height: float = 2.6,
    width: float = WIDTH,
    layout: Literal["constrained"] | None = "constrained",
) -> tuple[Figure, list[Axes]]:
    """A figure with ``rows`` x ``columns`` axes, each ``height`` inches tall."""
    from matplotlib.figure import Figure as NewFigure

    figure = NewFigure(figsize=(width, height * rows), layout=layout)
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, list(grid.ravel())


def plain(axis: Axis) -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5 times powers of ten, beyond two and a half decades
    at powers of ten alone, as plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    class Ticks(LogLocator):
        def tick_values(self, vmin: float, vmax: float) -> Any:
            low, high = sorted((vmin, vmax))
            self.set_params(subs=(1,) if low > 0 and high / low > 10**2.5 else (1, 2, 5))
            return super().tick_values(vmin, vmax)

    axis.set_major_locator(Ticks(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def series(i: int) -> dict[str, Any]:
    """Colour, marker and line of the ``i``-th series of an axis: where colours come again, they
    have other markers and lines."""
    turn, at = divmod(i % LOOKS, len(COLOURS))
    # the star of the last colour is that of human text, too
    shapes = len(COLOURS) - 1
    other = at if turn == 0 else (at + turn) % shapes if turn < shapes else turn + 1
    return {
        "color": COLOURS[at],
        "marker": MARKERS[other],
        "linestyle": LINES[other % len(LINES)],
    }


def numbers(methods: Sequence[Card]) -> list[int]:
    """The series of each of these methods: that of its card, the same in every figure; of one that
    has none the first of a colour that fewest of the others have, and that no card takes."""
    taken = [method.colour for method in methods if method.colour is not None]
    free = range(palette(), max(LOOKS, palette() + len(methods)))

    def crowded(number: int) -> tuple[bool, int, int]:
        colour = number % len(COLOURS)
        return COLOURS[colour] == YELLOW, sum(one % len(COLOURS) == colour for one in taken), number

    found = []
    for method in methods:
        number = method.colour
        if number is None:
            number = min((one for one in free if one not in taken), key=crowded)
            taken.append(number)
        found.append(number)
    return found


def literal(text: str) -> str:
    """A text of the user's, or from a file, as a figure shows it: matplotlib would set what stands
    between two dollars as mathematics, and stop at a mistake in it."""
    return visible(text, keep="\n").replace("$", r"\$")


def arms(figures: Sequence[tuple[float, float, float]]) -> list[list[float]]:
    """The arms of error bars, below and above, of (value, low, high): a skewed bootstrap may leave
    the value outside its interval, and an arm has no length below zero."""
    lengths = [(max(0.0, value - low), max(0.0, high - value)) for value, low, high in figures]
    return [[low for low, _ in lengths], [high for _, high in lengths]]


def render(figure: Figure, kind: str) -> bytes:
    """The figure as ``pdf``, ``png`` or ``svg``, without dates or versions in it."""
    nothing: dict[str, dict[str, None]] = {
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
    }
    out = io.BytesIO()
    figure.savefig(out, format=kind, metadata=nothing[kind])
    return out.getvalue()


def write_bytes(path: Path, data: bytes) -> None:
    """Writes beside ``path`` and renames."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def below(figure: Figure, handles: Mapping[str, Any], columns: int) -> None:
    """A legend below the panels, name -> handle, in at most so many columns: as many as are no
    wider than the figure."""
    for count in range(columns, 0, -1):
        made = figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=count
        )
        if count == 1 or made.get_window_extent().width <= figure.bbox.width:
            return
        made.remove()
