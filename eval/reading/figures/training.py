"""Training curves, and classifiers' accuracy over the noise level."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING, Any

from eval.reading.figures.style import Missing, Plot, axes, below, literal, plain, series
from eval.reading.names import network, task_order
from eval.reading.results import ResultSet
from eval.reading.schema import Curves
from tasks.common.schema import read_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = "curves.json"
COLUMNS = 3
#: letters of a title that a panel has room for
TITLE = 17


def artefacts(results: ResultSet) -> dict[str, dict[str, Any]]:
    """Key -> what was collected of an artefact: ``kind``, ``roles``, ``curve``, ``noise``."""
    path = results.folder / CURVES
    if not path.exists():
        raise Missing(f"python -m eval.collect run={results.folder} gathers the training curves")
    records: dict[str, dict[str, Any]] = read_json(path, Curves)["artefacts"]
    return records


def label(results: ResultSet, artefact: Mapping[str, Any]) -> str:
    """The tasks that a network is for, or what it is."""
    tasks = ", ".join(results.task_name(task) for task in artefact["tasks"])
    return literal(tasks or network(artefact["kind"]).title)


def _look(artefact: Mapping[str, Any], other: int) -> dict[str, Any]:
    """One look for each task, in every panel."""
    tasks, known = artefact["tasks"], task_order()
    return series(known.index(tasks[0]) if tasks and tasks[0] in known else other)


def curves(results: ResultSet) -> Figure:
    by_kind: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for artefact in artefacts(results).values():
        if artefact["curve"]:
            member = (label(results, artefact), artefact)
            by_kind.setdefault(artefact["kind"], []).append(member)
    if not by_kind:
        raise Missing("no artefact of this set has a stored training curve")
    rows = -(-len(by_kind) // COLUMNS)
    figure, panels = axes(min(COLUMNS, len(by_kind)), rows, 2.4)
    lines: dict[str, Any] = {}
    for axis, (kind, members) in zip(panels, sorted(by_kind.items()), strict=False):
        shown = network(kind)
        for i, (text, artefact) in enumerate(sorted(members, key=lambda member: member[0])):
            points = artefact["curve"]
            name = next((n for n in (*shown.curve, "train_loss") if n in points[-1]), None)
            known = [p for p in points if name in p]
            style = _look(artefact, i) | {"marker": ""}
            (line,) = axis.plot([p["step"] for p in known], [p[name] for p in known], **style)
            if artefact["tasks"] or len(members) > 1:
                lines.setdefault(text, line)
        axis.set(
            title=fill(literal(shown.title), TITLE),
            xlabel="training step",
            ylabel=literal(shown.curve_label),
        )
        if shown.log_scale:
            axis.set_yscale("log")
            plain(axis.yaxis)
    for axis in panels[len(by_kind) :]:
        axis.set_visible(False)
    if lines:
        below(figure, lines, min(COLUMNS, len(lines)))
    return figure


def noise(results: ResultSet) -> Figure:
    curves = [
        (label(results, artefact), artefact, points)
        for artefact in artefacts(results).values()
        if (points := _noise(artefact))
    ]
    if not curves:
        raise Missing("no classifier of this set has its accuracy by noise level stored")
    figure, (axis,) = axes(1, 1, 2.8)
    for i, (name, artefact, points) in enumerate(sorted(curves, key=lambda member: member[0])):
        axis.plot(*zip(*points, strict=True), **_look(artefact, i), label=name)
    axis.set(xlabel="noise level: decoding step t (-1: clean)", ylabel="accuracy, held out")
    axis.set_ylim(0, 1.02)
    axis.legend()
    return figure


def _noise(artefact: Mapping[str, Any]) -> list[tuple[float, float]]:
    """(decoding step, accuracy); none of what is no classifier."""
    if not artefact["noise"]:
        return []
    # the figure that a classifier is named by comes first after these two
    name = next(n for n in artefact["noise"][0] if n not in ("level", "alpha_bar"))
    return [(p["level"], p[name]) for p in artefact["noise"]]


TRAINING = Plot(
    "training-curves",
    "Training curves",
    "What each network was trained to lower (or raise), on held-out texts.",
    curves,
)
NOISE = Plot(
    "classifier-noise",
    "Classifier accuracy over the noise level",
    "How much of the control a classifier reads off x_t: from clean latents (left) to pure noise "
    "(right). Where it falls to chance, guidance has nothing to say.",
    noise,
)
