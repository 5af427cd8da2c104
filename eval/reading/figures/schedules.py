"""Figure 5: the noise schedules. Follows from their formulas alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eval.reading.figures.style import Plot, axes, series
from eval.reading.results import ResultSet
from models.diffusion.schedule import make_schedule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 2000


def draw(results: ResultSet) -> Figure:
    figure, (left, right) = axes(2)
    for i, name in enumerate(("sqrt", "cosine", "linear")):
        schedule = make_schedule(name, STEPS)
        style = series(i) | {"marker": "", "label": name}
        left.plot(np.arange(STEPS), schedule.std, **style)
        right.plot(np.arange(STEPS), schedule.alpha_bar / (1 - schedule.alpha_bar), **style)
    left.set(xlabel="diffusion step t", ylabel="noise std  √(1 \N{MINUS SIGN} ᾱ)", ylim=(0, 1.02))
    right.set(
        xlabel="diffusion step t", ylabel="signal to noise  ᾱ / (1 \N{MINUS SIGN} ᾱ)", yscale="log"
    )
    right.set_ylim(1e-5, 1e5)
    left.legend()
    for axis in (left, right):
        axis.set_xlim(0, STEPS)
    return figure


SCHEDULES = Plot(
    "figure5-schedules",
    "Figure 5: noise schedules",
    f"Standard deviation of the noise in x_t (left, as in the paper) and signal-to-noise ratio "
    f"(right) of the three schedules at T = {STEPS}. The sqrt schedule starts noisier.",
    draw,
)
