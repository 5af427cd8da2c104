"""The README's picture: one text of Diffusion-LM on its way from noise to words, as SVG.

``docs/img/denoising.json`` is the stored trajectory of a sample of results/demo, made in a copy of
that set with ``eval.trajectory task=syntax_spans target=valid-00255-0-8-S frames=24``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from eval.reading.figures.trajectory import positions
from eval.reading.schema import Trajectory
from tasks.common.schema import read_json
from tasks.controls import Span, from_json

FOLDER = Path(__file__).resolve().parents[1] / "img"
STORED = FOLDER / "denoising.json"
#: rows, the first and the last frame among them
ROWS = 8
#: sizes in pixels: of a row, a letter, the space between columns and the column of steps
ROW, LETTER, GAP, STEPS, SIZE = 25, 8.45, 13, 74, 14


class Look:
    """Colours of one theme: words that are not yet the final ones, words that are, what is asked
    for, and the remarks at the side."""

    def __init__(self, noise: str, settled: str, asked: str, remark: str) -> None:
        self.noise, self.settled, self.asked, self.remark = noise, settled, asked, remark


#: on GitHub's backgrounds #ffffff and #0d1117 all but noise has a contrast of 4.5 or more
LOOKS = {
    "light": Look("#8c959f", "#0550ae", "#0550ae", "#57606a"),
    "dark": Look("#7d8590", "#79c0ff", "#79c0ff", "#9198a1"),
}


def rows(stored: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """(step, words) of the rows, without START and END: evenly up to the frame from which on no
    word changes, and the last."""
    frames, inner = stored["frames"], slice(1, positions(stored) - 1)
    changing = [
        at for at, f in enumerate(frames) if f["words"][inner] != frames[-1]["words"][inner]
    ]
    chosen = sorted({round(at) for at in np.linspace(0, max(changing) + 1, ROWS - 1)})
    chosen.append(len(frames) - 1)
    return [
        (
            "text" if frames[at]["t"] < 0 else f"t = {frames[at]['t'] + 1}",
            frames[at]["words"][inner],
        )
        for at in chosen
    ]


def svg(stored: Mapping[str, Any], look: Look) -> str:
    """The picture: columns are positions, rows are steps; a word is in colour once it is the final
    one."""
    lines = rows(stored)
    final = lines[-1][1]
    widths = [max(len(words[i]) for _, words in lines) * LETTER for i in range(len(final))]
    lefts = [STEPS + sum(widths[:i]) + GAP * i for i in range(len(final))]
    control = from_json(stored["control"])
    width = round(lefts[-1] + widths[-1] + 4)
    top, height = 2 * ROW, ROW * (len(lines) + 2) + 12
    title = f"Diffusion-LM, from noise to text. Control: {control.brief()}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" font-size="{SIZE}" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace">',
        f"<title>{escape(title)}: {escape(' '.join(final))}</title>",
        _text(0, ROW - 6, f"control: {control.brief()}", look.remark),
    ]
    for row, (step, words) in enumerate(lines):
        y = top + row * ROW
        parts.append(_text(STEPS - GAP, y, step, look.remark, anchor="end"))
        for x, word, last in zip(lefts, words, final, strict=True):
            settled = word == last
            colour = look.settled if settled else look.noise
            parts.append(_text(x, y, word, colour, bold=settled))
    parts += _asked(control, lefts, widths, top + (len(lines) - 1) * ROW, look)
    return "\n".join([*parts, "</svg>", ""])


def _asked(
    control: Any, lefts: Sequence[float], widths: Sequence[float], y: float, look: Look
) -> list[str]:
    """A bracket below the words that a span asks for, with its label."""
    if not isinstance(control, Span):
        return []
    left, right, low = lefts[control.start], lefts[control.end] + widths[control.end], y + 9
    return [
        f'<path d="M{left:.1f} {low} v5 H{right:.1f} v-5" fill="none" stroke="{look.asked}"/>',
        _text((left + right) / 2, low + 21, control.label, look.asked, anchor="middle", bold=True),
    ]


def _text(
    x: float, y: float, words: str, colour: str, *, anchor: str = "start", bold: bool = False
) -> str:
    more = f' text-anchor="{anchor}"' if anchor != "start" else ""
    more += ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{more}>{escape(words)}</text>'


def pictures() -> dict[Path, str]:
    """Path -> content, one for each theme."""
    stored = read_json(STORED, Trajectory)
    return {FOLDER / f"denoising-{name}.svg": svg(stored, look) for name, look in LOOKS.items()}
