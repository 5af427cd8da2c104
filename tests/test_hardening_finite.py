"""Numbers that are NaN or infinite never become words: each method, by setting and by weight."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from decoding import RESULTS, UNCOMMITTED
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import models.nets.artefact
from baselines.candidates import best as best_candidate
from eval.run import main
from models.diffusion.gaussian import Gaussian
from models.diffusion.loop import walk
from models.diffusion.schedule import make_schedule
from models.nets.backbones.gpt2 import GPT2
from models.nets.beam import beam_search
from models.nets.codec import WordCodec
from models.nets.decoding import draw, sample
from models.nets.finite import NotFinite, Watch, numbers, sizes
from models.nets.teacher import Teacher
from tasks.common.errors import UserError
from tasks.controls import Infill
from tasks.vocabulary import SPECIALS, Vocabulary
from tests.hardening import Tried

#: rows of logits that hypothesis draws
EXAMPLES = 200
BROKEN = (float("nan"), float("inf"), float("-inf"))
ROW = st.lists(st.floats(width=32), min_size=4, max_size=4)


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=3), st.floats(0, 1, exclude_max=True))
def test_a_draw_is_among_finite_logits_or_an_error(rows: list[list[float]], u: float) -> None:
    logits = torch.tensor(rows)
    legal = [max(row) < torch.inf and max(row) > -torch.inf and not any(x != x for x in row)
             for row in rows]  # fmt: skip
    uniforms = torch.full((len(rows),), u, dtype=torch.float64)
    if all(legal):
        ids = draw(logits, uniforms).tolist()
        assert all(row[i] > -torch.inf for row, i in zip(rows, ids, strict=True))
        return
    with pytest.raises(NotFinite) as caught:
        draw(logits, uniforms)
    assert caught.value.row == legal.index(False)


def language_model() -> GPT2:
    torch.manual_seed(0)
    return GPT2.fresh(12, 16, 2, 16, 2, 0.0).eval().requires_grad_(False)


DECODERS: dict[str, Callable[[GPT2], Any]] = {
    "sample": lambda model: sample(model, [[1, 2]], torch.rand(1, 5, dtype=torch.double), 1, [0]),
    "top_k": lambda model: sample(
        model, [[1, 2]], torch.rand(1, 5, dtype=torch.double), 1, [0], top_k=3
    ),
    "top_p": lambda model: sample(
        model, [[1, 2]], torch.rand(1, 5, dtype=torch.double), 1, [0], top_p=0.5
    ),
    "beam search": lambda model: beam_search(model, [[1, 2]], 5, 1, [0]),
    "teacher": lambda model: Teacher(
        model, WordCodec(Vocabulary([*SPECIALS, *"abcdefgh"])), "0" * 64
    ).score([("a", "b")]),
}


@pytest.mark.parametrize("number", BROKEN)
@pytest.mark.parametrize("decoder", DECODERS)
def test_one_weight_of_the_last_layer_ends_decoding(decoder: str, number: float) -> None:
    model = language_model()
    DECODERS[decoder](model)
    model.body.ln_f.weight.data[3] = number
    with pytest.raises(UserError, match=r"not finite|no number"):
        DECODERS[decoder](model)


#: (level at which it comes, what the estimate then holds)
ESTIMATES = [(t, number) for t in (19, 7, 0) for number in (*BROKEN, 1e30)]


@pytest.mark.parametrize(("level", "number"), ESTIMATES)
@pytest.mark.parametrize("clamped", [False, True])
def test_a_walk_ends_at_a_broken_estimate(level: int, number: float, clamped: bool) -> None:
    """Though clamping makes zeros of it."""
    process = Gaussian(make_schedule("sqrt", 20))

    def estimate(x: Tensor, t: int, previous: Tensor | None) -> Tensor:
        out = torch.zeros_like(x)
        out[1, 0, 0] = number if t == level else 0.0
        return out

    torch.manual_seed(0)
    with pytest.raises(NotFinite) as caught:
        walk(
            estimate, process, lambda: torch.randn(2, 3, 4), torch.device("cpu"),
            project=torch.zeros_like if clamped else None,
        )  # fmt: skip
    assert caught.value.row == 1


def test_what_is_legal_passes() -> None:
    assert numbers(torch.tensor([[[0.0, -torch.inf]], [[-torch.inf, -torch.inf]]])).all()
    assert sizes(torch.tensor([[1e18, -1e18]])).all() and not sizes(torch.tensor([[1e20, 0]])).any()
    watch = Watch()
    watch(torch.tensor([True, True]), "these")
    watch(torch.tensor([True, False]), "these")
    with pytest.raises(NotFinite, match="these are not finite"):
        watch.close()


@pytest.mark.parametrize("score", BROKEN)
def test_candidates_are_not_ranked_by_what_is_no_number(score: float) -> None:
    class Ranking:
        def scores(self, control: Infill, middles: Any) -> list[float]:
            return [score, 0.0]

    with pytest.raises(NotFinite, match="the scores that rank candidates"):
        best_candidate(Ranking(), Infill(("a",), ("b",)), [("c",), ("d",)])


# from the command line

DEMO = ["targets=1", "samples=2", "floor=0", "threads=1", "device=cpu"]
STORIES = [
    *[one for one in UNCOMMITTED["toy-stories"] if one.split("=")[0] not in
      ("method", "targets", "samples")],
    *DEMO,
]  # fmt: skip
LENGTH, VALUE = "task=length", "task=semantic_content"
#: (the task or nothing for infilling, the method, a setting)
SETTINGS = [
    (LENGTH, "ft_sample", "ft_sample.temperature=1e-40"),
    (LENGTH, "fudge", "fudge.lam=1e38"),
    (LENGTH, "fudge", "fudge.lam=-1e38"),
    (VALUE, "pplm", "pplm.step_size=1e38"),
    (VALUE, "pplm", "pplm.step_size=1e25"),
    (LENGTH, "diffusion_lm", "diffusion_lm.guidance.lr=1e30"),
    (LENGTH, "diffusion_lm", "diffusion_lm.guidance.fluency=1e38"),
    (VALUE, "diffusion_lm", "diffusion_lm.guidance.lr=1e38"),
    ("", "delorean", "delorean.step_size=1e38"),
    ("", "delorean", "delorean.temperature_backward=1e-40"),
    ("", "cold", "cold.step_size=1e38"),
    ("", "left_only", "left_only.temperature=1e-40"),
    ("", "ar_infilling", "ar_infilling.temperature=1e-40"),
]
#: (the task or nothing for infilling, the method)
METHODS = [
    (LENGTH, "ft_sample"),
    (LENGTH, "ft_search"),
    (LENGTH, "fudge"),
    ("task=semantic_content+parts_of_speech", "ft_poe"),
    (VALUE, "pplm"),
    (VALUE, "diffusion_lm"),
    (LENGTH, "diffusion_lm"),
    *(("", name) for name in ("diffusion_lm", "delorean", "cold", "left_only", "ar_infilling")),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the networks that are not shipped, which the samples of all methods are made with."""
    folder = tmp_path_factory.mktemp("store")
    names = ",".join(name for task, name in METHODS if not task)
    assert run(folder, folder.with_name("whole"), "", names) == 0
    return folder


