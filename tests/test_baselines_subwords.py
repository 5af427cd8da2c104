"""Left-only and DELOREAN over a model with a subword tokenizer, as a pretrained GPT-2 has."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fetching import CODEC, TARGETS

from baselines.candidates import continuation
from baselines.delorean.method import Delorean
from baselines.delorean.settings import DeloreanSettings
from baselines.left_only.method import LeftOnly
from baselines.left_only.settings import LeftOnlySettings
from models.nets.backbones import CausalLM
from models.nets.backbones.gpt2 import GPT2
from models.nets.codec import TokenizerCodec
from tasks.controls import Infill


@pytest.fixture(scope="module")
def codec() -> TokenizerCodec:
    """Byte pairs of the errands' words; many words are several tokens."""
    from tokenizers import ByteLevelBPETokenizer

    bpe = ByteLevelBPETokenizer()
    texts = [" ".join((*t.control.left, *t.control.right)) for t in TARGETS]  # type: ignore
    bpe.train_from_iterator(texts, vocab_size=285, special_tokens=["<|endoftext|>"])
    return TokenizerCodec(bpe._tokenizer.to_str(), 0, 0, CODEC.vocabulary)


def network(codec: TokenizerCodec) -> CausalLM:
    torch.manual_seed(0)
    return GPT2.fresh(len(codec), 96, 1, 16, 2, 0.0).eval().requires_grad_(False)


def test_a_continuation_begins_with_its_space(codec: TokenizerCodec) -> None:
    for target in TARGETS:
        control = target.control
        assert isinstance(control, Infill)
        left, right = (
            codec.encode(control.left),
            continuation(codec, *(control.left, control.right)),
        )
        assert codec.words([*left, *right]) == (*control.left, *control.right)
        assert right != codec.encode(control.right) and len(right) > len(control.right)
    assert continuation(CODEC, ("she",), ("tea", ".")) == CODEC.encode(["tea", "."])


def test_both_methods_run(codec: TokenizerCodec) -> None:
    """Words come out of subword tokens; the left-only sample stops behind its mark."""
    model = network(codec)
    filling = DeloreanSettings(length=6, passes=2, backward_steps=2, step_size=0.1)
    (found,) = Delorean(model, codec, filling).generate(TARGETS[:1], 2, seed=0)
    assert all(len(one.tokens) == 6 and one.words for one in found.samples)
    assert not {"<|endoftext|>", "UNK", "<PAD>"} & {t for one in found.samples for t in one.tokens}

    stop = continuation(codec, ("tea",), (".",))
    assert len(stop) == 1
    bias = torch.zeros(len(codec))
    bias[stop[0]] = 99.0
    head = torch.nn.Linear(16, len(codec))
    torch.nn.init.zeros_(head.weight)
    head.bias.data = bias
    model.network.lm_head = head.requires_grad_(False)
    generator = LeftOnly(model, codec, replace(LeftOnlySettings(), max_words=5))
    (found,) = generator.generate(TARGETS[:1], 1, seed=0)
    assert found.samples[0].words == (".",) and found.samples[0].tokens == ("Ġ.",)
