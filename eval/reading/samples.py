"""A handful of samples for the eye, with what was asked for marked in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text as RichText

from eval.reading.marks import mark_all, marked
from eval.reading.results import ResultSet
from eval.running.cells import is_answer, share
from tasks.base import Words
from tasks.common.shown import visible
from tasks.controls import Control
from tasks.marks import Marks

_STYLES = {"good": "bold green", "bad": "bold red"}


@dataclass(frozen=True)
class Shown:
    """One sample, how well it does what was asked, one headline score for each control, in [0, 1],
    and which of its words do so."""

    method: str
    control: Control
    words: Words
    scores: tuple[float, ...]
    marks: Marks


def pick(results: ResultSet, task: str, methods: Sequence[str], each: int = 3) -> list[Shown]:
    """The answer to the first ``each`` targets of every method that has scores."""
    targets = {target.id: target for target in results.targets(task)[:each]}
    shown = []
    for method in methods:
        cell = results.cell(task, method)
        if cell is None or not cell.scored:
            continue
        scores = {(r["target"], r["index"]): r["scores"] for r in cell.scores}
        for record in cell.samples:
            if is_answer(record) and record["target"] in targets:
                target, words = targets[record["target"]], tuple(record["words"])
                shares = headlines(scores.get((target.id, record["index"]), {}))
                marks = mark_all(words, cell.judged(target, words))
                shown.append(Shown(method, target.control, words, shares, marks))
    return shown


def headlines(scores: Mapping[str, float | Sequence[float]]) -> tuple[float, ...]:
    """The first metric's value, or for a composition that of each part's first metric
    (``part.metric``). A ratio is a pair of numerator and denominator; the counts of a pooled metric
    say little of one sample, so that the next metric stands for it."""
    first: dict[str, float | Sequence[float]] = {}
    for name, value in scores.items():
        if isinstance(value, Sequence) and len(value) != 2:
            continue
        part, dot, _ = name.partition(".")
        first.setdefault(part if dot else "", value)
    return tuple(map(share, first.values()))


def show(samples: Sequence[Shown]) -> list[RichText]:
    """One line for each control and each sample under it: what its scores say, then its words with
    those that do what was asked marked in green and those that violate it in red."""
    lines: list[RichText] = []
    for control in dict.fromkeys(s.control for s in samples):
        lines.append(RichText(visible(control.brief()), style="bold"))
        for sample in (s for s in samples if s.control == control):
            verdict = " ".join(_verdict(score) for score in sample.scores)
            line = RichText(f"  {verdict:3} {sample.method:13} ")
            line.append(_marked(sample))
            lines.append(line)
    return lines


def _verdict(score: float) -> str:
    return {1.0: "yes", 0.0: "no"}.get(score, f"{100 * score:.0f} %")


def _marked(sample: Shown) -> RichText:
    line = RichText()
    # a sample that was not judged has no scores
    for part, score in zip(sample.control.parts, sample.scores, strict=bool(sample.scores)):
        measure = part.measure(sample.words)
        if measure:
            line.append(f"({visible(measure)}) ", style=_STYLES["good" if score == 1 else "bad"])
    for segment in marked(sample.words, sample.marks):
        if segment.style in _STYLES and not segment.text.startswith("[missing "):
            line.append(f"[{segment.text}]", style=_STYLES[segment.style])
        else:
            line.append(segment.text, style=_STYLES.get(segment.style, ""))
    return line