def run(store: Path, out: Path, task: str, method: str, *more: str) -> int:
    given = [task, *DEMO] if task else STORIES
    given = [*given, f"method={method}", f"out={out}", f"store={store}", *more]
    if method == "diffusion_lm" and task:
        given.append("diffusion_lm.profile=custom")
    return main([*given, f"prebuilt={RESULTS / 'prebuilt'}"])


def refused(out: Path, method: str, said: str) -> None:
    assert said.count("\n") == 1 and said.startswith(f"error: {method}: ")
    assert " of target " in said and "are not finite (NaN or infinite): " in said
    assert not list(out.glob("*/*/samples.jsonl"))


@pytest.mark.parametrize(("task", "method", "setting"), SETTINGS, ids=lambda one: one)
def test_a_setting_that_makes_numbers_overflow_is_named(
    task: str, method: str, setting: str, store: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run(store, tmp_path, task, method, setting) == 2
    said = capsys.readouterr().err
    key, value = setting.split("=")
    if said.startswith(f"error: {setting}: "):  # out of its range: nothing is decoded
        assert said.count("\n") == 1 and (" at most " in said or "above" in said or "least" in said)
        return
    refused(tmp_path, method, said)
    assert f"most likely {key}={json.loads(value)} is at fault" in said


@pytest.mark.parametrize(("task", "method"), METHODS, ids=lambda one: one)
def test_a_weight_that_is_not_finite_never_becomes_words(
    task: str, method: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As where half precision overflows: what is stored is whole."""
    load = models.nets.artefact.load_module

    def broken(path: Path, module: nn.Module, expect: Any = None) -> dict[str, Any]:
        meta = load(path, module, expect)
        for layer in [one for one in module.modules() if isinstance(one, nn.LayerNorm)][-1:]:
            layer.weight.data[1] = torch.inf
        return meta

    monkeypatch.setattr(models.nets.artefact, "load_module", broken)
    assert run(store, tmp_path, task, method) == 2
    said = capsys.readouterr().err
    refused(tmp_path, method, said)
    assert "its networks' weights are at fault, or their half precision" in said


NAMED = "one line naming method, target and what is at fault; no sample is stored"
TRIED = (
    Tried("numbers", "logits of any floats", EXAMPLES, "a token that they allow, or an error"),
    Tried("numbers", "a weight of NaN, inf, -inf in sampling, search, judging",
          len(DECODERS) * len(BROKEN), "an error"),
    Tried("numbers", "a broken estimate at a step of diffusion, clamped or not",
          2 * len(ESTIMATES), "an error, though clamping makes a word of it"),
    Tried("numbers", "ranking scores of NaN, inf, -inf", len(BROKEN), "an error"),
    Tried("numbers", "a setting that makes them overflow, by method", len(SETTINGS), NAMED),
    Tried("numbers", "an infinite weight, by method", len(METHODS), NAMED),
)  # fmt: skip
