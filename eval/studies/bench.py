"""``python -m eval.bench preset=small``: how fast the networks of a preset train and decode.

The time of a step does not depend on what the weights are, so the networks that the run's methods
load are trained for a few steps on made-up texts of the corpus's usual lengths, by their own
recipes, and decode from there.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines import METHODS
from eval.running.command import parse
from eval.running.config import RunConfig
from eval.running.help import asks_help
from eval.running.plan import Plan, pick_device
from eval.running.store import Store
from eval.studies.clocks import (
    BEFORE,
    Clock,
    Counts,
    Operations,
    card_name,
    forget_peak,
    network_time,
    parameters,
    peak_flops,
    peak_memory,
    threads,
)
from eval.targets import split, writable
from models.nets.cards import card as card_of
from models.nets.config import TrainConfig
from models.nets.shapes import GIB, Shape, shape
from tasks.base import Corpus, Target, Task, Text
from tasks.common import stop
from tasks.common.errors import UserError
from tasks.common.files import json_text, write_text
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe
from tasks.controls import Control, Infill, Length, Span
from tasks.corpora import traits
from tasks.corpora.stored import VOCABULARY, write_corpus
from tasks.vocabulary import SPECIALS, Vocabulary

if TYPE_CHECKING:
    from models.base import Card

USAGE = """\
usage: python -m eval.bench key=value ...

Times training steps and decoding with the networks of a preset; out=FILE stores the figures.

  python -m eval.bench preset=small corpus=e2e data=../shared/data
  python -m eval.bench preset=small corpus=rocstories data=../shared/data out=infilling.json
  python -m eval.bench preset=paper device=cuda out=bench-gpu.json
  python -m eval.bench preset=paper task=syntax_spans,length estimate=h100

estimate=CARD times nothing: it counts what Diffusion-LM's training and guided decoding take, and
says what a GPU of that name would need for it, by its data sheet.

Keys, with type, default and meaning, are those of python -m eval.run:
"""
TEXTS = 512
#: training steps; on a GPU, which works while the next ones are launched, enough to fill it
STEPS, DEVICE_STEPS = 12, 120
#: targets of a counted batch
COUNTED = 8
#: words of a sentence of a story, and items to fill in
SENTENCE, ITEMS = 10, 8
#: made-up controls, by their kind
CONTROLS: Mapping[str, Control] = {Span.kind: Span(2, 4, "NP"), Length.kind: Length(20)}


def texts(vocabulary: Vocabulary, stories: bool, seed: int = 0) -> list[Text]:
    """Made-up texts: of 8 to 38 words, each with a tree of one noun phrase, or stories of three
    sentences."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(TEXTS):
        n = 3 * SENTENCE if stories else int(np.clip(rng.normal(25, 6), 8, 38))
        words = tuple(vocabulary.words[i] for i in rng.integers(4, len(vocabulary), n))
        if stories:
            out.append(Text(words, sentences=(SENTENCE,) * 3))
            continue
        leaves = [f"(NN {word})" for word in words]
        tree = " ".join([*leaves[:2], "(NP", *leaves[2:5], ")", *leaves[5:]])
        out.append(Text(words, f"(S {tree})"))
    return out


def short(config: RunConfig, steps: int = STEPS) -> RunConfig:
    """The same run with every network trained for a few steps, without checkpoints or points of the
    curve between, and none of them pretrained."""
    changes = {}
    for one in dataclasses.fields(config):
        section = getattr(config, one.name)
        if isinstance(getattr(section, "train", None), TrainConfig):
            train = dataclasses.replace(section.train, steps=steps, every=10**6, checkpoint=1e9)
            section = dataclasses.replace(section, train=train)
            if hasattr(section, "pretrained"):
                section = dataclasses.replace(section, pretrained="", zero_shot=False)
            changes[one.name] = section
    return config.having(**changes)


