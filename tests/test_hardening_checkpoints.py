"""Checkpoints and weights of any bytes: as they were, or named, put aside and made anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from test_train import CONFIG, Killed, Toy
from torch import Tensor

from eval.running.store import seal, verify
from models.nets import checkpoint
from models.nets.artefact import load_module, save_module
from models.nets.train import fit
from tasks.common.errors import UserError
from tasks.common.recipe import Spec
from tests.hardening import Tried

#: bytes that hypothesis changes
EXAMPLES = 100
SHORT = replace(CONFIG, steps=12)

Tensors = dict[str, Tensor]


def trained(folder: Path, stop_at: int = 0) -> Toy:
    """After all steps, or killed after so many."""
    toy = Toy()

    def kill(done: float, total: float, note: str = "") -> None:
        if done == stop_at:
            raise Killed

    folder.mkdir(exist_ok=True)
    fit(toy, SHORT, folder, seed=1, progress=kill)
    return toy


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Tensor]:
    """The weights of an undisturbed training."""
    return trained(tmp_path_factory.mktemp("whole")).module.state_dict()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A checkpoint of one that was killed."""
    folder = tmp_path_factory.mktemp("killed")
    with pytest.raises(Killed):
        trained(folder, stop_at=8)
    return (folder / checkpoint.NAME).read_bytes()


def same(toy: Toy, whole: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(one, whole[name]) for name, one in toy.module.state_dict().items())


