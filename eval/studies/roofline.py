"""What Diffusion-LM would take of a GPU that is not at hand: an estimate from counted operations.

Operations and bytes of a training step and of guided decoding are counted
(:mod:`models.nets.counting`) with the networks of a preset, and laid against the data sheet of a
card (:mod:`models.nets.cards`) under assumptions that stand beside the figures. Nothing here was
timed on any GPU.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest.mock import patch

import torch

from eval.running.config import RunConfig
from models.diffusion import rounding
from models.diffusion.classifiers.base import Space
from models.diffusion.classifiers.chart import SpanClassifier, SpanGuide
from models.diffusion.classifiers.kinds import control_kinds
from models.diffusion.gaussian import Gaussian, Normal
from models.diffusion.guidance import Guidance, LogProb
from models.diffusion.latents.denoiser import make_denoiser
from models.diffusion.latents.diffusion import Diffusion
from models.diffusion.latents.guided import LengthGuide
from models.diffusion.latents.training import DiffusionObjective
from models.diffusion.loop import walk
from models.diffusion_lm.config import guidance_for
from models.nets.cards import Sheet, card
from models.nets.counting import AVERAGE, OPTIMISER, Work, counted, shapes_alone
from tasks.common.errors import UserError
from tasks.controls import Control, Length, Span
from tasks.corpora import traits
from tasks.vocabulary import SPECIALS, Vocabulary

#: the other way to have shapes alone, for networks in one dtype: it has no autocast
META = torch.device("meta")
#: samples decoded at once, ten targets of the paper's 50; and samples that figures are for
FULL, SAMPLES = 500, 50
#: names of constituents that a chart classifier knows; one row of its last layer each
LABELS = 60
#: the goals: 50 guided samples in seconds, all training steps in minutes, utilisation in training
GOALS = {"seconds for 50 guided samples": 2.0, "minutes of training": 25.0, "utilisation": 0.4}
NOTE = (
    "An estimate: operations and bytes were counted, and nothing was timed on this card or any "
    "other. 'at peak' is what the data sheet allows, fused and with no launch waited for."
)


@dataclass(frozen=True)
class Assumed:
    """What no count tells; none of it was measured here."""

    #: share of the sheet's FLOP/s that matrix products of these sizes reach
    products: float = 0.5
    #: share of the sheet's bandwidth that kernels reach, and of its cache that holds what is needed
    memory: float = 0.7
    cache: float = 0.5
    #: seconds that starting a kernel takes the CPU when it is launched alone, while the device runs
    #: what was launched before
    launch: float = 6e-6
    #: seconds between two kernels of a CUDA graph
    gap: float = 1e-6


class Timed(NamedTuple):
    """Seconds: at the sheet's peaks, compiled into CUDA graphs, and kernel by kernel."""

    peak: float
    compiled: float
    eager: float

    def times(self, count: float) -> Timed:
        return Timed(*(count * one for one in self))

    def plus(self, other: Timed) -> Timed:
        return Timed(*(a + b for a, b in zip(self, other, strict=True)))

    def shown(self, figure: Callable[[float], float] = lambda x: x) -> dict[str, float]:
        names = ("at peak", "compiled", "eager")
        return {name: rounded(figure(one)) for name, one in zip(names, self, strict=True)}


def timed(work: Work, on: Sheet, assumed: Assumed, more: float = 0.0) -> Timed:
    """``more``: bytes besides those of ``work``, moved in one kernel."""
    fused = work.fused()
    flops, bandwidth = assumed.products * on.flops, assumed.memory * on.bandwidth
    cache = assumed.cache * on.cache
    device = work.seconds(flops, bandwidth, cache) + more / bandwidth
    return Timed(
        fused.seconds(on.flops, on.bandwidth, cache) + more / on.bandwidth,
        fused.seconds(flops, bandwidth, cache)
        + more / bandwidth
        + assumed.gap * len(fused.kernels),
        max(device, assumed.launch * len(work.kernels)),
    )


def words(config: RunConfig) -> Vocabulary:
    size = traits(config.corpus).vocabulary
    return Vocabulary([*SPECIALS, *(f"w{i}" for i in range(size - len(SPECIALS)))])


def training_step(config: RunConfig) -> tuple[Work, int]:
    """A training step of the denoising network up to its gradients, and its parameters."""
    section = config.diffusion
    with shapes_alone(), patch.object(rounding, "CPU_ROWS", 2**30):
        network = make_denoiser(section, len(words(config)))
        ids = torch.zeros(section.train.batch, section.length, dtype=torch.long)
        objective = DiffusionObjective(network, ids, ids, section.train.batch, 0)

        def step() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=section.train.bf16):
                loss, _ = objective.loss(0)
            loss.backward()

        trained = [one for one in network.parameters() if one.requires_grad]
        return counted(step, trained), sum(one.numel() for one in trained)


