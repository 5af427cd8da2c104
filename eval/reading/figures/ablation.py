"""Figure 4: learned against random embeddings, and x0 against eps, over embedding dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.reading.figures.style import Missing, Plot, arms, axes, literal, plain, series
from eval.reading.results import ResultSet
from eval.reading.schema import Ablation
from tasks.common.schema import read_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABLATION = "ablation.json"
SIZE = ("layers", "width", "steps")
PANELS = {
    "embedding": "embeddings (section 4.1)",
    "objective": "parametrisation (section 4.2)",
    "schedule": "noise schedule (appendix H)",
}


def draw(results: ResultSet) -> Figure:
    path = results.folder / ABLATION
    if not path.exists():
        raise Missing(f"python -m eval.ablation run={results.folder} trains the variants")
    variants = read_json(path, Ablation)["variants"]
    groups = [g for g in PANELS if any(v["group"] == g for v in variants)]
    if not groups:
        raise Missing(f"{path} has no variant of {', '.join(PANELS)}")
    figure, panels = axes(len(groups), 1, 2.6)
    for axis, group in zip(panels, groups, strict=True):
        members = [v for v in variants if v["group"] == group]
        for i, name in enumerate(dict.fromkeys(v["variant"] for v in members)):
            points = sorted((v for v in members if v["variant"] == name), key=lambda v: v["dim"])
            ys = [v["ppl"] for v in points]
            spans = arms([(v["ppl"], v["low"], v["high"]) for v in points])
            xs = [v["dim"] for v in points]
            axis.errorbar(
                xs, ys, yerr=spans, **series(i), elinewidth=0.8, capsize=2, label=literal(name)
            )
        axis.set(title=PANELS[group], xlabel="embedding dimension", ylabel="lm: perplexity")
        sizes = {tuple(v[name] for name in SIZE) for v in members if all(n in v for n in SIZE)}
        if len(sizes) == 1:
            layers, width, steps = sizes.pop()
            axis.set_title(f"{PANELS[group]}\n{layers} layers of {width}, {steps:,} steps")
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        ticks = sorted({v["dim"] for v in members})
        axis.set_xticks(ticks, [str(t) for t in ticks])
        axis.minorticks_off()
        plain(axis.yaxis)
        axis.legend()
    return figure


ABLATIONS = Plot(
    "figure4-ablations",
    "Figure 4: ablations",
    "lm-score of samples without control (lower is better) from small Diffusion-LMs that differ in "
    "one choice.",
    draw,
)
