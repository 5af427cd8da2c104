"""``python -m eval.bench preset=small``: how fast the networks of a preset train and decode.

The time of a step does not depend on what the weights are, so networks are trained for a few steps
on made-up texts of the corpus's usual lengths, and decode from there.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

from eval.running.config import RunConfig, asks_help, parse
from tasks import STORIES
from tasks.base import Target, Text, Words
from tasks.controls import Span
from tasks.vocabulary import SPECIALS, Vocabulary

if TYPE_CHECKING:
    import torch

    from models.nets.config import TrainConfig

USAGE = """\
usage: python -m eval.bench key=value ...

Times training steps and decoding with the networks of a preset; out=FILE stores the figures.

  python -m eval.bench preset=small corpus=e2e data=../shared/data
  python -m eval.bench preset=small corpus=rocstories data=../shared/data out=infilling.json

Keys, with type, default and meaning, are those of python -m eval.run:
"""
#: vocabulary size of each corpus
WORDS = {"e2e": 821, "grammar": 662, "rocstories": 4994, "anlg": 4994}
TEXTS = 512
STEPS = 12
TARGET = Target("bench", Span(2, 4, "NP"))


class Clock:
    """A ``Progress`` that notes when each step ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, done: float, total: float, note: str = "") -> None:
        self.times.append(time.perf_counter())

    def step(self) -> float:
        """Median seconds of a step, the first ones left out."""
        gaps = np.diff(self.times)[2:]
        return float(statistics.median(gaps))


