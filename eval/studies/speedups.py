"""How much two things that the originals do not do save: steering a whole batch with PPLM, and
feeding FUDGE's discriminator one new position a token. For ``python -m eval.bench``."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tasks.base import Target, Words
from tasks.controls import Control, FieldValue

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from baselines.pplm.settings import PPLMSettings
    from models.nets.config import AttributeHeadConfig

#: samples that figures are for, as in the paper's appendix C
SAMPLES = 50
#: a text's words in the comparison of PPLM: one sample after another takes minutes at full length,
#: and time grows with the number of tokens in both
PPLM_WORDS = 4
#: samples that are steered one after another
ALONE = 2
CONTROL = FieldValue("field", "value 1")


def train_head(
    folder: Path,
    lm: Path,
    words: Sequence[Words],
    config: AttributeHeadConfig,
    device: torch.device,
) -> None:
    """An attribute head of made-up values, trained for a few steps."""
    from baselines.pplm.head import train_attribute_head

    pairs: list[tuple[Control, Words]] = [
        (FieldValue(CONTROL.field, f"value {i % 8}"), text) for i, text in enumerate(words)
    ]
    train_attribute_head(folder, lm, pairs, [], config, 0, device=device)


def pplm(
    folders: dict[str, Path], settings: PPLMSettings, tokens: float, device: torch.device
) -> dict[str, float]:
    """Seconds for ``SAMPLES`` texts of ``tokens`` tokens on average, in one batch and one after
    another.

    A sample alone runs as one row, without the rows that otherwise fill a batch up. Texts are cut
    off at ``PPLM_WORDS`` words, and the time of a steered token taken from there.
    """
    from baselines.pplm.method import PPLM
    from tasks import load_task

    short = dataclasses.replace(settings, max_words=PPLM_WORDS)
    generator = PPLM.load(folders, load_task("semantic_content"), short, device)
    # the network was trained for a few steps: its texts are not to end where it says
    generator.codec.eos = -1

    def seconds(count: int, batch: int) -> float:
        targets = [Target(f"bench-{i}", CONTROL) for i in range(count)]
        began = time.perf_counter()
        done = list(generator.generate(targets, 1, 0, batch))
        spent = time.perf_counter() - began
        # the first token takes no gradient steps
        return spent / sum(len(result.samples[0].tokens) - 1 for result in done)

    seconds(SAMPLES, SAMPLES)
    batched = seconds(SAMPLES, SAMPLES)
    with patch("models.nets.decoding.CPU_ROWS", 1), patch("models.nets.decoding.DEVICE_ROWS", 1):
        seconds(1, 1)
        alone = seconds(ALONE, 1)
    total = SAMPLES * (tokens - 1)
    return {
        f"seconds for {SAMPLES} samples": batched * total,
        "one after another": alone * total,
        "times faster": alone / batched,
        "measured on steered tokens": float(PPLM_WORDS),
    }


def fudge(folder: Path, head: Sequence[str], tokens: int, device: torch.device) -> dict[str, float]:
    """Seconds that the discriminator takes for ``SAMPLES`` texts, the longest of ``tokens`` tokens,
    after the prompt ``head``: reading one new position a token; reading the whole prefix again for
    each token; and reading it again for each of the ``pre_top_k`` candidates of a token, as the
    released code of FUDGE does (measured on one text).

    Weighing the candidates is part of all but the last figure, which is of reading alone."""
    import torch
    import torch.nn.functional as F

    from baselines.fudge.settings import FudgeSettings
    from models.nets.discriminator import PrefixScorer, load_discriminator

    class Again(PrefixScorer):
        """Without a cache."""

        def __init__(self, network: Any, heads: Sequence[Sequence[int]]) -> None:
            super().__init__(network, heads)
            self.ids = torch.tensor([heads[0]] * len(self.hidden), device=device)

        def advance(self, tokens: Tensor) -> None:
            self.ids = torch.cat([self.ids, tokens[:, None]], 1)
            self.hidden = self.network.decoder.hidden(self.ids)[:, -1]

    network, codec, _ = load_discriminator(folder, device)
    top_k = min(FudgeSettings().pre_top_k, codec.text_size)

    @torch.inference_mode()
    def seconds(kind: type[PrefixScorer], top_k: int) -> float:
        scorer = kind(network, [codec.head(head)] * SAMPLES)
        rows = len(scorer.hidden)
        candidates = torch.arange(top_k, device=device).expand(rows, -1)
        began = time.perf_counter()
        for i in range(tokens):
            best = scorer.log_prob(candidates).argmax(-1)
            scorer.advance(torch.full_like(best, 4 + i % 8))
        float(scorer.log_prob(candidates).sum())
        return time.perf_counter() - began

    @torch.inference_mode()
    def seconds_whole() -> float:
        candidates = torch.arange(top_k, device=device)[:, None]
        ids = torch.tensor(codec.head(head), device=device).expand(top_k, -1)
        began = time.perf_counter()
        for i in range(tokens + 1):
            float(F.logsigmoid(network(torch.cat([ids, candidates], 1))[:, -1].float()).max())
            ids = torch.cat([ids, torch.full_like(candidates, 4 + i % 8)], 1)
        return time.perf_counter() - began

    def both(top_k: int) -> tuple[float, float]:
        tries = [(seconds(PrefixScorer, top_k), seconds(Again, top_k)) for _ in range(3)]
        new, again = zip(*tries, strict=True)
        return min(new), min(again)

    new, again = both(top_k)
    read, read_again = both(1)
    whole = SAMPLES * seconds_whole()
    return {
        f"seconds for {SAMPLES} samples": new,
        "the prefix again": again,
        "times faster": again / new,
        "every candidate's prefix again": whole,
        "times faster than that": whole / new,
        "times faster, reading alone": read_again / read,
    }
