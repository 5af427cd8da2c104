"""Seconds an item of sentence infilling, for each method, on networks trained for a few steps."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

import numpy as np

from baselines import INFILLERS
from eval.studies.bench import Bench, peak_memory, short
from tasks.base import Target, Words
from tasks.controls import Infill

ITEMS = 8
#: words of a sentence
SENTENCE = 10


class InfillingBench(Bench):
    """Decodes ``ITEMS`` made-up items of three sentences, ``samples`` candidates each."""

    def run(self) -> dict[str, Any]:
        self.words = [words[: 3 * SENTENCE] for words in self.words]
        self.figures |= {"items": ITEMS, "samples an item": self.config.samples}
        self.train_diffusion()
        self._train_lms()
        counts = {"counts": {str(SENTENCE): 1}}
        (self.place("lengths") / "lengths.json").write_text(json.dumps(counts), encoding="utf-8")
        for method in INFILLERS:
            self.decode(method)
        self.figures["peak memory GiB"] = peak_memory(self.device)
        return self.figures

    def _train_lms(self) -> None:
        from models.nets.causal import train_lm
        from models.nets.codec import WordCodec

        lm = dataclasses.replace(self.config.lm, pretrained="", train=short(self.config.lm.train))
        examples = [((), words) for words in self.words]
        for role in ("lm", "backward_lm", "reordered_lm"):
            codec = WordCodec(self.vocabulary)
            train_lm(self.place(role), examples, examples[:8], codec, lm, 0, self.device)

    def items(self) -> list[Target]:
        rng = np.random.default_rng(0)

        def sentence() -> Words:
            at = rng.integers(4, len(self.vocabulary), SENTENCE)
            return tuple(self.vocabulary.words[i] for i in at)

        return [Target(f"bench-{i}", Infill(sentence(), sentence())) for i in range(ITEMS)]

    def decode(self, method: str) -> None:
        from baselines import METHODS

        cls, task = METHODS.load(method), self.plan.task("infilling")
        folders = {role: self.folder / role for role in cls.artefacts("infilling")}
        generator = cls.load(folders, task, getattr(self.config, method), self.device)
        began = time.perf_counter()
        found = list(generator.generate(self.items(), self.config.samples, 0, self.config.batch))
        seconds = time.perf_counter() - began
        samples = [sample for done in found for sample in done.samples]
        self.note(
            f"fill in with {method}",
            **{
                "seconds an item": seconds / ITEMS,
                "candidates an item": len(samples) / ITEMS,
                "network evaluations a candidate": float(np.mean([s.nfe for s in samples])),
            },
        )
