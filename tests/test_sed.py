"""SED: embeddings of a language model, which stay."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from latents import WORDS, config

from eval.run import main
from eval.running.presets import preset_config
from models.diffusion.latents.training import load_diffusion, train_diffusion
from models.nets.causal import train_lm, word_table
from models.nets.codec import WordCodec
from models.nets.config import LMConfig, TrainConfig
from models.sed import CARD
from tasks import load_task
from tasks.common.errors import UserError
from tasks.vocabulary import Vocabulary

CPU = torch.device("cpu")
TEXTS = [tuple("abc"), tuple("bc"), tuple("hgfa"), tuple("d")] * 2


def test_words_are_those_of_a_language_model_and_stay(tmp_path: Path) -> None:
    """In their directions and of one norm, however long the network is trained."""
    lm, out = tmp_path / "lm", tmp_path / "out"
    lm.mkdir(), out.mkdir()
    small = LMConfig(layers=1, width=8, heads=2, train=TrainConfig(steps=2, batch=4))
    pairs = [((), text) for text in TEXTS]
    train_lm(lm, pairs, pairs, WordCodec(WORDS), small, 0, device=CPU)
    table = word_table(lm, WORDS)
    assert table.shape == (len(WORDS), 8)
    fixed = config(
        embedding=8, learned_embedding=False, normalised=True, objective="anchor",
        schedule="cosine", self_conditioning=0.5, steps=40,
    )  # fmt: skip
    train_diffusion(out, TEXTS, TEXTS, WORDS, fixed, 0, device=CPU, table=table)
    made, _ = load_diffusion(out, CPU)
    wanted = table / table.norm(dim=1, keepdim=True) * 8**0.5
    torch.testing.assert_close(made.embedding.weight, wanted)
    with pytest.raises(UserError, match="words to start with have 8 coordinates"):
        train_diffusion(out, TEXTS, TEXTS, WORDS, config(embedding=4), 0, device=CPU, table=table)
    with pytest.raises(UserError, match="does not read the words of the corpus"):
        word_table(lm, Vocabulary([*WORDS.words, "z"]))


def test_its_preset_and_where_it_fills_in() -> None:
    for name in ("demo", "small", "paper"):
        run = preset_config(name, None)
        ours = run.sed_network  # type: ignore[attr-defined]
        assert ours.embedding == run.lm.width and not ours.learned_embedding
        assert ours.clean_contexts == 0
        with pytest.raises(UserError, match="needs window=3, not 0"):
            CARD.check(run, load_task("infilling"))
    stories = preset_config("demo", "stories")
    assert stories.sed_network.clean_contexts == 0.5  # type: ignore[attr-defined]
    CARD.check(stories, load_task("infilling"))
    assert CARD.needs(load_task("infilling"), None) == ("sed_network", "lengths")


def test_a_run_from_nothing(tmp_path: Path) -> None:
    sizes = [f"sed_network.network.{one}" for one in
             ["layers=1", "width=16", "heads=2", "feedforward=32"]]  # fmt: skip
    given = [
        "task=length", "method=sed", "targets=2", "samples=2", "floor=0", "threads=1",
        f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}", "sed_network.train.steps=3",
        "sed_network.train.batch=4", "sed_network.embedding=16", "lm.width=16", "lm.layers=1",
        "lm.heads=2", "lm.train.steps=2", "sed_network.steps=40", "sed.sampling.steps=4", *sizes,
    ]  # fmt: skip
    assert main(given) == 0
    lines = (tmp_path / "out" / "length" / "sed" / "samples.jsonl").read_text().splitlines()
    assert len(lines) == 4