def decoding(config: RunConfig, task: str) -> tuple[Work, Work, int]:
    """Of ``FULL`` samples: an unguided step, the guidance of one step, and the number of steps that
    evaluate what guides. Raises ``UserError`` for a task that neither spans nor lengths guide."""
    options = config.diffusion_lm
    kinds = list(control_kinds(task).values())
    if kinds not in ([Span.kind], [Length.kind]):
        raise UserError(f"estimate= counts guidance by one span or length, not {task}")
    settings, vocabulary = guidance_for(options, task), words(config)
    steps = options.sampling.steps
    two = dataclasses.replace(options.sampling, steps=2, spacing="respaced")
    with torch.no_grad():
        with META:
            denoiser = make_denoiser(config.diffusion, len(vocabulary))
        diffusion = Diffusion(denoiser.eval().requires_grad_(False), two, META)
        diffusion.network = diffusion.network.to(torch.bfloat16)
        x = torch.zeros(FULL, *diffusion.shape, device=META)

        def walked() -> None:
            clamp = denoiser.nearest if two.clamp else None
            walk(lambda x, t, _: diffusion.x0(x, t), diffusion.process, lambda: x, META,
                 project=clamp)  # fmt: skip

        guide = _guide(config, kinds[0], diffusion, vocabulary)
        guidance = Guidance(guide, dataclasses.replace(settings, unguided=0))
        both = counted(walked, diffusion.network.parameters())
        guided = counted(lambda: guidance(x, Normal(x, 1.0), 0))
    unguided = Work(both.kernels[: len(both.kernels) // 2], both.parameters, both.kept)
    schedule = denoiser.decoding(steps, options.sampling.spacing)
    acting = Guidance(guide, settings, schedule=schedule)
    levels = sum(bool(acting.acts(t - 1)) for t in range(steps))
    return unguided, guided, -(-levels // settings.every)


def _guide(config: RunConfig, kind: str, diffusion: Diffusion, vocabulary: Vocabulary) -> LogProb:
    controls: Sequence[Control]
    if kind == Length.kind:
        controls = [Length(20)] * FULL
        return LengthGuide(diffusion, controls, config.diffusion_lm.guidance)
    table = diffusion.denoiser.embedding.weight
    space = Space(Gaussian(diffusion.schedule), table, vocabulary, diffusion.shape[0], META)
    with META:
        network = SpanClassifier(config.classifier, space, LABELS)
    network = network.eval().requires_grad_(False)
    controls = [Span(2, 4, "NP")] * FULL
    return SpanGuide(network.to(torch.bfloat16), {"": 0, "NP": 1}, controls)


def rounded(value: float) -> float:
    """Four digits: more would be made up."""
    return float(f"{value:.4g}")


def estimate(
    config: RunConfig, name: str, say: Callable[[str], None], assumed: Assumed | None = None
) -> dict[str, Any]:
    """The figures of the run's networks on the card ``name``, each said with ``say``. Raises
    ``UserError`` for an unknown card, and as :func:`decoding`."""
    on, assumed = card(name), assumed or Assumed()
    say(f"an estimate for one {on.name}: counted, and not timed on any GPU")
    figures: dict[str, Any] = {
        "estimate": True,
        "note": NOTE,
        "card": dataclasses.asdict(on),
        "assumed": dataclasses.asdict(assumed),
        "torch": torch.__version__,
        "settings": {"preset": config.preset, "corpus": config.corpus, "batch": FULL},
        "goals": GOALS,
        "train": training_figures(config, on, assumed),
    }
    tell("train", figures["train"], say)
    for task in config.tasks:
        figures[f"guided {task}"] = guided_figures(config, task, on, assumed)
        tell(f"guided {task}", figures[f"guided {task}"], say)
    return figures


def training_figures(config: RunConfig, on: Sheet, assumed: Assumed) -> dict[str, Any]:
    train = config.diffusion.train
    work, parameters = training_step(config)
    state = parameters * float(OPTIMISER + (AVERAGE if train.ema else 0))
    spent, cache = timed(work, on, assumed, state), assumed.cache * on.cache
    weights = work.of_parameters
    return {
        "parameters": parameters,
        "tokens a step": train.batch * config.diffusion.length,
        "FLOP a step": rounded(work.flops),
        "bytes a step": {
            "parameters": rounded(weights),
            "activations": rounded(sum(work.bytes(cache)) - weights),
            "activations, fused": rounded(sum(work.fused().bytes(cache)) - weights),
            "optimizer": rounded(state),
        },
        "kernels": {"eager": len(work.kernels), "compiled": len(work.fused().kernels)},
        "seconds a step": spent.shown(),
        "steps/s": spent.shown(lambda s: 1 / s),
        "tokens/s": spent.shown(lambda s: train.batch * config.diffusion.length / s),
        "model FLOP utilisation": spent.shown(lambda s: work.flops / s / on.flops),
        f"minutes for {train.steps} steps": spent.shown(lambda s: train.steps * s / 60),
    }


def guided_figures(config: RunConfig, task: str, on: Sheet, assumed: Assumed) -> dict[str, Any]:
    plain, guidance, guided = decoding(config, task)
    steps, length = config.diffusion_lm.sampling.steps, config.diffusion.length
    spent = timed(plain, on, assumed).times(steps).plus(timed(guidance, on, assumed).times(guided))
    flops = (steps * plain.flops + guided * guidance.flops) / FULL
    numbers = steps * length * config.diffusion.embedding
    return {
        "steps": steps,
        "guided steps": guided,
        "FLOP a sample": rounded(flops),
        "kernels a guided step": {
            "eager": len(plain.kernels) + len(guidance.kernels),
            "compiled": len(plain.fused().kernels) + len(guidance.fused().kernels),
        },
        "samples/s": spent.shown(lambda s: FULL / s),
        f"seconds for {SAMPLES} samples": spent.shown(lambda s: SAMPLES * s / FULL),
        "model FLOP utilisation": spent.shown(lambda s: FULL * flops / s / on.flops),
        "random numbers a second that keep up": spent.shown(lambda s: FULL * numbers / s),
    }


def tell(name: str, figures: dict[str, Any], say: Callable[[str], None]) -> None:
    """A line for each figure that the goals are about."""
    for key, value in figures.items():
        if isinstance(value, dict) and "at peak" in value:
            shown = ", ".join(f"{way} {one:.3g}" for way, one in value.items())
            say(f"estimate, {name}: {key}: {shown}")
