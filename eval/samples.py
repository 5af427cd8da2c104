"""A handful of samples for the eye, with what was asked for marked in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text as RichText

from eval.cells import SAMPLES, SCORES, TARGETS, is_answer, read_targets, share
from eval.jsonl import read
from tasks.base import Words
from tasks.controls import (
    AllOf,
    Control,
    FieldValue,
    Infill,
    Length,
    ParseTree,
    Span,
    TagSequence,
    Withheld,
)

NEWLINE = "⏎"
#: tags of a sequence that a description shows
TAGS = 12


@dataclass(frozen=True)
class Shown:
    """One sample and how well it does what was asked: one headline score for each control, in
    [0, 1]."""

    method: str
    control: Control
    words: Words
    scores: tuple[float, ...]


def pick(folder: Path, task: str, methods: Sequence[str], each: int = 3) -> list[Shown]:
    """The answer to the first ``each`` targets of every method that has scores."""
    controls = {t.id: t.control for t in read_targets(folder / task / TARGETS)}
    chosen = list(controls)[:each]
    found = []
    for method in methods:
        cell = folder / task / method
        if not (cell / SCORES).exists():
            continue
        scores = {(r["target"], r["index"]): r["scores"] for r in read(cell / SCORES)}
        for record in read(cell / SAMPLES):
            if is_answer(record) and record["target"] in chosen:
                target, words = record["target"], tuple(record["words"])
                found.append(
                    Shown(
                        method,
                        controls[target],
                        words,
                        headlines(scores[target, record["index"]]),
                    )
                )
    return found


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
    what was asked for marked, in green where the control holds and in red where it does not."""
    lines: list[RichText] = []
    for control in dict.fromkeys(s.control for s in samples):
        lines.append(RichText(describe(control), style="bold"))
        for sample in (s for s in samples if s.control == control):
            said = " ".join(_verdict(score) for score in sample.scores)
            line = RichText(f"  {said:3} {sample.method:14}")
            line.append(_marked(control, sample))
            lines.append(line)
    return lines


def _verdict(score: float) -> str:
    return {1.0: "yes", 0.0: "no"}.get(score, f"{100 * score:.0f} %")


def _marked(control: Control, sample: Shown) -> RichText:
    words = [NEWLINE if word == "\n" else word for word in sample.words]
    parts = control.controls if isinstance(control, AllOf) else (control,)
    line = RichText()
    marks: list[tuple[int, int, str]] = []
    for part, score in zip(parts, sample.scores, strict=True):
        style = f"bold {'green' if score == 1 else 'red'}"
        if isinstance(part, Span):
            marks.append((part.start, part.end + 1, style))
        elif isinstance(part, FieldValue):
            n = len(part.words)
            at = [i for i in range(len(words)) if tuple(words[i : i + n]) == part.words]
            marks += [(i, i + n, style) for i in at[:1]]
        elif isinstance(part, Length):
            line.append(f"({len(words)} words) ", style=style)
    end = 0
    for first, last, style in sorted(marks):
        if first < end:  # two controls ask for overlapping words: the first one is marked
            continue
        line.append("".join(word + " " for word in words[end:first]))
        line.append(f"[{' '.join(words[first:last])}]", style=style)
        line.append(" ")
        end = last
    line.append(" ".join(words[end:]))
    return line


def describe(control: Control) -> str:
    """The control in a few words."""
    match control:
        case Span(start, end, label):
            return f"words {start} to {end} are a constituent {label}"
        case Length(words):
            return f"{words} words"
        case FieldValue(field, value):
            return f"{field} is {value}"
        case TagSequence(tags):
            more = f" ... ({len(tags)} tags)" if len(tags) > TAGS else ""
            return "tags " + " ".join(tags[:TAGS]) + more
        case ParseTree():
            return f"tree {brackets(control.tree)}"
        case Infill(left, right):
            return f"{' '.join(left)} ____ {' '.join(right)}"
        case Withheld():
            return "(its contexts are not stored with results)"
        case AllOf(controls):
            return " and ".join(map(describe, controls))
    raise TypeError(f"no description of {control}")


def brackets(tree: str) -> str:
    """A tree of ``*`` leaves without its pre-terminals: ``(S (NP * *) (VP *))``."""
    return tree.replace("(NN *)", "*")
