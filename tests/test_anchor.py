"""The anchor loss: one estimate answers for its squared error and for the words' probabilities, so
that what is best for the one is nearly so for the other."""

from __future__ import annotations

import math

import pytest
import torch

from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.denoiser import Denoiser
from models.diffusion.latents.network import Noised
from models.nets.config import EncoderConfig

VOCABULARY, PAIRS = 200, 256


def network(dim: int, objective: str = "anchor") -> Denoiser:
    torch.manual_seed(0)
    config = DiffusionConfig(
        length=8,
        embedding=dim,
        steps=40,
        objective=objective,  # type: ignore[arg-type]
        time=8,
        network=EncoderConfig(1, 16, 2, 32, 0.0, 0.0),
    )
    made = Denoiser(config, VOCABULARY)
    torch.nn.init.normal_(made.embedding.weight)
    return made


def surprise(made: Denoiser, estimate: torch.Tensor, words: torch.Tensor) -> float:
    return float(torch.nn.functional.cross_entropy(made.logits(estimate), words))


@pytest.mark.parametrize("dim", [128, 512])
@torch.no_grad()
def test_the_mean_of_embeddings_says_the_words_it_is_a_mean_of(dim: int) -> None:
    """Of one word, and of two that are as likely: what the least squared error gives."""
    made = network(dim)
    table = made.embedding.weight
    first, second = torch.randint(0, VOCABULARY, (2, PAIRS))
    assert surprise(made, table[first], first) < 0.05
    mean = (table[first] + table[second]) / 2
    both = (surprise(made, mean, first) + surprise(made, mean, second)) / 2
    assert math.log(2) < both < math.log(2) + 0.7
    # and where dot products are not divided, far from it
    plain = network(dim, "simple")
    both = (surprise(plain, mean, first) + surprise(plain, mean, second)) / 2
    assert both > math.log(2) + 1.5


def test_the_loss_reads_words_as_decoding_does() -> None:
    made = network(128).eval()
    ids = torch.randint(0, VOCABULARY, (3, 8))
    t = torch.tensor([1, 20, 39])
    clean = made.embedding(ids)
    noise = torch.randn_like(clean)
    texts = Noised(ids, clean, clean, clean, t, noise, None, None)
    out = made(clean, made.times(t), None)
    found = torch.nn.functional.cross_entropy(made.logits(out).flatten(0, 1), ids.flatten())
    torch.testing.assert_close(made.terms(texts)["anchor"].mean(), found)
    assert made.said(clean, t, made.times(t))[1].allclose(made.logits(out))
