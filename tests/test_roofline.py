"""What is counted of a computation, and what a card that is not at hand would take for it."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from eval.run import guarded
from eval.studies import bench, clocks, roofline
from models.nets.cards import SHEETS, sheet
from models.nets.counting import Kernel, Operations, Traffic, Work, counted, shapes_alone
from tests.test_bench import TOY

RESULTS = Path(__file__).parent.parent / "results"
STORED = RESULTS / "bench-gpu-estimate.json"


def test_operations_and_bytes_of_a_layer() -> None:
    """y = tanh(x W^T), fp32: x (4, 8), W (16, 8)."""
    x, weight = torch.ones(4, 8), torch.ones(16, 8)
    work = counted(lambda: torch.tanh(x @ weight.T).view(-1), [weight])
    product, tanh = work.kernels
    assert product.flops == 2 * 4 * 8 * 16 and tanh.flops == 0
    inputs, output = 4 * (4 * 8 + 16 * 8), 4 * 4 * 16
    assert work.bytes() == [inputs + output, 2 * output]
    assert work.of_parameters == 4 * 16 * 8
    # what was just written is read from a cache with room for it
    assert work.bytes(cache=output) == [inputs + output, output]


def test_counted_as_torch_counts() -> None:
    """Also with the backward pass, without numbers, and where torch leaves operations whole."""
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    x = torch.ones(3, 5, 16)
    with FlopCounterMode(display=False) as counter:
        layer(x).sum().backward()
    assert counted(lambda: layer(x).sum().backward()).flops == counter.get_total_flops() > 0
    with shapes_alone():
        layer, x = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), torch.ones(3, 5, 16)
        assert counted(lambda: layer(x).sum().backward()).flops == counter.get_total_flops()
    linear = nn.Linear(16, 4)
    with torch.inference_mode():
        assert counted(lambda: linear(torch.ones(2, 16))).flops == 2 * 2 * 16 * 4


def test_counted_where_the_gradient_is_of_what_a_module_is_given() -> None:
    """As guidance takes it; torch's own counter raises there."""
    layer, x = nn.Linear(16, 4), torch.ones(2, 16, requires_grad=True)
    with Operations() as operations:
        torch.autograd.grad(layer(x).sum(), x)
    assert operations.flops == 2 * (2 * 2 * 16 * 4)


def test_what_lies_between_products_is_fused() -> None:
    """Of product -> a -> b -> product, where b and nothing else is read: a is never written."""
    kernels = [
        Kernel(10.0, {1: 4.0}, {2: 8.0}, "mm"),
        Kernel(0.0, {2: 8.0}, {3: 8.0}, "a"),
        Kernel(2.0, {3: 8.0, 9: 1.0}, {4: 8.0}, "bmm"),
        Kernel(10.0, {4: 8.0}, {5: 2.0}, "mm"),
    ]
    fused = Work(kernels).fused().kernels
    assert [one.flops for one in fused] == [10.0, 2.0, 10.0]
    assert fused[1].reads == {2: 8.0, 9: 1.0} and fused[1].writes == {4: 8.0}


def test_the_slower_of_computing_and_moving() -> None:
    work = Work([Kernel(100.0, {1: 10.0}, {2: 0.0}), Kernel(10.0, {3: 40.0}, {4: 10.0})])
    # 100 / 10 beside 10 / 5, and 10 / 10 beside 50 / 5
    assert work.seconds(10.0, 5.0) == 10.0 + 10.0


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("Tesla V100-SXM2-32GB", "V100"),
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA A10G", "A10"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA GeForce RTX 4090", "4090"),
        ("NVIDIA GH200 480GB", None),
        ("gpu:h200:1", "H200"),
        ("", None),
    ],
)
def test_cards(name: str, found: str | None) -> None:
    sheet_of = sheet(name)
    assert (sheet_of.name if sheet_of else None) == found
    with patch.object(torch.cuda, "get_device_name", lambda _: name):
        most = clocks.peak_flops(torch.device("cuda"))
    assert most == (0.0 if found is None else SHEETS[found.lower()].flops)


def test_bytes_of_what_runs_once_for_each_tensor() -> None:
    """A product reads both of its factors and writes its result; a view moves nothing."""
    a, b = torch.ones(2, 3), torch.ones(4, 3, dtype=torch.bfloat16)
    with Traffic() as traffic:
        (a @ a.T) + 0.0
        b.T.expand(5, 3, 4).neg()
    product, added = 4 * (6 + 6 + 4), 4 * (4 + 4)
    assert traffic.bytes == product + added + 2 * (12 + 60)
    assert traffic.flops == 2 * 2 * 3 * 2


def toy(*more: str) -> list[str]:
    """The toy benchmark's keys with ``more``, which may be other values of the same ones."""
    given = [*TOY.split(), "task=syntax_spans,length"]
    names = {one.split("=")[0] for one in more}
    return [*(one for one in given if one.split("=")[0] not in names), *more]


def test_a_larger_batch_takes_as_many_times_more() -> None:
    from eval.running.command import parse

    one, two = (
        roofline.training_step(parse(toy(f"diffusion.train.batch={batch}", "floor=0")))[0]
        for batch in (8, 16)
    )
    assert two.flops == pytest.approx(2 * one.flops, rel=0.01)
    assert len(two.kernels) == len(one.kernels)


def test_an_estimate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "estimate.json"
    assert guarded(bench.main, toy("estimate=h100", f"out={out}")) == 0
    said = capsys.readouterr().out
    assert said.startswith("an estimate for one H100: counted, and not timed on any GPU")
    assert all(line.startswith("estimate, ") for line in said.splitlines()[1:])
    found = json.loads(out.read_text())
    assert found["estimate"] is True and found["card"]["name"] == "H100"
    for name in ("train", "guided syntax_spans", "guided length"):
        shares = found[name]["model FLOP utilisation"]
        assert 0 < shares["eager"] <= shares["compiled"] < shares["at peak"] < 1
    # guidance in 10 of 20 steps, as the released code has it
    assert found["guided length"]["guided steps"] == 10


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["estimate=h1000"], "unknown card 'h1000'"),
        (["estimate="], "estimate=: empty"),
        (["estimate=h100", "estimate=a100"], "estimate is given twice"),
        (["estimate=h100", "task=parts_of_speech"], "counts guidance by one span or length"),
    ],
)
def test_what_is_not_estimated(
    more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(bench.main, toy(*more)) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_the_stored_estimate_is_marked_as_one() -> None:
    stored = json.loads(STORED.read_text())
    assert stored["estimate"] is True and stored["note"] == roofline.NOTE
    assert stored["settings"]["preset"] == "paper" and stored["train"]["parameters"] == 87129749


def test_an_estimate_is_no_measurement() -> None:
    """Plans of sweeps take nothing of it for timed."""
    from slurm import neighbours

    assert STORED.name not in {one["path"].name for one in neighbours.benches()}
