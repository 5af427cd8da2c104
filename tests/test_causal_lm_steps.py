"""Decoding token by token gives the bits that it gave before it was made fast: a network read by
its own layers, a cache that is written into, rows that leave once they have ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from models.nets import beam, decoding
from models.nets.backbones import CachedNetwork
from models.nets.backbones.caches import ROOM
from models.nets.backbones.gpt2 import GPT2
from models.nets.beam import beam_search
from models.nets.config import DiscriminatorConfig
from models.nets.decoding import LONG, Experts, least_rows, sample, stack, staying
from models.nets.discriminator import Discriminator, PrefixScorer, Steering
from models.nets.finite import NotFinite
from models.nets.precision import LEAST_TOKENS

EOS = 1
CPU = torch.device("cpu")
#: widths and heads: some whose heads' numbers do not fill a cache line
SIZES = [(16, 2), (30, 3), (35, 5), (128, 4), (224, 4)]


def made(width: int = 32, heads: int = 2, vocabulary: int = 12, seed: int = 0) -> GPT2:
    torch.manual_seed(seed)
    model = GPT2.fresh(vocabulary, 100, 2, width, heads, 0.1).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.mul_(2.0)
    return model


def library(model: GPT2) -> GPT2:
    """The same network, read by the library."""
    other = GPT2(model.network)
    other._plain = False
    return other


@pytest.mark.parametrize("size", SIZES)
@torch.inference_mode()
def test_steps_are_the_librarys_bit_for_bit(size: tuple[int, int]) -> None:
    """Beyond the first buffers, with fewer rows, rows twice, and rows in another order."""
    model = made(*size, vocabulary=40)
    for rows in (1, 8, 24):
        ids = torch.randint(0, 40, (rows, ROOM + 12))
        theirs, ours, at = DynamicCache(config=model.body.config), CachedNetwork(model), 0
        for n in (3, 1, 1, 5, *[1] * (ROOM + 2)):
            part, at = ids[:, at : at + n], at + n
            out = model.body(input_ids=part, past_key_values=theirs, use_cache=True)
            assert torch.equal(ours.feed(part), out.last_hidden_state[:, -1])
            if at in (10, 40, ROOM + 1):
                order = torch.randint(0, len(ids), (max(1, len(ids) - 3),))
                theirs.reorder_cache(order)  # type: ignore[arg-type]
                ours.reorder(order)
                ids = ids[order]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("past", [0, 5])
@pytest.mark.parametrize(("n", "masked"), [(1, False), (6, False), (6, True)])
def test_reading_and_its_gradients_are_the_librarys_bit_for_bit(
    size: tuple[int, int], past: int, n: int, masked: bool
) -> None:
    width, heads = size
    model, rows = made(width, heads), 8
    mask = positions = None
    if masked:
        mask = torch.ones(rows, past + n, dtype=torch.long)
        mask[:, :2] = torch.tensor([[0, 1], [0, 0]] * (rows // 2))
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, past:]

    def read(reader: GPT2) -> list[Tensor]:
        torch.manual_seed(1)
        embeds = torch.randn(rows, n, width, requires_grad=True)
        shape = rows, heads, past, width // heads
        before = [tuple(torch.randn(shape, requires_grad=True) for _ in "kv") for _ in range(2)]
        given: Any = before if past else ()
        hidden, between = reader.read(embeds, given, mask=mask, positions=positions)
        ahead, after = reader.read(0.5 * hidden[:, -1:], between)
        loss = reader.logits(ahead).log_softmax(-1)[..., 0].sum() + hidden.square().sum()
        leaves = [embeds, *(one for pair in given for one in pair)]
        gradients = torch.autograd.grad(loss, leaves)
        return [hidden, ahead, *(one for pair in after for one in pair), *gradients]

    for ours, theirs in zip(read(model), read(library(model)), strict=True):
        assert torch.equal(ours, theirs) and ours.stride() == theirs.stride()


@pytest.mark.parametrize("limit", [1, 7, 30])
def test_cached_texts_are_those_without_a_cache(limit: int) -> None:
    model = made()
    prompts = torch.randint(2, 12, (40, 3)).tolist()
    u = torch.rand(40, limit, dtype=torch.float64)
    texts = sample(model, prompts, u, EOS, [0], top_p=0.9)
    assert limit < 30 or len({len(text) for text in texts}) > 5
    with torch.inference_mode():
        for prompt, numbers, text in zip(prompts, u, texts, strict=True):
            ids = list(prompt)
            for i in range(limit):
                rows = torch.tensor([ids] * 8)
                logits = model.logits(library(model).hidden(rows)[:, -1])
                logits[:, 0] = -torch.inf
                drawn = decoding.draw(decoding.truncate(logits, 1.0, 0, 0.9), numbers[i].expand(8))
                ids.append(int(drawn[0]))
                if ids[-1] == EOS:
                    break
            assert ids[3:] == text


@contextmanager
def nobody_leaves() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (decoding, beam):
            patch.setattr(module, "staying", lambda *_: None)
        yield


class Heard:
    """A reweighting that changes nothing and keeps what each row's logits were, token by token."""

    def __init__(self, inner: Any, rows: int) -> None:
        self.inner, self.places, self.counts = inner, list(range(rows)), list[int]()
        self.said: dict[tuple[int, int], Tensor] = {}

    def logits(self, logits: Tensor) -> Tensor:
        out = logits if self.inner is None else self.inner.logits(logits)
        step = len(self.counts)
        self.counts.append(len(out))
        self.said |= {(place, step): row for place, row in zip(self.places, out, strict=True)}
        return out

    def keep(self, rows: Tensor) -> None:
        self.places = [self.places[i] for i in rows.tolist()]
        if self.inner is not None:
            self.inner.keep(rows)

    def advance(self, tokens: Tensor) -> None:
        if self.inner is not None:
            self.inner.advance(tokens)


