"""DiffuSeq: what is noised, what is absorbed, and a run of it beside SED's span masking."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from latents import WORDS, config
from torch import Tensor

from eval.run import main
from eval.running.presets import preset_config
from models.diffuseq import CARD, DiffuSeqConfig
from models.diffusion.latents.denoiser import make_denoiser
from models.diffusion.latents.soft_mask import SoftMasked
from tasks import load_task
from tasks.common.errors import UserError

ROWS = 300


def objective(absorb: float) -> SoftMasked:
    plain = config(clean_contexts=1.0, steps=40)
    given = {part.name: getattr(plain, part.name) for part in dataclasses.fields(plain)}
    torch.manual_seed(0)
    network = make_denoiser(DiffuSeqConfig(**given, absorb=absorb), len(WORDS))
    ids = torch.randint(4, len(WORDS), (ROWS, 12))
    contexts = torch.ones(ROWS, 12, dtype=torch.bool)
    contexts[:, 4:9] = False
    return SoftMasked(network, ids, ids, ROWS, 0, (contexts, contexts))


def read(made: SoftMasked, level: int) -> tuple[Tensor, Tensor]:
    """What the network reads of the texts of a step, and their own embeddings."""
    seen: list[Tensor] = []
    network: Any = made.module
    inner = network.forward
    network.forward = lambda x, *more: seen.append(x) or inner(x, *more)
    drawn = made.draw(0, torch.Generator().manual_seed(0))
    drawn[1] = torch.full((ROWS,), level)
    made.terms(drawn)
    network.forward = inner
    return seen[0].detach(), network.embedding(drawn[0]).detach()


@pytest.mark.parametrize("level", [0, 20, 39])
def test_middles_alone_are_noised_and_a_share_of_them_absorbed(level: int) -> None:
    made = objective(0.5)
    x, clean = read(made, level)
    assert torch.equal(x[:, :4], clean[:, :4]) and torch.equal(x[:, 9:], clean[:, 9:])
    share = float((x[:, 4:9] == 0).all(-1).double().mean())
    chance = 0.5 * (1 - float(made.module.schedule.alpha_bar[level])) ** 0.5
    assert abs(share - chance) < 4 * (chance * (1 - chance) / (5 * ROWS)) ** 0.5
    noised = (x[:, 4:9] != 0).any(-1)
    assert not torch.isclose(x[:, 4:9], clean[:, 4:9]).all(-1)[noised].any()
    # what is left is noised as in the first version, which absorbs nothing
    first, _ = read(objective(0.0), level)
    assert torch.equal(first[:, 4:9][noised], x[:, 4:9][noised])
    assert (first[:, 4:9] != 0).any(-1).all()


def test_its_card() -> None:
    assert "fills in" in str(CARD.refuses(load_task("length")))
    stories, others = preset_config("demo", "stories"), preset_config("demo", None)
    CARD.check(stories, load_task("infilling"))
    assert stories.diffuseq_network.clean_contexts == 1  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="needs window=3, not 0"):
        CARD.check(others, load_task("infilling"))
    with pytest.raises(UserError, match="absorb"):
        DiffuSeqConfig(absorb=2.0)


def test_a_run_from_nothing(tmp_path: Path) -> None:
    """Also of SED, whose windows have clean contexts in half of training."""
    small = ["layers=1", "width=16", "heads=2", "feedforward=32"]
    networks = ("diffuseq_network", "sed_network")
    sizes = [f"{name}.network.{one}" for name in networks for one in small]
    trained = [f"{name}.{one}" for name in networks
               for one in ("train.steps=2", "train.batch=4", "steps=40")]  # fmt: skip
    given = [
        "task=infilling", "method=diffuseq,sed", "corpus=stories", "targets=2", "samples=2",
        "floor=0", "threads=1", f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}",
        "lm.width=16", "lm.layers=1", "lm.heads=2", "lm.train.steps=2", "sed_network.embedding=16",
        "diffuseq.sampling.steps=4", "sed.sampling.steps=4", *sizes, *trained,
    ]  # fmt: skip
    assert main(given) == 0
    for method in ("diffuseq", "sed"):
        path = tmp_path / "out" / "infilling" / method / "samples.jsonl"
        assert len(path.read_text().splitlines()) == 4
