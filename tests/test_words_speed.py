"""What makes guided decoding faster changes no sample."""

from __future__ import annotations

import pytest
import torch
from test_words_families import TEXTS
from word_nets import CPU, TINY, WORDS

from models.diffusion.classifiers import chart
from models.diffusion.classifiers.base import Setup
from models.diffusion.words import guide
from models.diffusion.words.config import WordClassifierConfig
from models.diffusion.words.guide import Guides
from models.diffusion.words.noising import WordGuide, space
from models.nets.config import TrainConfig
from tasks.controls import ParseTree, Span


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_charts_and_chunks_of_texts(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    config = WordClassifierConfig(
        steps=20, length=16, span_hidden=8, network=TINY, train=TrainConfig(steps=2, batch=4)
    )
    made, names = chart.objective(Setup(space(WORDS, 16, 20, CPU), config, TEXTS, TEXTS, None, 0))
    network = made.classifier.to(dtype).eval().requires_grad_(False)
    labels = {name: i for i, name in enumerate(names)}
    x = network.own_table[torch.randint(4, len(WORDS), (8, 16))]
    s = torch.full((8,), 3)
    with_gradients = network.chart(x, s)
    with torch.no_grad():
        assert torch.equal(network.chart(x, s), with_gradients)
    ids = torch.randint(4, len(WORDS), (100, 16))
    rows, noise = torch.arange(100) % 4, torch.rand(100)
    for make, control in (
        (chart.TreeGuide, ParseTree("(S (NP (NN *)) (VP (NN *)) (NN *))")),
        (chart.SpanGuide, Span(0, 2, "NP")),
    ):
        parts = [(WordGuide(make(network, labels, [control] * 4), 20), 2.0)]
        found = []
        for size in (256, 64, 16):
            monkeypatch.setattr(guide, "CPU_ROWS", size)
            with torch.no_grad():
                found.append(Guides(parts, 4, 16).log_prob(ids, rows, noise))
        assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
