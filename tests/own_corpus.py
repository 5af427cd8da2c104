"""A corpus of one's own, made up, and settings under which its networks train in seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

DISHES, MOODS = ("soup", "bread", "cake", "pizza"), ("happy", "sad", "calm", "angry")
WHO = ("Mia", "Ben", "Zoe", "Tom")
WAYS = (
    ("{who} was {mood} after the {dish}.", "PROPN AUX ADJ ADP DET NOUN PUNCT",
     "(S (NP (NNP {who})) (VP (VBD was) (ADJP (JJ {mood})) (PP (IN after) (NP (DT the) "
     "(NN {dish})))) (. .))"),
    ("The {dish} made {who} {mood}.", "DET NOUN VERB PROPN ADJ PUNCT",
     "(S (NP (DT The) (NN {dish})) (VP (VBD made) (S (NP (NNP {who})) (ADJP (JJ {mood})))) (. .))"),
)  # fmt: skip


def rows(n: int = 200, *also: str) -> Iterator[dict[str, Any]]:
    """Rows of text and fields; ``also``: "tags", "tree"."""
    rng = Random(0)
    for _ in range(n):
        facts = {"dish": rng.choice(DISHES), "mood": rng.choice(MOODS), "who": rng.choice(WHO)}
        text, tags, tree = rng.choice(WAYS)
        row = {"text": text.format(**facts), "fields": facts}
        more = {"tags": tags.split(), "tree": tree.format(**facts)}
        yield row | {name: more[name] for name in also}


def write(path: Path, lines: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


_NETWORK = "layers=1 {0}.network.width=16 {0}.network.heads=2 {0}.network.feedforward=32"
_LM = "{0}.layers=1 {0}.width=16 {0}.heads=2 {0}.train.steps=4 {0}.train.batch=4"
TOY = [
    *f"diffusion.network.{_NETWORK.format('diffusion')}".split(),
    *f"classifier.network.{_NETWORK.format('classifier')}".split(),
    *["diffusion.train.steps=6", "classifier.train.steps=4", "classifier.train.batch=4"],
    *["diffusion.steps=20", "diffusion.time=16", "classifier.steps=10", "diffusion.train.batch=4"],
    *["diffusion_lm.sampling.steps=10", "unconditional.sampling.steps=10"],
    *_LM.format("lm").split(),
    *_LM.format("teacher").split(),
    *_LM.format("finetune").split(),
    *["parser.train.steps=4", "parser.train.batch=4", "threads=1", "samples=2", "floor=2"],
    "prebuilt=",
]
