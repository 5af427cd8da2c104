"""Sampling against analytic distributions, beam search against transformers, row independence."""

from __future__ import annotations

import pytest
import torch
from transformers.generation.logits_process import (
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from models.nets.backbones import CausalLM
from models.nets.backbones.gpt2 import GPT2
from models.nets.beam import beam_search
from models.nets.decoding import CPU_ROWS, draw, rows_at_once, sample, truncate

EOS = 1


def network(vocabulary: int, seed: int, sharpness: float = 4.0) -> CausalLM:
    """An untrained network whose next-token distributions are far from uniform."""
    torch.manual_seed(seed)
    model = GPT2.fresh(vocabulary, 40, 2, 32, 2, 0.0).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.mul_(sharpness)
    return model


def test_draws_invert_the_distribution_function() -> None:
    logits = torch.tensor([[0.0, -torch.inf, 1.0, -torch.inf]]).repeat(5, 1)
    p = 1 / (1 + torch.e)
    u = torch.tensor([0.0, p - 1e-6, p + 1e-6, 1 - 1e-9, 1.0], dtype=torch.float64)
    assert draw(logits, u).tolist() == [0, 0, 2, 2, 2]


def test_truncation_agrees_with_transformers() -> None:
    torch.manual_seed(0)
    logits = torch.randn(9, 30) * 3
    ids = torch.zeros(9, 1, dtype=torch.long)
    for temperature, k, p in [(0.7, 0, 1.0), (1.0, 5, 1.0), (1.0, 0, 0.8), (1.3, 12, 0.5)]:
        expected = TemperatureLogitsWarper(temperature)(ids, logits)
        if k:
            expected = TopKLogitsWarper(k)(ids, expected)
        if p < 1:
            expected = TopPLogitsWarper(p)(ids, expected)
        torch.testing.assert_close(truncate(logits, temperature, k, p), expected)


def test_samples_follow_the_distribution_of_the_network() -> None:
    """Chi-square of 4000 two-token samples against the exact joint distribution."""
    model, prompt, forbidden = network(6, 3, 1.0), [4, 5], [0]
    exact = torch.zeros(6, 6, dtype=torch.float64)
    with torch.no_grad():
        first = model.network(torch.tensor([prompt])).logits[0, -1].clone()
        first[forbidden] = -torch.inf
        for a in range(6):
            second = model.network(torch.tensor([[*prompt, a]])).logits[0, -1].clone()
            second[forbidden] = -torch.inf
            exact[a] = first.double().softmax(-1)[a] * second.double().softmax(-1)
    n = 4000
    uniforms = torch.rand(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    counts = torch.zeros(6, 6, dtype=torch.float64)
    ended = 0
    for row in sample(model, [prompt] * n, uniforms, EOS, forbidden):
        if row[0] == EOS:
            assert len(row) == 1
            ended += 1
        else:
            counts[row[0], row[1]] += 1
    assert counts[0].sum() == counts[:, 0].sum() == 0
    expected, seen = exact * n, counts
    cells = [i for i in range(6) if i not in (0, EOS)]
    e = torch.cat([expected[cells][:, 1:].flatten(), expected[EOS].sum()[None]])
    o = torch.cat([seen[cells][:, 1:].flatten(), torch.tensor([float(ended)])])
    chi2 = float(((o - e) ** 2 / e).sum())
    # 20 degrees of freedom: the 99.9th percentile is 45.3
    assert e.min() > 5 and len(e) == 21 and chi2 < 45.3


def test_a_row_does_not_depend_on_the_others() -> None:
    model = network(900, 0)
    prompts = torch.randint(4, 900, (64, 3), generator=torch.Generator().manual_seed(0)).tolist()
    u = torch.rand(64, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    together = sample(model, prompts, u, EOS, [0, 3])
    order = torch.randperm(64, generator=torch.Generator().manual_seed(2)).tolist()
    shuffled = sample(model, [prompts[i] for i in order], u[order], EOS, [0, 3])
    assert [together[i] for i in order] == shuffled
    for part in ([0], [5, 6, 7], list(range(20, 37))):
        assert sample(model, [prompts[i] for i in part], u[part], EOS, [0, 3]) == [
            together[i] for i in part
        ]
    beams = beam_search(model, prompts, 12, EOS, [0, 3])
    for part in ([0], [5, 6, 7], order[:17]):
        assert beam_search(model, [prompts[i] for i in part], 12, EOS, [0, 3]) == [
            beams[i] for i in part
        ]


def test_hidden_states_are_bitwise_equal_in_any_company() -> None:
    """What the independence of rows rests on, for one-token steps too."""
    model = network(900, 0)
    ids = torch.randint(4, 900, (64, 12), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = model.network(input_ids=ids[:, :3], use_cache=True)
        some = model.network(input_ids=ids[:CPU_ROWS, :3], use_cache=True)
        assert torch.equal(whole.logits[:CPU_ROWS], some.logits)
        for i in range(3, 12):
            whole = model.network(
                input_ids=ids[:, i : i + 1], past_key_values=whole.past_key_values
            )
            some = model.network(
                input_ids=ids[:CPU_ROWS, i : i + 1], past_key_values=some.past_key_values
            )
            assert torch.equal(whole.logits[:CPU_ROWS], some.logits)


@pytest.mark.parametrize("limit", [1, 3, 12, 25])
def test_beam_search_agrees_with_transformers(limit: int) -> None:
    lengths = set()
    for seed in range(3):
        for sharpness in (1.5, 3.0):
            model = network(9, seed, sharpness)
            prompts = torch.randint(2, 9, (6, 3)).tolist()
            # any id can play the end token: some end early, some hardly ever
            for eos in (1, 4, 7):
                mine = [row for row, _ in beam_search(model, prompts, limit, eos, [0])]
                theirs = model.network.generate(
                    torch.tensor(prompts),
                    attention_mask=torch.ones(6, 3, dtype=torch.long),
                    num_beams=4,
                    do_sample=False,
                    max_new_tokens=limit,
                    eos_token_id=eos,
                    pad_token_id=0,
                    suppress_tokens=[0],
                )[:, 3:].tolist()
                for row, other in zip(mine, theirs, strict=True):
                    cut = other.index(eos) + 1 if eos in other else len(other)
                    assert row == other[:cut]
                    lengths.add(len(row))
    assert limit == 1 or len(lengths) > 1


def test_beam_search_is_exhaustive_where_the_beam_is_wide_enough() -> None:
    """Two tokens from five: the best of all hypotheses by log-probability per token."""
    model = network(5, 0, 1.0)
    best = beam_search(model, [[4]], 2, EOS, [0], beams=4)[0][0]
    with torch.no_grad():
        scores: dict[tuple[int, ...], float] = {}
        first = model.network(torch.tensor([[4]])).logits[0, -1].log_softmax(-1)
        scores[(EOS,)] = float(first[EOS])
        for a in range(2, 5):
            second = model.network(torch.tensor([[4, a]])).logits[0, -1].log_softmax(-1)
            for b in range(1, 5):
                scores[(a, b)] = float(first[a] + second[b]) / 2
    assert tuple(best) == max(scores, key=lambda key: scores[key])


def test_an_accelerator_runs_a_fixed_number_of_rows_at_most() -> None:
    assert rows_at_once(128, torch.device("cpu")) == 128
    assert rows_at_once(128, torch.device("cuda")) == 64
    assert rows_at_once(3, torch.device("cuda")) == 3
