"""Training curves, and classifiers' accuracy over the noise level."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eval.reading.figures.style import Missing, Plot, axes, plain, series
from eval.reading.results import TASK_NAMES, ResultSet, read_json, task_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = "curves.json"
COLUMNS = 3
#: what a curve shows of each kind of artefact, the first that it has, and how that is called
SHOWN = {
    "diffusion": (("valid_loss",), "L_simple, held out"),
    "lm": (("valid_nll",), "nats a token, held out"),
    "backward_lm": (("valid_nll",), "nats a token, held out"),
    "reordered_lm": (("valid_nll",), "nats a token, held out"),
    "teacher": (("valid_nll",), "nats a token, held out"),
    "finetuned": (("valid_nll",), "nats a token, held out"),
    "discriminator": (("valid_accuracy",), "accuracy, held out"),
    "classifier": (("valid_loss", "train_loss"), "loss"),
    "parser": (("valid_f1",), "bracketing F1"),
}
TITLES = {
    "attribute_head": "PPLM's attribute head",
    "backward_lm": "right-to-left LM",
    "classifier": "classifiers",
    "diffusion": "Diffusion-LM",
    "discriminator": "FUDGE's discriminators",
    "finetuned": "fine-tuned LMs",
    "lm": "language model",
    "reordered_lm": "AR-infilling's LM",
    "teacher": "teacher of lm-score",
}
RECALL = re.compile(r"valid_\w+_t(-?\d+)$")


def artefacts(results: ResultSet) -> dict[str, dict[str, Any]]:
    """Key -> what was collected of an artefact: ``kind``, ``roles``, ``curve``, ``noise``."""
    path = results.folder / CURVES
    if not path.exists():
        raise Missing(f"python -m eval.collect run={results.folder} gathers the training curves")
    found: dict[str, dict[str, Any]] = read_json(path)["artefacts"]
    return found


def label(artefact: Mapping[str, Any]) -> str:
    """The tasks that a network is for, or what it is."""
    kind = artefact["kind"]
    tasks = ", ".join(task_name(task) for task in artefact["tasks"])
    return tasks or TITLES.get(kind, kind.replace("_", " "))


def _look(artefact: Mapping[str, Any], other: int) -> dict[str, Any]:
    """One look for each task, in every panel."""
    tasks = artefact["tasks"]
    known = bool(tasks) and tasks[0] in TASK_NAMES
    return series(list(TASK_NAMES).index(tasks[0]) if known else other)


def curves(results: ResultSet) -> Figure:
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for artefact in artefacts(results).values():
        if artefact["curve"]:
            by_kind.setdefault(artefact["kind"], []).append(artefact)
    if not by_kind:
        raise Missing("no artefact of this set has a stored training curve")
    rows = -(-len(by_kind) // COLUMNS)
    figure, found = axes(min(COLUMNS, len(by_kind)), rows, 2.4)
    told: dict[str, Any] = {}
    for axis, (kind, members) in zip(found, sorted(by_kind.items()), strict=False):
        names, meaning = SHOWN.get(kind, ((), "training loss"))
        for i, artefact in enumerate(sorted(members, key=label)):
            points = artefact["curve"]
            name = next((n for n in (*names, "train_loss") if n in points[-1]), None)
            known = [p for p in points if name in p]
            style = _look(artefact, i) | {"marker": ""}
            (line,) = axis.plot([p["step"] for p in known], [p[name] for p in known], **style)
            if artefact["tasks"] or len(members) > 1:
                told.setdefault(label(artefact), line)
        title = TITLES.get(kind, kind.replace("_", " "))
        axis.set(title=title, xlabel="training step", ylabel=meaning)
        if kind in ("diffusion", "classifier"):
            axis.set_yscale("log")
            plain(axis.yaxis)
    for axis in found[len(by_kind) :]:
        axis.set_visible(False)
    if told:
        columns = min(COLUMNS, len(told))
        figure.legend(told.values(), told.keys(), loc="outside lower center", ncols=columns)
    return figure


def noise(results: ResultSet) -> Figure:
    found = [(label(a), a, points) for a in artefacts(results).values() if (points := _noise(a))]
    if not found:
        raise Missing("no classifier of this set has its accuracy by noise level stored")
    figure, (axis,) = axes(1, 1, 2.8)
    for i, (name, artefact, points) in enumerate(sorted(found, key=lambda member: member[0])):
        axis.plot(*zip(*points, strict=True), **_look(artefact, i), label=name)
    axis.set(xlabel="noise level: decoding step t (-1: clean)", ylabel="accuracy, held out")
    axis.set_ylim(0, 1.02)
    axis.legend()
    return figure


def _noise(artefact: Mapping[str, Any]) -> list[tuple[float, float]]:
    """(decoding step, accuracy): the stored curve, or what training noted at its last point."""
    if artefact["noise"]:
        # the figure that a classifier is named by comes first after these two
        name = next(n for n in artefact["noise"][0] if n not in ("level", "alpha_bar"))
        return [(p["level"], p[name]) for p in artefact["noise"]]
    if artefact["kind"] != "classifier" or not artefact["curve"]:
        return []
    last = artefact["curve"][-1]
    pairs = [(RECALL.match(name), value) for name, value in last.items()]
    return sorted((float(match[1]), value) for match, value in pairs if match)


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
