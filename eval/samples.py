"""A handful of samples for the eye, with what was asked for marked in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text as RichText

from eval.cells import SAMPLES, SCORES, TARGETS, read_targets
from eval.jsonl import read
from tasks.base import Words
from tasks.controls import Control, Length, Span

NEWLINE = "⏎"


@dataclass(frozen=True)
class Shown:
    """One sample and whether it does what was asked."""

    method: str
    control: Control
    words: Words
    success: bool


def pick(folder: Path, task: str, methods: Sequence[str], each: int = 3) -> list[Shown]:
    """The first sample of the first ``each`` targets of every method that has scores."""
    controls = {t.id: t.control for t in read_targets(folder / task / TARGETS)}
    chosen = list(controls)[:each]
    found = []
    for method in methods:
        cell = folder / task / method
        if not (cell / SCORES).exists():
            continue
        success = {}
        for record in read(cell / SCORES):
            if record["index"] == 0:
                success[record["target"]] = next(iter(record["scores"].values())) == 1
        for record in read(cell / SAMPLES):
            if record["index"] == 0 and record["target"] in chosen:
                target = record["target"]
                found.append(
                    Shown(method, controls[target], tuple(record["words"]), success[target])
                )
    return found


def show(samples: Sequence[Shown]) -> list[RichText]:
    """One line for each control and each sample under it. The target span stands in brackets,
    green where the control holds and red where it does not; a length is told in numbers."""
    lines: list[RichText] = []
    for control in dict.fromkeys(s.control for s in samples):
        lines.append(RichText(describe(control), style="bold"))
        for sample in (s for s in samples if s.control == control):
            colour = "green" if sample.success else "red"
            line = RichText(f"  {'yes' if sample.success else 'no':4}{sample.method:14}")
            words = [NEWLINE if word == "\n" else word for word in sample.words]
            if isinstance(control, Span):
                first, last = control.start, control.end + 1
                line.append(" ".join(words[:first]) + " ")
                line.append(f"[{' '.join(words[first:last])}]", style=f"bold {colour}")
                line.append(" " + " ".join(words[last:]))
            else:
                line.append(f"({len(words)} words) ", style=f"bold {colour}")
                line.append(" ".join(words))
            lines.append(line)
    return lines


def describe(control: Control) -> str:
    """The control in a few words."""
    if isinstance(control, Span):
        return f"words {control.start} to {control.end} are a constituent {control.label}"
    if isinstance(control, Length):
        return f"{control.words} words"
    raise TypeError(f"no description of {control}")
