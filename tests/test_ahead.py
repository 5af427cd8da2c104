"""What a GPU is given ahead of time, tried on a CPU: the same numbers, in the same order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn

from models.diffusion.loop import CHUNK, Noise, normal, uniform
from models.nets import compiling
from models.nets.ahead import Ahead, Draws, draws_ahead, pinned, step_seed

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def streams(count: int = 3) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(i) for i in range(count)]


@pytest.mark.parametrize("drawing", [normal, uniform])
@pytest.mark.parametrize("steps", [1, CHUNK, 2 * CHUNK + 3])
def test_noise_ahead_is_the_same(
    drawing: Callable[[tuple[int, ...], torch.Generator | None], Tensor], steps: int
) -> None:
    plain = Noise(streams(), (4, 5), drawing)
    ahead = Noise(streams(), (4, 5), drawing, steps=steps, ahead=True)
    for _ in range(steps):
        assert torch.equal(plain(), ahead())


def test_no_more_is_drawn_than_is_asked_for() -> None:
    spent, whole = streams(1)[0], streams(1)[0]
    noise = Noise([spent], (2,), steps=CHUNK + 1, ahead=True)
    for _ in range(CHUNK + 1):
        noise()
    for _ in range(2):
        normal((CHUNK, 2), whole)
    assert torch.equal(spent.get_state(), whole.get_state())


def test_the_next_block_is_drawn_while_one_is_used() -> None:
    drawn = threading.Semaphore(0)

    def drawing(shape: tuple[int, ...], rng: torch.Generator | None) -> Tensor:
        drawn.release()
        return normal(shape, rng)

    noise = Noise(streams(1), (2,), drawing, ahead=True)
    noise()
    assert drawn.acquire(timeout=60) and drawn.acquire(timeout=60)


def test_in_order_and_anew() -> None:
    made: list[int] = []
    ahead = Ahead(lambda i: made.append(i) or i, depth=2, count=12)
    assert [ahead(i) for i in range(3)] == [0, 1, 2]
    # training that goes on elsewhere
    assert [ahead(i) for i in range(8, 12)] == [8, 9, 10, 11]
    assert made[:3] == [0, 1, 2] and made[-4:] == [8, 9, 10, 11] and max(made) == 11


def test_what_fails_there_is_raised_here() -> None:
    def make(i: int) -> int:
        if i == 1:
            raise ValueError("the second one")
        return i

    ahead = Ahead(make)
    assert ahead(0) == 0
    with pytest.raises(ValueError, match="the second one"):
        ahead(1)


def test_draws_of_training_are_those_of_a_cpu() -> None:
    """Numbers drawn ahead, and those that a loss draws after them, are those of torch's own
    generator seeded for the step."""

    def draw(step: int, rng: torch.Generator | None) -> list[Tensor]:
        return [torch.randint(0, 9, (4,), generator=rng), torch.randn(3, generator=rng) + step]

    found = []
    for ahead in (False, True):
        draws, rows = Draws(draw, 7, CPU, ahead), []
        for step in (0, 1, 2, 6, 7):
            torch.manual_seed(step_seed(7, step))
            rows += [*draws(step), torch.rand(2)]
        found.append(rows)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_training_with_draws_ahead_gives_the_same_losses() -> None:
    """The loss of Diffusion-LM's objective, step by step."""
    from models.diffusion.latents.config import DiffusionConfig
    from models.diffusion.latents.denoiser import make_denoiser
    from models.diffusion.latents.training import DiffusionObjective
    from models.nets.config import EncoderConfig

    network = EncoderConfig(layers=1, width=8, heads=2, feedforward=8)
    config = DiffusionConfig(length=6, positions=6, embedding=4, time=4, network=network)
    ids = torch.randint(0, 11, (20, 6), generator=torch.Generator().manual_seed(0))
    losses = []
    for ahead in (False, True):
        torch.manual_seed(0)
        objective = DiffusionObjective(make_denoiser(config, 11), ids, ids, 4, 3)
        objective.draws = Draws(objective.draw, 3, CPU, ahead)
        for step in range(4):
            torch.manual_seed(step_seed(3, step))
            losses.append(float(objective.loss(step)[0].detach()))
    assert losses[:4] == losses[4:]


def test_ways_follow_from_the_device() -> None:
    assert draws_ahead(CUDA) and not draws_ahead(CPU)
    assert compiling.mode(CPU, 1) == compiling.mode(CUDA, 10**9) == "default"
    assert compiling.mode(CUDA, 87_000_000) == "reduce-overhead"
    asked = [compiling.for_decoding(device, asked) for device in (CPU, CUDA) for asked in (0, 1)]
    assert asked == [False, False, False, True]
    here = torch.ones(2)
    assert pinned(here, CPU) is here


def test_networks_that_decode_are_compiled_where_it_is_asked_for_on_a_gpu() -> None:
    network = nn.Module()
    network.encoder = nn.Linear(2, 2)
    with patch.object(nn.Module, "compile") as compiled:
        compiling.compile_encoder(network, CPU, True)
        compiling.compile_encoder(network, CUDA, False)
        compiling.compile_encoder(nn.Linear(2, 2), CUDA, True)
        assert not compiled.called
        compiling.compile_encoder(network, CUDA, True)
    compiled.assert_called_once_with(mode="reduce-overhead")