def steering(kind: str, prompts: list[list[int]]) -> Any:
    if kind == "experts":
        return Experts([made(48, 3, 14, seed=1), made(seed=2)], [prompts, prompts], 12)
    if kind == "fudge":
        torch.manual_seed(3)
        network = Discriminator(12, DiscriminatorConfig(1, 32, 2, 0.0, 64, 32)).eval()
        odds = [0.1 * i for i in range(len(prompts))]
        scorers = [PrefixScorer(network, prompts, odds), PrefixScorer(network, prompts)]
        return Steering(scorers, [2.0, 3.0], 8)
    return None


@pytest.mark.parametrize("kind", ["", "experts", "fudge"])
@pytest.mark.parametrize("width", [32, 224])
def test_rows_that_leave_change_no_bit_of_the_others(kind: str, width: int) -> None:
    model = made(width, 4)
    prompts = torch.randint(2, 12, (45, 3), generator=torch.Generator().manual_seed(0)).tolist()
    u = torch.rand(45, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    @torch.inference_mode()
    def decode() -> tuple[list[list[int]], Heard]:
        heard = Heard(steering(kind, prompts), len(stack(prompts, CPU)))
        return sample(model, prompts, u, EOS, [0], top_k=6, reweighting=heard), heard

    texts, few = decode()
    with nobody_leaves():
        whole, all_rows = decode()
    assert texts == whole and min(all_rows.counts) == 48
    least = least_rows(model)
    assert min(few.counts) == 48 if least is None else least <= min(few.counts) < 48
    for i, text in enumerate(texts):
        for step in range(len(text)):
            assert torch.equal(few.said[i, step], all_rows.said[i, step])


@pytest.mark.parametrize("width", [32, 224])
def test_a_long_prompt_is_read_once_for_its_rows(width: int, monkeypatch: Any) -> None:
    """And gives them the bits that reading it for each of them gives."""
    model = made(width, 4)
    random = torch.Generator().manual_seed(0)
    few = torch.randint(2, 12, (3, LONG), generator=random).tolist()
    prompts = [few[i % 3] for i in range(20)]
    u = torch.rand(20, 30, dtype=torch.float64, generator=random)
    read: list[tuple[int, ...]] = []
    feed = CachedNetwork.feed

    def counted(self: CachedNetwork, ids: Tensor) -> Tensor:
        read.append(tuple(ids.shape))
        return feed(self, ids)

    monkeypatch.setattr(CachedNetwork, "feed", counted)
    found = sample(model, prompts, u, EOS, [0])
    assert read[0] == ((3, LONG) if least_rows(model) is not None else (24, LONG))
    monkeypatch.setattr(decoding, "LONG", LONG + 1)
    read.clear()
    assert sample(model, prompts, u, EOS, [0]) == found
    assert read[0] == (24, LONG) and len(set(map(tuple, found))) > 3


@pytest.mark.parametrize("limit", [3, 30])
def test_prompts_that_are_done_change_no_beam_of_the_others(limit: int) -> None:
    model = made(seed=10)
    prompts = torch.randint(2, 12, (43, 3), generator=torch.Generator().manual_seed(0)).tolist()
    found = beam_search(model, prompts, limit, EOS, [0], beams=3)
    with nobody_leaves():
        assert beam_search(model, prompts, limit, EOS, [0], beams=3) == found
    steps = sorted(n for _, n in found)
    assert limit == 3 or steps[2] < steps[-1]  # 40 of 43 fill up a batch


def test_which_rows_stay() -> None:
    """Those that go on come first; a batch is filled up, and has its least number of rows."""
    ended = torch.ones(32, dtype=torch.bool)
    ended[[30, 5]] = False
    rows = staying(ended)
    assert rows is not None and rows.tolist() == [5, 30, 0, 1, 2, 3, 4, 6]
    rows = staying(ended, LEAST_TOKENS)
    assert rows is not None and len(rows) == LEAST_TOKENS
    assert staying(ended, 32) is None and staying(~ended) is None


def test_numbers_that_are_not_finite_are_named_when_others_have_left() -> None:
    """Prompts 0 to 31 end at once, and what the last one is drawn from is broken later."""

    class Broken:
        places, step = torch.arange(40), 0

        def logits(self, logits: Tensor) -> Tensor:
            out = torch.zeros_like(logits)
            out[self.places < 32, EOS] = 1e4
            out[self.places >= 32, EOS] = -torch.inf
            if self.step == 2:
                out[self.places == 39] = torch.nan
            return out

        def keep(self, rows: Tensor) -> None:
            self.places = self.places[rows]

        def advance(self, tokens: Tensor) -> None:
            self.step += 1

    u = torch.full((40, 5), 0.5, dtype=torch.float64)
    with pytest.raises(NotFinite) as raised:
        sample(made(), [[4]] * 40, u, EOS, [], reweighting=Broken())
    assert raised.value.row == 39