def texts(vocabulary: Vocabulary, seed: int = 0) -> list[Text]:
    """Made-up texts of 8 to 38 words, each with a tree of one noun phrase."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(TEXTS):
        n = int(np.clip(rng.normal(25, 6), 8, 38))
        words = tuple(vocabulary.words[i] for i in rng.integers(4, len(vocabulary), n))
        leaves = [f"(NN {word})" for word in words]
        tree = " ".join([*leaves[:2], "(NP", *leaves[2:5], ")", *leaves[5:]])
        out.append(Text(words, f"(S {tree})"))
    return out


def short(config: TrainConfig) -> TrainConfig:
    """The same training for a few steps, without checkpoints or points of the curve between."""
    return dataclasses.replace(config, steps=STEPS, every=10**6, checkpoint=1e9)


class Bench:
    """Trains each network for a few steps into a folder and decodes with each method."""

    def __init__(self, config: RunConfig, folder: Path, say: Callable[[str], None]) -> None:
        from eval.running.recipes import Plan

        self.config, self.folder, self.say = config, folder, say
        self.plan = plan = Plan(config)
        self.device, self.task = plan.device, plan.task("syntax_spans")
        size = WORDS.get(config.corpus, 821)
        self.vocabulary = Vocabulary([*SPECIALS, *(f"w{i}" for i in range(size - len(SPECIALS)))])
        self.texts = texts(self.vocabulary)
        self.words: list[Words] = [text.words for text in self.texts]
        self.figures: dict[str, Any] = {
            "preset": config.preset,
            "device": str(self.device),
            "threads": _threads(),
        }

    def run(self) -> dict[str, Any]:
        self.train_diffusion()
        self.train_classifier()
        self.train_autoregressive()
        for method in ("diffusion_lm", "fudge", "ft_sample", "ft_search"):
            self.decode(method)
        self.compare()
        self.figures["peak memory GiB"] = peak_memory(self.device)
        return self.figures

    def place(self, role: str) -> Path:
        path = self.folder / role
        path.mkdir(exist_ok=True)
        return path

    def note(self, name: str, **figures: float) -> None:
        self.figures[name] = figures
        shown = ", ".join(f"{key} {value:.3g}" for key, value in figures.items())
        self.say(f"{name}: {shown}")

    # training

    def train_diffusion(self) -> None:
        from models.diffusion_lm.denoiser import Denoiser
        from models.diffusion_lm.training import train_diffusion

        config, clock = self.config.diffusion, Clock()
        own = dataclasses.replace(config, train=short(config.train))
        held = self.words[:8]
        train_diffusion(
            self.place("diffusion"), self.words, held, self.vocabulary, own, 0, self.device, clock
        )
        size = sum(p.numel() for p in Denoiser(config, len(self.vocabulary)).parameters())
        self._training("train diffusion", clock, config.train.batch * config.length, size)

    def train_classifier(self) -> None:
        from models.diffusion.classifiers.training import train_classifier

        config, clock = self.config.classifier, Clock()
        own = dataclasses.replace(config, train=short(config.train))
        train_classifier(
            self.place("classifier"), self.folder / "diffusion", "syntax_spans", self.texts,
            self.texts[:8], own, 0, self.device, clock,
        )  # fmt: skip
        tokens = config.train.batch * self.config.diffusion.length
        self._training("train classifier", clock, tokens)

    def train_autoregressive(self) -> None:
        from models.nets.causal import load_lm, train_lm
        from models.nets.codec import WordCodec
        from models.nets.discriminator import train_discriminator

        plain = [((), words) for words in self.words]
        pairs = [
            (self.task.prompt(control), words)
            for control, words in self.task.examples(self.texts, 0)
        ]
        codec = WordCodec(self.vocabulary)
        prompts = codec.with_prompt(self.task.prompt_tokens(self.texts))
        mean = float(np.mean([len(words) for words in self.words])) + 2
        lm = dataclasses.replace(self.config.lm, pretrained="", train=short(self.config.lm.train))
        tuned = dataclasses.replace(
            self.config.finetune, pretrained="", train=short(self.config.finetune.train)
        )
        judge = self.config.discriminator
        judge = dataclasses.replace(judge, train=short(judge.train))
        clock = Clock()
        train_lm(self.place("lm"), plain, plain[:8], codec, lm, 0, self.device, clock)
        model, _, _ = load_lm(self.folder / "lm", self.device)
        size = sum(p.numel() for p in model.parameters())
        self._training("train causal LM", clock, lm.train.batch * mean, size)
        train_lm(self.place("finetuned"), pairs, pairs[:8], prompts, tuned, 0, self.device)
        clock = Clock()
        train_discriminator(
            self.place("discriminator"), pairs, pairs[:8], prompts, judge, 0, self.device, clock
        )
        self._training("train discriminator", clock, judge.train.batch * mean)

    def _training(self, name: str, clock: Clock, tokens: float, size: int = 0) -> None:
        step = clock.step()
        figures = {"seconds a step": step, "steps/s": 1 / step, "tokens/s": tokens / step}
        if size:
            figures["parameters"] = size
        self.note(name, **figures)

    # decoding

    def decode(self, method: str) -> None:
        """One batch of samples under a span, and for Diffusion-LM where the time goes."""
        from baselines import METHODS

        cls = METHODS.load(method)
        folders = {role: self.folder / role for role in cls.artefacts("syntax_spans")}
        generator = cls.load(folders, self.task, getattr(self.config, method), self.device)
        count = self.config.batch
        targets = [dataclasses.replace(TARGET, id=f"bench-{i}") for i in range(count)]
        with network_time(generator) as inside:
            began = time.perf_counter()
            samples = [
                sample
                for done in generator.generate(targets, 1, 0, self.config.batch)
                for sample in done.samples
            ]
            seconds = time.perf_counter() - began
        figures = {
            "seconds a batch": seconds,
            "samples/s": len(samples) / seconds,
            "network evaluations a sample": float(np.mean([s.nfe for s in samples])),
        }
        if method == "diffusion_lm":
            figures["share outside networks"] = 1 - inside["seconds"] / seconds
        self.note(f"decode {method}", **figures)

    def compare(self) -> None:
        """PPLM in a batch against one sample after another; FUDGE's discriminator with its cache
        against reading the prefix again."""
        from eval.studies import speedups

        head = self.config.attribute_head
        head = dataclasses.replace(head, train=short(head.train))
        folders = {role: self.place(role) for role in ("lm", "attribute_head")}
        words, device = self.words, self.device
        speedups.train_head(folders["attribute_head"], folders["lm"], words, head, device)
        lengths = [len(text) + 1 for text in words[: speedups.SAMPLES]]
        figures = speedups.pplm(folders, self.config.pplm, float(np.mean(lengths)), device)
        self.note("PPLM in a batch", **figures)
        prompt = self.task.prompt(TARGET.control)
        figures = speedups.fudge(self.folder / "discriminator", prompt, max(lengths), device)
        self.note("FUDGE's discriminator, incremental", **figures)


@contextmanager
def network_time(generator: Any) -> Iterator[Mapping[str, float]]:
    """Seconds spent in the denoiser and in the guide, its gradient included, while inside."""
    spent = {"seconds": 0.0}
    if not hasattr(generator, "diffusion"):
        yield spent
        return
    import torch

    depth = 0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            depth += 1
            began = _now(generator.diffusion.device)
            try:
                return function(*args, **kwargs)
            finally:
                depth -= 1
                if depth == 0:  # a network inside a gradient counts once
                    spent["seconds"] += _now(generator.diffusion.device) - began

        return wrapper

    from models.diffusion.classifiers.chart import SpanGuide

    patches = [
        patch.object(generator.diffusion, "x0", timed(generator.diffusion.x0)),
        patch.object(torch.autograd, "grad", timed(torch.autograd.grad)),
        patch.object(SpanGuide, "__call__", timed(SpanGuide.__call__)),
    ]
    with patches[0], patches[1], patches[2]:
        yield spent


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
    return time.perf_counter()


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def peak_memory(device: torch.device) -> float:
    """GiB: of the process, or of the device where there is one."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _timed(arguments: Sequence[str]) -> list[str]:
    """``arguments`` with the one task that a corpus of stories is timed for, if they name none."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    stories = given.get("corpus") in STORIES and "task" not in given
    return [*arguments, *(["task=infilling"] if stories else [])]


def main(arguments: Sequence[str]) -> None:
    """``out=FILE`` stores the figures as JSON; every other key is that of ``eval.run``. With a
    corpus of stories, the methods of sentence infilling."""
    if asks_help(arguments, USAGE):
        return
    config = parse(_timed(arguments))
    if config.threads:
        import torch

        torch.set_num_threads(config.threads)
    cls = Bench
    if config.corpus in STORIES:
        from eval.studies.bench_infilling import InfillingBench

        cls = InfillingBench
    with tempfile.TemporaryDirectory() as folder:
        figures = cls(config, Path(folder), lambda line: print(line, flush=True)).run()
    print(f"peak memory: {figures['peak memory GiB']:.2f} GiB")
    if config.out:
        Path(config.out).write_text(json.dumps(figures, indent=1), encoding="utf-8")
