"""``python -m eval.ablation run=results/SET``: the paper's Figure 4 at a set's own size.

Trains variants of the set's Diffusion-LM that differ in one choice, samples each without control
and has the teacher judge the samples. Every variant is an artefact: what was trained is found
again, and a killed run goes on where it was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.reading.intervals import perplexity
from eval.reading.results import ResultSet
from eval.reading.schema import Ablation
from tasks.base import Target
from tasks.common.errors import UserError, unknown
from tasks.common.files import json_text, write_text
from tasks.common.ranges import Checked, maybe_empty, ranged
from tasks.common.schema import read_json
from tasks.common.shipped import SHIPPED, ready
from tasks.controls import Length

if TYPE_CHECKING:
    from eval.running.config import RunConfig
    from eval.running.display import Display
    from models.diffusion.latents.config import DiffusionConfig

USAGE = """\
usage: python -m eval.ablation key=value ...

Trains small Diffusion-LMs that differ in one choice and stores the lm-score of their samples, for
python -m eval.plots (Figure 4). Long: one training for each variant and dimension.

  python -m eval.ablation run=results/demo
  python -m eval.ablation run=results/demo group=objective dims=16,64 steps=4000 \\
      diffusion.network.layers=2 diffusion.network.width=128

Beside the keys below, the set's own settings of the network may be replaced: diffusion.KEY=VALUE,
as python -m eval.run --help lists them.
"""
ABLATION = "ablation.json"

#: group -> variant -> how it changes the network
GROUPS: Mapping[str, Mapping[str, Callable[[DiffusionConfig], DiffusionConfig]]] = {
    "embedding": {
        "learned": lambda config: dataclasses.replace(config, learned_embedding=True),
        "random": lambda config: dataclasses.replace(config, learned_embedding=False),
    },
    "objective": {
        "x0": lambda config: dataclasses.replace(config, predict="x0"),
        "eps": lambda config: dataclasses.replace(config, predict="eps"),
    },
    "schedule": {
        name: lambda config, name=name: dataclasses.replace(config, schedule=name)  # type: ignore[misc]
        for name in ("sqrt", "cosine", "linear")
    },
}


@dataclass(frozen=True)
class AblationOptions(Checked):
    """Which variants, how long, how many samples."""

    #: folder of the result set whose settings the variants start from
    run: str = "results/demo"
    #: embedding (learned, random), objective (x0, eps), schedule (sqrt, cosine, linear)
    group: str = "embedding,objective"
    #: embedding dimensions
    dims: tuple[int, ...] = ranged((16, 64, 128, 256), least=1, most=2**20)
    #: training steps of each variant; 0 takes those of the set. The average of the weights covers
    #: the same share of the training, however long it is
    steps: int = ranged(0, least=0, most=10**9)
    #: samples of each variant
    samples: int = ranged(500, least=1, most=10**6)
    #: samples decoded at once
    batch: int = ranged(64, least=1, most=10**6)
    #: folder of trained artefacts
    store: str = ".store"
    #: read-only folders of ready artefacts, separated by commas; shipped: those that come with the
    #: program
    prebuilt: str = maybe_empty(SHIPPED)


@dataclass(frozen=True)
class Variant:
    """One point of the figure."""

    group: str
    name: str
    dim: int
    config: DiffusionConfig


def main(given: Sequence[str]) -> None:
    from eval.running.display import Display
    from eval.running.keys import override
    from eval.running.options import options, section

    rest, network = section("diffusion", given)
    chosen = options(AblationOptions, rest, USAGE)
    if chosen is None:
        return
    results = ResultSet(Path(chosen.run))
    base = override(results.config(chosen.store, chosen.prebuilt), network)
    display = Display()
    variants = list(plan(base, chosen))
    known: dict[DiffusionConfig, dict[str, float]] = {}
    for number, variant in enumerate(variants, 1):
        display.say(f"{number} of {len(variants)}: {variant.group} {variant.name}, {variant.dim}")
        # the usual choice of each group is one network
        figures = known.get(variant.config) or measure(base, variant, chosen, display)
        known[variant.config] = figures
        store(results, variant, figures)
        display.say(f"  lm {figures['ppl']:.2f}")
    display.say(str(results.folder / ABLATION))


def plan(base: RunConfig, chosen: AblationOptions) -> Iterator[Variant]:
    """The variants in order. Raises ``UserError`` for an unknown group and without dimensions."""
    if not chosen.dims:
        raise UserError("dims= names no dimension")
    train = base.diffusion.train.lasting(chosen.steps or base.diffusion.train.steps)
    for group in chosen.group.split(","):
        if group not in GROUPS:
            raise unknown("group", group, GROUPS)
        for name, change in GROUPS[group].items():
            for dim in chosen.dims:
                config = dataclasses.replace(base.diffusion, embedding=dim, train=train)
                yield Variant(group, name, dim, change(config))


def measure(
    base: RunConfig, variant: Variant, chosen: AblationOptions, display: Display
) -> dict[str, float]:
    """Perplexity of a variant's samples under the set's teacher, with its 95 % interval."""
    from eval.running.plan import Plan
    from eval.running.store import Store
    from models.diffusion.latents.diffusion import Diffusion
    from models.diffusion.latents.guided import Free
    from models.diffusion.latents.training import load_diffusion
    from models.diffusion_lm.method import Unconditional
    from models.nets.teacher import Teacher

    run = Plan(base.having(diffusion=variant.config))
    where = Store(Path(base.store), ready(base.prebuilt))
    folders = {
        role: where.resolve(run.role(role), lambda part: display.stage(part.title))
        for role in ("diffusion", "teacher")
    }
    denoiser, vocabulary = load_diffusion(folders["diffusion"], run.device)
    diffusion = Diffusion(denoiser, base.unconditional.sampling, run.device)
    generator = Unconditional(Free(diffusion, vocabulary))
    target = Target("ablation", Length(1))
    with display.stage(f"sample {chosen.samples} texts") as progress:
        (made,) = generator.generate([target], chosen.samples, base.seed, chosen.batch, progress)
    texts = [sample.words for sample in made.samples]
    scores = Teacher.load(folders["teacher"], run.device).score(texts)
    nats, tokens = zip(*scores, strict=True)
    # each text is a target of its own: there is nothing that they share
    figures = perplexity([[n] for n in nats], [[t] for t in tokens])
    return {name: float(f"{figures[name]:.6g}") for name in ("ppl", "low", "high")}


def store(results: ResultSet, variant: Variant, figures: Mapping[str, float]) -> None:
    """Adds a point to the stored ones, in place of one of the same variant and dimension."""
    path = results.folder / ABLATION
    old: list[dict[str, Any]] = read_json(path, Ablation)["variants"] if path.exists() else []
    network = variant.config.network
    size = {"layers": network.layers, "width": network.width, "steps": variant.config.train.steps}
    record = {"group": variant.group, "variant": variant.name, "dim": variant.dim}
    record |= {**figures, **size}

    def name(point: Mapping[str, Any]) -> tuple[str, str, int]:
        return point["group"], point["variant"], point["dim"]

    kept = [point for point in old if name(point) != name(record)]
    write_text(path, json_text({"variants": [*kept, record]}, indent=1, escape=True) + "\n")
