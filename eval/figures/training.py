"""Training curves, and classifiers' accuracy over the noise level."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eval.figures.style import Missing, Plot, axes, plain, series
from eval.results import ResultSet, read_json

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
RECALL = re.compile(r"valid_\w+_t(-?\d+)$")


def artefacts(results: ResultSet) -> dict[str, dict[str, Any]]:
    """Key -> what was collected of an artefact: ``kind``, ``roles``, ``curve``, ``noise``."""
    path = results.folder / CURVES
    if not path.exists():
        raise Missing(f"python -m eval.collect run={results.folder} gathers the training curves")
    found: dict[str, dict[str, Any]] = read_json(path)["artefacts"]
    return found


def label(artefact: Mapping[str, Any]) -> str:
    """``finetuned: length``."""
    tasks = ", ".join(artefact["tasks"])
    return artefact["kind"] + (f": {tasks}" if tasks else "")


def curves(results: ResultSet) -> Figure:
    by_kind: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for artefact in artefacts(results).values():
        if artefact["curve"]:
            by_kind.setdefault(artefact["kind"], []).append((label(artefact), artefact))
    if not by_kind:
        raise Missing("no artefact of this set has a stored training curve")
    rows = -(-len(by_kind) // COLUMNS)
    figure, found = axes(min(COLUMNS, len(by_kind)), rows, 2.1)
    for axis, (kind, members) in zip(found, sorted(by_kind.items()), strict=False):
        names, meaning = SHOWN.get(kind, ((), "training loss"))
        for i, (title, artefact) in enumerate(sorted(members, key=lambda m: m[0])):
            points = artefact["curve"]
            name = next((n for n in (*names, "train_loss") if n in points[-1]), None)
            known = [p for p in points if name in p]
            style = series(i) | {"marker": ""}
            shown = title.partition(": ")[2] or kind
            axis.plot([p["step"] for p in known], [p[name] for p in known], **style, label=shown)
        axis.set(title=kind, xlabel="training step", ylabel=meaning)
        if kind in ("diffusion", "classifier"):
            axis.set_yscale("log")
            plain(axis.yaxis)
        if len(members) > 1:
            axis.legend()
    for axis in found[len(by_kind) :]:
        axis.set_visible(False)
    return figure


def noise(results: ResultSet) -> Figure:
    found = [(label(a), points) for a in artefacts(results).values() if (points := _noise(a))]
    if not found:
        raise Missing("no classifier of this set has its accuracy by noise level stored")
    figure, (axis,) = axes(1, 1, 2.8)
    for i, (title, points) in enumerate(sorted(found)):
        shown = title.partition(": ")[2] or title
        axis.plot(*zip(*points, strict=True), **series(i), label=shown)
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
