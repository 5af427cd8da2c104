"""What a run shows: its stages, their progress, and how long they will take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from tasks.common.commands import typed
from tasks.common.progress import Progress
from tasks.common.shown import visible

#: a stage that is expected to take longer is announced, in seconds
LONG = 60.0
#: how long a stage is measured before its length is estimated, in seconds
MEASURE = 3.0
#: seconds between progress lines where the output is no terminal
INTERVAL = 30.0


def duration(seconds: float) -> str:
    """``45 s``, ``4 min``, ``2 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class Display:
    """Stages "i of n" on one console. ``total`` is set once it is known what is missing."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(soft_wrap=True, highlight=False)
        self.total = 0
        self.done = 0

    def say(self, text: str) -> None:
        self.console.print(escape(visible(typed(text), keep="\n")))

    @contextmanager
    def stage(self, title: str) -> Iterator[Progress]:
        """One stage: its title now, progress while it runs, its wall time at the end."""
        self.done += 1
        self.total = max(self.total, self.done)
        began = time.monotonic()
        self.say(f"[{self.done}/{self.total}] {title}")
        if self.console.is_terminal:
            bars = Bars(
                TextColumn("  "),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                console=self.console,
                transient=True,
            )
            with bars:
                yield _Bar(self, bars)
        else:
            yield _Lines(self)
        self.say(f"[{self.done}/{self.total}] done in {duration(time.monotonic() - began)}")


class _Reporter:
    """Measures the pace of a stage and announces a long one, once."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self.began: float | None = None
        self.first = 0.0
        self.announced = False

    def pace(self, done: float, total: float) -> float | None:
        """Seconds left, once it can be told."""
        now = time.monotonic()
        if self.began is None:
            # The first unit holds start-up costs, so the clock starts after it.
            self.began, self.first = now, done
            return None
        units, seconds = done - self.first, now - self.began
        if units <= 0:
            return None
        left = (total - done) * seconds / units
        if not self.announced and seconds > MEASURE:
            self.announced = True
            if left + seconds > LONG:
                self.display.say(
                    f"  expected to take about {duration(left + seconds)} "
                    f"({seconds / units:.3g} s a step, measured over {units:g})"
                )
        return left


class _Bar(_Reporter):
    def __init__(self, display: Display, bars: Bars) -> None:
        super().__init__(display)
        self.bars = bars
        self.task = bars.add_task("", total=None, note="")

    def __call__(self, done: float, total: float, note: str = "") -> None:
        self.pace(done, total)
        self.bars.update(self.task, completed=done, total=total, note=note)


class _Lines(_Reporter):
    def __init__(self, display: Display) -> None:
        super().__init__(display)
        self.shown = time.monotonic()

    def __call__(self, done: float, total: float, note: str = "") -> None:
        left = self.pace(done, total)
        now = time.monotonic()
        if now - self.shown < INTERVAL or left is None:
            return
        self.shown = now
        self.display.say(f"  {done:g} of {total:g}  {note}  ({duration(left)} left)")
