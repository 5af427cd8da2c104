"""Networks that read latents and write words, self-conditioning, and what goes with what (reference
notes on continuous successors, landmarks 1 to 3, 10 and 12)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from latents import LEVELS, PLAIN, WORDS, config, network, silenced
from torch import Tensor

from models.diffusion.config import SamplingConfig
from models.diffusion.gaussian import Gaussian, ancestral_step, ddim_step
from models.diffusion.latents.diffusion import Diffusion
from models.diffusion.latents.training import (
    DiffusionObjective,
    load_diffusion,
    losses,
    train_diffusion,
)
from models.nets.train import fit
from tasks.common.errors import UserError

CPU = torch.device("cpu")
TEXTS = [tuple("abc"), tuple("bcd"), tuple("hg"), tuple("defa")] * 3


def level(made: Any, sigma: float) -> int:
    """The training step whose noise is nearest to ``sigma``."""
    sigmas = np.sqrt(1 / made.schedule.alpha_bar - 1)
    return int(np.abs(np.log(sigmas / sigma)).argmin())


def test_two_words_on_a_line() -> None:
    """e = -1, +1: x0_hat = tanh(y / s^2), and the cross-entropy by quadrature."""
    made: Any = silenced(2, embedding=1, steps=4000)
    with torch.no_grad():
        made.embedding.directions.copy_(torch.tensor([[-1.0], [1.0]]))
    wanted = {0.5: 0.060427, 1.0: 0.356316, 2.0: 0.581726, 4.0: 0.662836}
    made.requires_grad_(False)
    for sigma, nats in wanted.items():
        t = level(made, sigma)
        a = float(made.schedule.alpha_bar[t])
        s = math.sqrt(1 / a - 1)
        eps = torch.linspace(-8, 8, 4001)
        y = 1 + s * eps
        x = (y * math.sqrt(a)).view(1, -1, 1)
        index = torch.tensor([t])
        logits = made.word_logits(x[:, :12], index, made.times(index))
        assert logits.shape == (1, 12, 2)
        rows = x.view(-1, 1, 1)[::10]
        told = torch.full((len(rows),), t)
        mean = made.x0(rows, told)[:, 0, 0]
        torch.testing.assert_close(mean, torch.tanh(y[::10] / s**2), atol=1e-4, rtol=0)
        nll = -made.word_logits(rows, told, made.times(told)).log_softmax(-1)[:, 0, 1]
        density = torch.exp(-(eps[::10] ** 2) / 2) / math.sqrt(2 * math.pi)
        found = float(torch.trapezoid(nll * density, eps[::10]))
        assert found == pytest.approx(nats, abs=2e-3)


def test_euler_in_two_coordinate_systems() -> None:
    rng = torch.Generator().manual_seed(0)
    y, y0 = (torch.randn(2, 3, 4, generator=rng, dtype=torch.float64) for _ in range(2))
    for t, s in ((10.0, 9.0), (3.0, 0.5), (1.0, 0.1)):
        a, b = 1 / (1 + t**2), 1 / (1 + s**2)
        euler = y0 + s / t * (y - y0)
        ours = ddim_step(y * math.sqrt(a), y0, a, b, eta=0.0)
        torch.testing.assert_close(ours.mean, euler * math.sqrt(b), atol=1e-6, rtol=0)
        assert ours.std == 0
        # z_s of variational diffusion models (Kingma et al. 2021, equation 33)
        c = 1 - (b / (1 - b)) ** -1 * (a / (1 - a))
        mean = (1 - c) * math.sqrt(b / a) * (y * math.sqrt(a)) + c * math.sqrt(b) * y0
        step = ancestral_step(y * math.sqrt(a), y0, a, b)
        torch.testing.assert_close(step.mean, mean, atol=1e-6, rtol=0)
        assert step.std == pytest.approx(math.sqrt(c * (1 - b)), abs=1e-6)


def test_the_sampler_euler_is_ddim_without_noise() -> None:
    schedule = network().schedule
    x, x0 = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    ours, theirs = Gaussian(schedule, "euler", 1.0), Gaussian(schedule, "ddim", 0.0)
    assert torch.equal(ours.move(x, x0, 700).mean, theirs.move(x, x0, 700).mean)
    assert ours.move(x, x0, 700).std == 0


@pytest.mark.parametrize(
    ("gamma", "wanted"), [(-3, 20.579464), (0, 1.414214), (4.723, 0.094697), (6, 0.049849)]
)
def test_the_weight_of_what_a_latent_says_of_itself(gamma: float, wanted: float) -> None:
    sigma = math.exp(gamma / 2)
    levels = type(LEVELS)(kind="warped", bins=2, sigma_min=sigma, sigma_max=sigma * 2)
    made = silenced(5, levels=levels, steps=2)
    x, index = torch.randn(1, 12, 8), torch.zeros(1, dtype=torch.long)
    found = made.word_logits(x, index, made.times(index))
    torch.testing.assert_close(found, wanted * x @ made.embedding.weight.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("dim", "sigma", "accuracy", "nats"),
    [(16, 1.0, 0.54, 1.74), (16, 2.0, 0.08, 4.96), (64, 2.0, 0.73, 1.05)],
)
def test_words_of_random_embeddings_are_recovered(
    dim: int, sigma: float, accuracy: float, nats: float
) -> None:
    made = silenced(821, embedding=dim, steps=4000)
    t = torch.full((40,), level(made, sigma))
    ids = torch.randint(0, 821, (40, 12))
    rng = torch.Generator().manual_seed(1)
    right, total = [], []
    for _ in range(4):
        x = made.process.corrupt(
            made.embedding(ids), t, torch.randn(40, 12, dim, generator=rng)
        ).detach()
        with torch.no_grad():
            logits = made.word_logits(x, t, made.times(t))
        right.append((logits.argmax(-1) == ids).double().mean())
        total.append(torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten()))
    assert float(torch.stack(right).mean()) == pytest.approx(accuracy, abs=0.05)
    assert float(torch.stack(total).mean()) == pytest.approx(nats, rel=0.12)


def test_normalised_embeddings_have_one_norm() -> None:
    made = network(normalised=True)
    torch.testing.assert_close(made.embedding.weight.norm(dim=1), torch.full((12,), 8**0.5))
    ids = torch.tensor([[4, 5]])
    assert torch.equal(made.embedding(ids)[0], made.embedding.weight[[4, 5]])


def drawn(made: Any, rows: int = 6) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(5)
    ids = torch.randint(0, len(WORDS), (rows, 12), generator=rng)
    noise, start = (torch.randn(rows, 12, 8, generator=rng) for _ in range(2))
    return ids, torch.randint(0, made.config.steps, (rows,), generator=rng), noise, start


@pytest.mark.parametrize("kind", [{}, PLAIN, {"output": "words"}])
def test_a_fresh_network_does_not_depend_on_the_estimate_before(kind: dict[str, Any]) -> None:
    made = network(**kind, self_conditioning=0.5)
    x, index = torch.randn(2, 12, 8), torch.tensor([3, 7])
    told = made.x0(x, index, previous=torch.randn(2, 12, 8))
    assert torch.equal(told, made.x0(x, index))
    with torch.no_grad():
        assert made.again is not None
        made.again.weight.normal_()
    assert not torch.equal(made.x0(x, index, previous=torch.randn(2, 12, 8)), told)


def test_without_a_second_reading_its_input_gets_no_gradient() -> None:
    made = network(**PLAIN, self_conditioning=0.5).train()
    ids, t, noise, start = drawn(made)
    none = torch.zeros(len(ids), dtype=torch.bool)
    loss = losses(made, ids, t, noise, start, again=none)["words"].mean()
    plain = losses(made, ids, t, noise, start)["words"].mean()
    assert torch.equal(loss, plain)
    loss.backward()
    assert made.again is not None and made.again.weight.grad is not None
    assert not made.again.weight.grad.any()


def test_the_first_reading_gives_no_gradient() -> None:
    made: Any = network(**PLAIN, self_conditioning=1.0).train()
    with torch.no_grad():
        made.again.weight.normal_()
    ids, t, noise, start = drawn(made)
    every = torch.ones(len(ids), dtype=torch.bool)
    losses(made, ids, t, noise, start, again=every)["words"].mean().backward()
    found = {name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None}
    made.zero_grad()
    x_t = made.process.corrupt(made.embedding(ids), t, noise)
    constant = made.x0(x_t.detach(), t).detach()
    from models.diffusion.latents.network import Noised

    texts = Noised(ids, made.embedding(ids), x_t, x_t, t, noise, None, constant)
    made.terms(texts)["words"].mean().backward()
    for name, parameter in made.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(found[name], parameter.grad, msg=name)


@pytest.mark.parametrize(
    "kind",
    [
        PLAIN,
        PLAIN | {"self_conditioning": 0.5, "evidence": True, "evidence_warmup": 4},
        PLAIN | {"objective": "bound", "evidence": True, "self_conditioning": 0.25},
        {"objective": "anchor", "noise_factor": 4.0, "self_conditioning": 0.5},
        {"output": "words", "objective": "words", "normalised": True, "levels": LEVELS,
         "steps": 40},
    ],
)  # fmt: skip
def test_a_killed_training_goes_on_to_the_same_weights(
    kind: dict[str, Any], tmp_path: Path
) -> None:
    settings = config(**kind)
    if settings.objective == "bound":
        settings = config(**kind | {"levels": type(LEVELS)(kind="warped", bins=4, warp="variance")})

    def objective() -> DiffusionObjective:
        from models.diffusion.latents.denoiser import make_denoiser
        from models.nets.sequences import encode

        torch.manual_seed(0)
        made = make_denoiser(settings, len(WORDS))
        ids = encode(TEXTS, WORDS, 12, "pad")
        made.prepare(ids, WORDS)
        return DiffusionObjective(made, ids, ids, 4, 0)

    def kill(done: float, total: float, note: str = "") -> None:
        if done == 4:
            raise KeyboardInterrupt

    for name in "ab":
        (tmp_path / name).mkdir()
    whole, again = objective(), objective()
    fit(whole, settings.train, tmp_path / "a", 1)
    with pytest.raises(KeyboardInterrupt):
        fit(objective(), settings.train, tmp_path / "b", 1, progress=kill)
    fit(again, settings.train, tmp_path / "b", 1)
    state = again.module.state_dict()
    assert any(name.startswith("warp.") for name in state) == settings.warped
    for name, tensor in whole.module.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    if whole.module.warp is not None:
        assert float(whole.module.warp.counts.sum()) > 4


def test_a_stored_network_decodes_in_warped_steps(tmp_path: Path) -> None:
    settings = config(**PLAIN, self_conditioning=0.5)
    train_diffusion(tmp_path, TEXTS, TEXTS, WORDS, settings, 0, device=CPU)
    made, _ = load_diffusion(tmp_path, CPU)
    sampling = SamplingConfig(steps=9, clamp=False, score_temperature=0.5)
    diffusion = Diffusion(made, sampling, CPU)
    assert diffusion.schedule.steps == 9 and diffusion.network.temperature == 0.5  # type: ignore[union-attr]

    def texts(seeds: list[int]) -> list[list[int]]:
        rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
        return diffusion.ids(diffusion.latents(rngs))

    both = texts([1, 2, 3])
    assert [texts([seed])[0] for seed in (1, 2, 3)] == both
    assert texts([2, 1, 3])[1] == both[0]
    x = diffusion.latents([torch.Generator().manual_seed(1)])
    assert bool((x[0, :, None] == made.embedding.weight).all(-1).any(-1).all())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reads": "latents"}, "output=words"),
        ({"objective": "words"}, "output=words"),
        ({"objective": "words", "output": "words"}, "normalised=true"),
        ({"evidence": False}, "evidence=false"),
        ({"evidence_warmup": 5}, "evidence_warmup"),
        ({"objective": "anchor", "output": "words"}, "output=linear"),
        ({"objective": "bound", "output": "words", "normalised": True}, "reads=latents"),
        (PLAIN | {"normalised": False}, "normalised=true"),
        (PLAIN | {"objective": "simple"}, "objective=words or bound"),
        ({"normalised": True, "learned_embedding": False, "embedding_std": 0.5}, "embedding_std"),
        (PLAIN | {"noise_factor": 4.0}, "noise_factor"),
        (PLAIN | {"steps": 3}, "levels.bins"),
        ({"levels": LEVELS}, "objective=anchor"),
        (PLAIN | {"levels": type(LEVELS)(kind="warped", bins=4, warp="variance")}, "variance"),
    ],
)
def test_settings_that_do_not_go_together(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        config(**wrong)