class MadeUp(Plan):
    """The recipes of a run whose corpus is made up."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self.stories = self.task(config.tasks[0]).fills
        size = traits(config.corpus).vocabulary
        self.vocabulary = Vocabulary([*SPECIALS, *(f"w{i}" for i in range(size - len(SPECIALS)))])
        self.made = texts(self.vocabulary, self.stories)

    def role(self, role: str, task: str = "") -> Recipe:
        if role == "corpus":
            return recipe("corpus", "make texts up", self._corpus, {"made up": self.stories})
        if role == "vocabulary":
            return recipe("vocabulary", "make words up", self._words, {"made up": self.stories})
        return super().role(role, task)

    def texts_for(self, task: str) -> Recipe:
        return self.role("corpus")

    def _corpus(self, folder: Path, deps: Folders, progress: Progress) -> None:
        write_corpus(folder, Corpus("made up", tuple(self.made), tuple(self.made[:8])))

    def _words(self, folder: Path, deps: Folders, progress: Progress) -> None:
        self.vocabulary.save(folder / VOCABULARY)


def timed_task(plan: Plan) -> Task:
    """The first task of a run whose controls can be made up. Raises ``UserError`` without one."""
    for task in map(plan.task, plan.config.tasks):
        if task.fills or (task.control is not None and task.control.kind in CONTROLS):
            return task
    kinds = ", ".join(CONTROLS)
    raise UserError(
        f"eval.bench times controls of the kinds {kinds}, and infilling: not {plan.config.task}"
    )


class Bench:
    """Trains each network that the run's methods load for a few steps and decodes with each
    method."""

    def __init__(self, config: RunConfig, folder: Path, say: Callable[[str], None]) -> None:
        self.device, self.say = pick_device(config.device), say
        self.config = short(config, DEVICE_STEPS if self.device.type == "cuda" else STEPS)
        self.plan = MadeUp(self.config)
        self.store = Store(folder)
        self.task, self.peak = timed_task(self.plan), 0.0
        self.most = peak_flops(self.device)
        self.figures: dict[str, Any] = {
            "preset": config.preset,
            "device": str(self.device),
            "threads": threads(),
            "peak FLOP/s": self.most,
        }
        if self.device.type == "cuda":
            self.figures["card"] = card_name(self.device)

    def run(self, compare: bool = True) -> dict[str, Any]:
        """The figures; ``compare``: with those of :meth:`compare`. Raises ``Stopped`` when it is
        asked to."""
        cards = [METHODS.card(name) for name in self.config.methods]
        for card in cards:
            stop.check()
            if card.refuses(self.task) is None:
                self.decode(card, self.folders(card))
        if compare and not self.plan.stories:
            self.compare()
        self.figures["peak memory GiB"] = max(self.peak, peak_memory(self.device))
        return self.figures

    def note(self, name: str, **figures: float) -> None:
        if self.device.type == "cuda":
            figures["peak memory GiB"] = peak = peak_memory(self.device)
            self.peak = max(self.peak, peak)
            forget_peak(self.device)
        self.figures[name] = figures
        shown = ", ".join(f"{key} {value:.3g}" for key, value in figures.items())
        self.say(f"{name}: {shown}")

    def folders(self, card: Card) -> dict[str, Path]:
        """What a method loads, trained now where it is not yet."""
        options = getattr(self.config, card.name)
        return {role: self.build(role) for role in card.needs(self.task, options)}

    def build(self, role: str) -> Path:
        return self.store.resolve(self.plan.role(role, self.task.name), self._stage)

    @contextmanager
    def _stage(self, made: Recipe) -> Iterator[Progress]:
        clock = Clock(self.device)
        try:
            yield clock
        finally:
            clock.close()
        # one of each kind is enough
        if len(clock.times) > BEFORE + 1 and f"train {made.spec.kind}" not in self.figures:
            step = clock.step()
            figures = {"seconds a step": step, "steps/s": 1 / step}
            if made.pace:
                own = self.shape(made)
                figures["tokens/s"] = own.tokens / step
                # weights, gradients, optimiser and activations, as models.nets.shapes has them
                figures["GiB by its shape"] = own.training / GIB
            figures |= self.rate(clock.counts, "step", step)
            weights = self.store.root / f".building-{made.key}" / "weights.safetensors"
            self.note(f"train {made.spec.kind}", **figures, parameters=parameters(weights))

    def rate(self, counts: Counts, unit: str, seconds: float) -> dict[str, float]:
        """What a unit of work that took ``seconds`` asks for, and the share of the peak that this
        is (model FLOP utilisation: Chowdhery et al. 2022, appendix B)."""
        flops, moved = map(float, counts)
        figures = {f"FLOP a {unit}": flops, f"bytes a {unit}": moved, "FLOP/s": flops / seconds}
        if self.most:
            figures["share of peak"] = flops / seconds / self.most
        return figures

    def shape(self, made: Recipe) -> Shape:
        """Of a network that is trained; where its settings do not say how long sequences are, that
        of the made-up texts."""
        words = float(np.mean([len(text.words) for text in self.plan.made]))
        length = next((d.pace["length"] for d in made.deps.values() if "length" in d.pace), 0)
        return shape(made.pace, len(self.plan.vocabulary), words, length)

    def targets(self) -> list[Target]:
        """Made-up targets of the task."""
        if not self.plan.stories:
            control = CONTROLS[self.task.control.kind] if self.task.control else None
            assert control is not None
            return [Target(f"bench-{i}", control) for i in range(self.config.batch)]
        texts = self.plan.made[:ITEMS]
        contexts = [(text.split()[0], text.split()[2]) for text in texts]
        return [Target(f"bench-{i}", Infill(*pair)) for i, pair in enumerate(contexts)]

    def decode(self, card: Card, folders: Mapping[str, Path]) -> None:
        """One batch of samples, or ``ITEMS`` items with as many candidates as the preset asks for;
        where a generator holds a denoiser, also the share of the time outside networks."""
        cls, options = METHODS.load(card.name), getattr(self.config, card.name)
        generator = cls.load(folders, self.task, options, self.device)
        each = self.config.samples if self.plan.stories else 1
        counts = self.counted(generator, each)
        if self.device.type == "cuda":  # libraries load, and graphs are recorded, with the first
            list(generator.generate(self.targets(), each, 0, self.config.batch))
            forget_peak(self.device)
        with network_time(generator) as inside:
            began = time.perf_counter()
            done = list(generator.generate(self.targets(), each, 0, self.config.batch))
            seconds = time.perf_counter() - began
        samples = [sample for one in done for sample in one.samples]
        figures = {
            "seconds": seconds,
            "samples/s": len(samples) / seconds,
            "network evaluations a sample": float(np.mean([s.nfe for s in samples])),
            **self.rate(counts, "sample", seconds / len(samples)),
        }
        if self.plan.stories:
            figures["seconds an item"] = seconds / len(done)
            figures["candidates an item"] = len(samples) / len(done)
        elif inside["seconds"]:
            figures["share outside networks"] = 1 - inside["seconds"] / seconds
        self.note(f"decode {card.name}", **figures)

    def counted(self, generator: Any, each: int) -> Counts:
        """Of a sample, in a small batch."""
        targets = self.targets()[: 1 if self.plan.stories else COUNTED]
        operations = Operations()
        try:
            done = list(generator.generate(targets, each, 0, self.config.batch))
        finally:
            counts = operations.stop()
        made = sum(len(one.samples) for one in done)
        return Counts(counts.flops // made, counts.bytes // made)

    def compare(self) -> None:
        """PPLM in a batch against one sample after another; FUDGE's discriminator with its cache
        against reading the prefix again."""
        from eval.studies import speedups

        words = [text.words for text in self.plan.made]
        lengths = [len(text) + 1 for text in words[: speedups.SAMPLES]]
        folders = {"lm": self.build("lm"), "attribute_head": self.store.root / "attribute_head"}
        folders["attribute_head"].mkdir()
        speedups.train_head(
            folders["attribute_head"], folders["lm"], words, self.config.attribute_head, self.device
        )
        mean = float(np.mean(lengths))
        self.note("PPLM in a batch", **speedups.pplm(folders, self.config.pplm, mean, self.device))
        task = self.task.laid(self.config.discriminator.layout)
        prompt = task.prompt(self.targets()[0].control)
        reader = self.build("discriminator")
        figures = speedups.fudge(reader, prompt, max(lengths), self.device)
        self.note("FUDGE's discriminator, incremental", **figures)


def main(arguments: Sequence[str]) -> None:
    """``out=FILE`` stores the figures as JSON, ``estimate=CARD`` gives others; every other key is
    that of ``eval.run``. A corpus of stories, without a task, is timed under the task that
    fills."""
    if asks_help(arguments, USAGE):
        return
    own, rest = split(arguments, ["estimate"])
    # nothing of a floor is timed
    given = [one for one in rest if not one.startswith("floor=")]
    config = parse([*given, "floor=0"])
    if config.out:
        writable(Path(config.out))
    if config.threads:
        import torch

        torch.set_num_threads(config.threads)
    if own:
        figures = _estimate(config, own["estimate"])
        typed = [one for one in arguments if not one.startswith("out=")]
        _store(config, {**figures, "command": " ".join(["python -m eval.bench", *typed])})
        return
    timed_task(Plan(config))
    with tempfile.TemporaryDirectory() as folder:
        figures = Bench(config, Path(folder), lambda line: print(line, flush=True)).run()
    print(f"peak memory: {figures['peak memory GiB']:.2f} GiB")
    _store(config, figures)


def _estimate(config: RunConfig, card: str) -> dict[str, Any]:
    card_of(card)  # before anything that takes longer
    from eval.studies.roofline import estimate

    return estimate(config, card, lambda line: print(line, flush=True))


def _store(config: RunConfig, figures: Mapping[str, Any]) -> None:
    if config.out:
        write_text(Path(config.out), json_text(figures, indent=1, escape=True))
