"""Figure 3: the learned word embeddings in a plane, each word coloured by its part of speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eval.reading.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    MARKERS,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Missing,
    Plot,
    axes,
    literal,
)
from eval.reading.results import ResultSet
from eval.reading.schema import Embedding
from tasks.common.schema import read_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EMBEDDING = "embedding.json"
#: open classes have a colour each; closed ones share two
CLASSES = {
    "noun": (("NOUN",), BLUE),
    "name": (("PROPN",), VERMILION),
    "verb": (("VERB", "AUX"), GREEN),
    "adjective": (("ADJ",), ORANGE),
    "adverb": (("ADV",), PURPLE),
    "preposition, conjunction": (("ADP", "SCONJ", "CCONJ", "PART"), SKY),
    "determiner, pronoun, number": (("DET", "PRON", "NUM"), BLACK),
}
#: the most words of a class that are named
LABELS = 5


def draw(results: ResultSet) -> Figure:
    path = results.folder / EMBEDDING
    if not path.exists():
        raise Missing(f"python -m eval.collect run={results.folder} projects the embeddings")
    points = read_json(path, Embedding)["points"]
    known = {tag for tags, _ in CLASSES.values() for tag in tags}
    if not any(p["tag"] in known for p in points):
        raise Missing(f"no word of {results.folder} has a part of speech")
    figure, (axis,) = axes(1, 1, 5.0)
    rest = [p for p in points if p["tag"] not in known]
    axis.scatter(
        [p["x"] for p in rest],
        [p["y"] for p in rest],
        s=8,
        color=GREY,
        alpha=0.5,
        marker=".",
        label="other, or in no sample",
    )
    taken: list[tuple[float, float]] = []
    for (name, (tags, colour)), marker in zip(CLASSES.items(), MARKERS, strict=False):
        members = [p for p in points if p["tag"] in tags]
        axis.scatter(
            [p["x"] for p in members],
            [p["y"] for p in members],
            s=16,
            color=colour,
            marker=marker,
            linewidths=0,
            alpha=0.85,
            label=name,
        )
        _label(axis, members, colour, taken)
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, handletextpad=0.2, columnspacing=1.0)
    return figure


def _label(
    axis: Axes, members: Sequence[Mapping[str, Any]], colour: str, taken: list[tuple[float, float]]
) -> None:
    """Names words all over a class, those left out whose label would cover another."""
    shown = 0
    for p in members[:: max(1, len(members) // (2 * LABELS))]:
        x, y = p["x"], p["y"]
        if shown < LABELS and all(abs(x - a) > 5 or abs(y - b) > 1.6 for a, b in taken):
            place: dict[str, Any] = {"xytext": (3, 3), "textcoords": "offset points"}
            axis.annotate(literal(p["word"]), (x, y), **place, fontsize=6.5, color=colour)
            taken.append((x, y))
            shown += 1


EMBEDDINGS = Plot(
    "figure3-embeddings",
    "Figure 3: learned word embeddings",
    "t-SNE of the embeddings that Diffusion-LM learned, each word with its commonest part of "
    "speech in the set's samples.",
    draw,
)
