"""Figure 1: one denoising trajectory from noise to text, as a picture and as an animation."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.reading.figures.style import BLUE, GREY, Missing, Plot, axes, literal
from eval.reading.marks import NEWLINE
from eval.reading.results import ResultSet
from eval.reading.schema import Trajectory, control_of
from tasks.common.schema import read_json
from tasks.common.shown import visible
from tasks.controls import from_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

TRAJECTORY = "trajectory.json"
#: rows of the picture
ROWS = 12
#: positions of one line
PER_LINE = 16
#: letters of a word that are shown
LONGEST = 14
PALE = "#B6BCC6"
#: dots an inch of the animation
DPI = 110
#: milliseconds of a frame, and of the last one
FRAME, LAST = 110, 2500


def load(results: ResultSet) -> dict[str, Any]:
    path = results.folder / TRAJECTORY
    if not path.exists():
        raise Missing(f"python -m eval.trajectory run={results.folder} stores one")
    stored: dict[str, Any] = read_json(path, Trajectory)
    control_of(path, stored)
    return stored


def positions(stored: Mapping[str, Any]) -> int:
    """Positions up to the end of the longest text: the padding behind it is not shown, which those
    have alone whose frames have as many words."""
    texts = [frame["words"] for frame in stored["frames"]]
    final = texts[-1]
    if any(len(text) != len(final) for text in texts):
        return max(map(len, texts))
    kept = [i for i, word in enumerate(final) if word != "PAD"]
    return max(kept, default=0) + 1


def settled(words: Sequence[str], final: Sequence[str]) -> list[bool]:
    """Of each word whether it is there in the end: at its position, or where texts have different
    lengths in a row that both have."""
    if len(words) == len(final):
        return [word == end for word, end in zip(words, final, strict=True)]
    rows = SequenceMatcher(None, words, final, autojunk=False).get_matching_blocks()
    found = {i for row in rows for i in range(row.a, row.a + row.size)}
    return [i in found for i in range(len(words))]


def draw(results: ResultSet) -> Figure:
    """Rows are steps, columns positions; a word is dark once it is the final one."""
    stored = load(results)
    frames, shown = stored["frames"], positions(stored)
    chosen = sorted({round(i) for i in np.linspace(0, len(frames) - 1, ROWS)})
    per_line = min(PER_LINE, shown)
    lines = -(-shown // per_line)
    height = 0.17 * len(chosen) * (lines + 0.35) + 0.5
    figure, (axis,) = axes(1, 1, height, 9.0)
    _blank(axis, per_line, len(chosen) * (lines + 0.35))
    final = frames[-1]["words"]
    for row, at in enumerate(chosen):
        frame = frames[at]
        top = row * (lines + 0.35)
        step = "text" if frame["t"] < 0 else f"t = {frame['t'] + 1}"
        axis.text(-0.15, top + 0.5, step, ha="right", va="center", fontsize=7, color=GREY)
        seen = zip(frame["words"][:shown], settled(frame["words"], final), strict=False)
        for i, (word, stays) in enumerate(seen):
            _word(axis, i % per_line, top + i // per_line, word, stays, 6.5)
    title = from_json(stored["control"]).brief()
    axis.set_title(literal(f"control: {title}"), fontsize=8, fontweight="normal")
    return figure


def animation(results: ResultSet) -> bytes:
    """The trajectory as a GIF that plays forever."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    stored = load(results)
    frames, shown = stored["frames"], positions(stored)
    per_line = min(8, shown)
    lines = -(-shown // per_line)
    final = frames[-1]["words"]
    figure, (axis,) = axes(1, 1, 0.3 * lines + 0.7, 6.4, layout=None)
    figure.set_dpi(DPI)
    # only words and their colours change from frame to frame: it is laid out once
    figure.subplots_adjust(0.01, 0.02, 0.99, 0.9)
    _blank(axis, per_line, lines)
    texts = [_word(axis, i % per_line, i // per_line, "", True, 9) for i in range(shown)]
    canvas, pictures = FigureCanvasAgg(figure), []
    for frame in frames:
        words = frame["words"]
        looks = [*zip(words, settled(words, final), strict=True)][:shown]
        looks += [("", True)] * (shown - len(looks))
        for text, (word, stays) in zip(texts, looks, strict=True):
            text.set(text=_shown(word), **_look(stays))
        step = "text" if frame["t"] < 0 else f"step {frame['t'] + 1}, noise {frame['std']:.2f}"
        axis.set_title(step, fontsize=9, fontweight="normal", color=GREY)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        pictures.append(picture.quantize(32, dither=Image.Dither.NONE))
    out = io.BytesIO()
    durations = [FRAME] * (len(pictures) - 1) + [LAST]
    pictures[0].save(
        out, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0
    )
    return out.getvalue()


def _blank(axis: Axes, width: float, height: float) -> None:
    axis.set(xlim=(-0.6, width), ylim=(height, 0), xticks=[], yticks=[])
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)


def _word(axis: Axes, x: float, y: float, word: str, stays: bool, size: float) -> Text:
    place: dict[str, Any] = {"ha": "center", "va": "center", "parse_math": False}
    return axis.text(x + 0.5, y + 0.5, _shown(word), fontsize=size, **place, **_look(stays))


def _shown(word: str) -> str:
    return NEWLINE if word == "\n" else visible(word)[:LONGEST]


def _look(stays: bool) -> dict[str, Any]:
    return {"color": BLUE, "weight": "bold"} if stays else {"color": PALE, "weight": "normal"}


DENOISING = Plot(
    "figure1-trajectory",
    "Figure 1: one denoising trajectory",
    "Each position's word from noise (top) to text (bottom), under guidance: of diffusion of "
    "latents the nearest to x_t, of diffusion of words itself, a mask as a dot; of edits the text "
    "after each revision. Blue: already the final word.",
    draw,
)
