"""Logs of training curves hold the curve, each step once, and change nothing of the network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from test_train import CONFIG, Killed, Toy

from eval.run import main
from eval.running.command import parse
from eval.running.plan import Plan
from models.nets import logs
from models.nets.train import fit

NAME = "toy-0123456789abcdef"
Curve = list[dict[str, float]]


def train(folder: Path, log: str = "tensorboard", kill: int = 0, checkpoint: float = 0.0) -> Curve:
    """Trains in ``folder``/.building-NAME; the log lies in ``folder``/runs."""

    def progress(done: float, total: float, note: str = "") -> None:
        if done == kill:
            raise Killed

    place = folder / f".building-{NAME}"
    place.mkdir(parents=True, exist_ok=True)
    config = dataclasses.replace(CONFIG, checkpoint=checkpoint)
    toy = Toy()
    with logs.kept(log, folder / "runs"):
        curve = fit(toy, config, place, seed=1, progress=progress)
    torch.save([*toy.module.parameters()], folder / "weights.pt")
    return curve


def logged(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag -> (step, value) in the order in which TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "runs" / NAME))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def same(found: list[tuple[int, float]], curve: Curve, name: str) -> None:
    assert [step for step, _ in found] == [point["step"] for point in curve]
    assert [value for _, value in found] == pytest.approx([point[name] for point in curve])


def plain(curve: Curve) -> Curve:
    return [{k: v for k, v in point.items() if k != "seconds"} for point in curve]


def test_weights_and_curve_are_those_of_a_training_without_a_log(tmp_path: Path) -> None:
    with_log, without = train(tmp_path / "a"), train(tmp_path / "b", "none")
    assert plain(with_log) == plain(without) and len(with_log) == 8
    assert (tmp_path / "a/weights.pt").read_bytes() == (tmp_path / "b/weights.pt").read_bytes()
    assert not (tmp_path / "b" / "runs").exists()
    found = logged(tmp_path / "a")
    assert set(found) == {"train/loss", "train/twice", "valid/zero", "seconds"}
    same(found["train/loss"], with_log, "train_loss")
    same(found["valid/zero"], with_log, "valid_zero")


@pytest.mark.parametrize("checkpoint", [0.0, 1e9])
def test_a_resumed_training_goes_on_in_its_log(tmp_path: Path, checkpoint: float) -> None:
    """With a checkpoint at each step, and with none, where all that was logged comes again."""
    with pytest.raises(Killed):
        train(tmp_path, kill=23, checkpoint=checkpoint)
    assert [step for step, _ in logged(tmp_path)["train/loss"]] == [5, 10, 15, 20]
    curve = train(tmp_path, checkpoint=checkpoint)
    same(logged(tmp_path)["train/loss"], curve, "train_loss")


def test_a_log_that_is_asked_for_later_has_the_points_before(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tmp_path, "none", kill=23)
    curve = train(tmp_path)
    same(logged(tmp_path)["train/loss"], curve, "train_loss")


def test_no_key_hangs_on_the_log() -> None:
    one, other = (Plan(parse(given)) for given in ([], ["log=tensorboard", "log_folder=x"]))
    for role in ("diffusion", "teacher", "classifier:length", "parser"):
        assert one.role(role).key == other.role(role).key


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["log=tensorbord"], "log=tensorbord: expected one of none, tensorboard, wandb: did you"),
        (["log=wandb"], "log=wandb: wandb is not installed: pip install wandb"),
        (["log=tensorboard", "log_folder={file}/x"], "is no folder"),
        (["log_folder= "], "log_folder= : empty, or no text at all"),
    ],
)
def test_mistakes_are_one_line(
    given: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_text("")
    found = logs.importlib.util.find_spec
    monkeypatch.setattr(
        logs.importlib.util, "find_spec", lambda name: None if name == "wandb" else found(name)
    )
    given = [one.replace("{file}", str(tmp_path / "file")) for one in given]
    assert main([*given, f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}"]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) in (["file"], ["file", "store"])
