"""The benchmark at toy size: every figure is there and plausible."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from eval.studies import clocks
from eval.studies.bench import main

SMALL = "layers=1 {0}width=16 {0}heads=2"
TOY = (
    "preset=demo batch=8 diffusion.time=16 diffusion.steps=40 classifier.steps=20 "
    "diffusion_lm.sampling.steps=20 diffusion.train.batch=4 classifier.train.batch=4 "
    "lm.train.batch=4 finetune.train.batch=4 discriminator.train.batch=4 "
    "pplm.steps=2 fudge.max_words=12 ft_sample.max_words=12 ft_search.max_words=12 "
    "diffusion.network." + SMALL.format("diffusion.network.") + " "
    "classifier.network." + SMALL.format("classifier.network.") + " "
    "lm." + SMALL.format("lm.") + " "
    "finetune." + SMALL.format("finetune.") + " "
    "discriminator." + SMALL.format("discriminator.")
)


def test_figures(tmp_path: Path) -> None:
    main([*TOY.split(), f"out={tmp_path / 'bench.json'}"])
    figures = json.loads((tmp_path / "bench.json").read_text())
    for network in ("diffusion", "classifier", "lm", "finetuned", "discriminator"):
        found = figures[f"train {network}"]
        assert found["steps/s"] > 0 and found["parameters"] > 0
        assert found["tokens/s"] > found["steps/s"] and found["GiB by its shape"] > 0
        assert found["FLOP a step"] > 0
        assert found["FLOP/s"] == pytest.approx(found["FLOP a step"] * found["steps/s"])
        assert found["bytes a step"] > 4 * found["parameters"]
        assert found["share of peak"] == pytest.approx(found["FLOP/s"] / figures["peak FLOP/s"])
    for method in ("diffusion_lm", "fudge", "ft_sample", "ft_search"):
        assert figures[f"decode {method}"]["samples/s"] > 0
        found = figures[f"decode {method}"]
        assert found["FLOP a sample"] > 0 and found["bytes a sample"] > 0
        assert 0 < found["share of peak"] < 1
    guided = figures["decode diffusion_lm"]
    # 20 steps of the denoiser, and 3 gradients at each of the 10 guided ones
    assert guided["network evaluations a sample"] == 50
    assert 0 < guided["share outside networks"] < 1
    # how much is a matter of the clock, and at this size a cache costs as much as it saves
    assert figures["PPLM in a batch"]["times faster"] > 0
    fudge = figures["FUDGE's discriminator, incremental"]
    assert fudge["times faster"] > 0 and fudge["times faster than that"] > 0
    assert figures["peak memory GiB"] > 0


def test_a_corpus_of_stories_times_infilling(tmp_path: Path) -> None:
    """No task is named: stories have one that is timed."""
    short = (
        "corpus=stories samples=3 diffusion_lm.infilling.sampling.steps=4 cold.iterations=4 "
        "cold.length=4 delorean.length=4 delorean.backward_steps=2"
    )
    main([*TOY.split(), *short.split(), f"out={tmp_path / 'bench.json'}"])
    figures = json.loads((tmp_path / "bench.json").read_text())
    candidates = {
        method: figures[f"decode {method}"]["candidates an item"]
        for method in ("diffusion_lm", "ar_infilling", "left_only", "delorean", "cold")
    }
    assert candidates == dict.fromkeys(candidates, 3)
    assert all(figures[f"decode {m}"]["seconds an item"] > 0 for m in candidates)


def test_steps_of_a_gpu_are_timed_as_a_whole() -> None:
    """It is in time at the first and the last step alone; a CPU's median leaves out a slow one."""
    times = [0.0, 1.0, 2.0, 9.0, 10.0]
    assert clocks.step_seconds(times, torch.device("cuda")) == 2.5
    assert clocks.step_seconds(times, torch.device("cpu")) == 1.0


def test_a_gpu_is_waited_for_where_its_time_begins_and_ends() -> None:
    waited: list[int] = []
    clock = clocks.Clock(torch.device("cuda"))

    def now(device: torch.device) -> float:
        waited.append(len(clock.times) + 1)
        return float(len(clock.times))

    with patch.object(clocks, "now", now):
        for done in range(1, 21):
            clock(done, 20)
            if done == clocks.BEFORE:  # the step that is counted
                torch.ones(2, 3) @ torch.ones(3, 5)
    assert waited == [1, 2, 3, 4, 20] and clock.counts.flops == 2 * 2 * 3 * 5
    assert len(clock.times[clocks.BEFORE :]) == 17