def test_a_whole_one_is_gone_on_from(
    stored: bytes, whole: Mapping[str, Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / checkpoint.NAME).write_bytes(stored)
    assert same(trained(tmp_path), whole) and capsys.readouterr().out == ""


def damaged(
    data: bytes, whole: Mapping[str, Tensor], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trains beside a damaged checkpoint and checks what is left."""
    path = folder / checkpoint.NAME
    path.write_bytes(data)
    assert same(trained(folder), whole)
    warning = capsys.readouterr().out
    assert warning.count("\n") == 1 and warning.startswith("warning: ") and str(path) in warning
    assert path.with_name(path.name + ".damaged").read_bytes() == data
    assert warning.endswith(f"kept as {path}.damaged; training starts afresh\n")


@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_changed_byte_is_noticed(stored: bytes, tmp_path: Path, at: float, change: int) -> None:
    data, place = bytearray(stored), int(at * len(stored))
    data[place] ^= change
    path = tmp_path / "changed.safetensors"
    path.write_bytes(data)
    try:
        tensors, meta = checkpoint.read(path)
    except UserError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert str(path) in said and "\n" not in said
        return
    # the name of the digest's own field, without which a checkpoint is one of before
    path.write_bytes(stored)
    wanted, facts = checkpoint.read(path)
    assert all(torch.equal(tensors[name], one) for name, one in wanted.items())
    assert {name: meta[name] for name in facts} == facts


FLIPS = {
    "first": lambda data: 0,
    "header": lambda data: 40,
    "middle": lambda data: len(data) // 2,
    "last": lambda data: len(data) - 1,
}


@pytest.mark.parametrize("place", FLIPS)
def test_it_is_put_aside_and_training_starts_afresh(
    place: str, stored: bytes, whole: Mapping[str, Tensor], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    data = bytearray(stored)
    data[FLIPS[place](stored)] ^= 1
    damaged(bytes(data), whole, tmp_path, capsys)


CUTS = (0, 1, 8, 100, 0.5, 0.999)


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_one(
    cut: float, stored: bytes, whole: Mapping[str, Tensor], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    length = int(cut * len(stored)) if isinstance(cut, float) else cut
    damaged(stored[:length], whole, tmp_path, capsys)


def _nan(tensors: Tensors, meta: dict[str, Any]) -> None:
    tensors["adam.exp_avg_sq.2.weight"][0, 0] = torch.nan


def _infinite(tensors: Tensors, meta: dict[str, Any]) -> None:
    tensors["model.0.weight"][0, 0] = torch.inf


def _lacking(tensors: Tensors, meta: dict[str, Any]) -> None:
    del tensors["adam.step.2.bias"]


def _odd(tensors: Tensors, meta: dict[str, Any]) -> None:
    tensors["model.9.bias"] = torch.zeros(1)


def _narrow(tensors: Tensors, meta: dict[str, Any]) -> None:
    tensors["model.0.bias"] = torch.zeros(1)  # would be spread over all of it


def _meta(**changes: Any) -> Callable[[Tensors, dict[str, Any]], None]:
    def change(tensors: Tensors, meta: dict[str, Any]) -> None:
        for name, value in changes.items():
            meta[name] = value
            if value is None:
                del meta[name]

    return change


#: written by a program that keeps no digest
FOREIGN: Mapping[str, Callable[[Tensors, dict[str, Any]], None]] = {
    "NaN": _nan,
    "infinite": _infinite,
    "a tensor less": _lacking,
    "a tensor more": _odd,
    "another shape": _narrow,
    "no step": _meta(step=None),
    "no curve": _meta(curve=None),
    "step of another type": _meta(step="8"),
    "step beyond the end": _meta(step=13),
    "negative step": _meta(step=-1),
    "a curve that is none": _meta(curve={"a": 1}),
    "points that are none": _meta(curve=[1, 2]),
    "sums that are none": _meta(sums=[1]),
    "sums of words": _meta(sums={"loss": "much"}),
}


def rewritten(stored: bytes, path: Path, change: Callable[[Tensors, dict[str, Any]], None]) -> None:
    """``stored`` without its digest and with a change, at ``path``."""
    path.write_bytes(stored)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        meta = json.loads(file.metadata()["meta"])
    del meta["digest"]
    change(tensors, meta)
    save_file(tensors, path, metadata={"meta": json.dumps(meta)})


@pytest.mark.parametrize("kind", FOREIGN)
def test_one_of_another_shape(
    kind: str, stored: bytes, whole: Mapping[str, Tensor], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    rewritten(stored, tmp_path / checkpoint.NAME, FOREIGN[kind])
    damaged((tmp_path / checkpoint.NAME).read_bytes(), whole, tmp_path, capsys)


def test_one_without_a_digest_is_gone_on_from(
    stored: bytes, whole: Mapping[str, Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewritten(stored, tmp_path / checkpoint.NAME, lambda tensors, meta: None)
    assert same(trained(tmp_path), whole) and capsys.readouterr().out == ""


def test_none_is_deleted(
    stored: bytes, whole: Mapping[str, Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for data in (stored[:9], stored[:10]):
        (tmp_path / checkpoint.NAME).write_bytes(data)
        assert same(trained(tmp_path), whole)
    kept = sorted(path.name for path in tmp_path.glob("*.damaged*"))
    assert kept == [f"{checkpoint.NAME}.damaged", f"{checkpoint.NAME}.damaged-2"]


def test_training_that_diverged_keeps_no_checkpoint(tmp_path: Path) -> None:
    toy = Toy()
    toy.module[0].weight.data.fill_(torch.nan)
    with pytest.raises(UserError, match=r"diverged at step 1: 'model\.0\.weight' is not finite"):
        fit(toy, SHORT, tmp_path, seed=1)
    assert list(tmp_path.iterdir()) == []


# weights of finished networks


@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_changed_byte_of_weights_is_noticed_by_their_artefact(
    tmp_path: Path, at: float, change: int
) -> None:
    folder = tmp_path / "toy-0123456789abcdef"
    folder.mkdir(exist_ok=True)
    path = folder / "weights.safetensors"
    if not path.exists():
        save_module(path, Toy().module, {"kind": "toy"})
        seal(folder, Spec("toy", {}, 1))
    verify(folder)
    whole = path.read_bytes()
    data, place = bytearray(whole), int(at * len(whole))
    data[place] ^= change
    path.write_bytes(data)
    with pytest.raises(UserError, match="is damaged"):
        verify(folder)
    # and whatever is read without its digests is refused in one line, or finite
    try:
        load_module(path, Toy().module)
    except UserError as error:
        said = str(error)
    else:
        said = str(path)
    assert str(path) in said and "\n" not in said
    path.write_bytes(whole)


NUMBERS = (float("nan"), float("inf"), float("-inf"))


@pytest.mark.parametrize("number", NUMBERS)
def test_weights_that_are_not_finite_are_refused(number: float, tmp_path: Path) -> None:
    toy, path = Toy(), tmp_path / "weights.safetensors"
    toy.module[2].weight.data[0, 3] = number
    save_module(path, toy.module, {})
    with pytest.raises(UserError) as caught:
        load_module(path, Toy().module)
    assert str(caught.value) == (
        f"{path} is damaged: 1 of 8 numbers of '2.weight' are not finite (NaN or infinite)"
    )


ASIDE = "named and put aside as .damaged, never deleted; training starts afresh: the same weights"
TRIED = (
    Tried("checkpoint", "a changed byte anywhere", EXAMPLES, "noticed by its digest"),
    Tried("checkpoint", "a changed byte, cut short", len(FLIPS) + len(CUTS) + 2, ASIDE),
    Tried("checkpoint", "of another shape, without a step, with a NaN", len(FOREIGN), ASIDE),
    Tried(
        "artefact", "a changed byte of weights", EXAMPLES, "noticed when used and by eval.verify"
    ),
    Tried("artefact", "weights that are NaN or infinite", len(NUMBERS), "one line naming the file"),
)
