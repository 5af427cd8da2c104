"""The span classifier on noisy latents (reference notes, sections 2.6 and 2.7)."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.classifier import (
    SpanClassifier,
    SpanGuide,
    SpanObjective,
    load_classifier,
    sparse_chart,
    train_classifier,
)
from models.config import ClassifierConfig, DiffusionConfig, EncoderConfig, TrainConfig
from models.diffusion_training import load_diffusion, train_diffusion
from models.schedule import make_schedule
from tasks.base import Text
from tasks.controls import Length, Span
from tasks.errors import UserError
from tasks.vocabulary import Vocabulary

TINY = EncoderConfig(layers=1, width=16, heads=2, feedforward=32, dropout=0.0)
CONFIG = ClassifierConfig(steps=20, span_hidden=8, network=TINY)
CPU = torch.device("cpu")
LABELS = {"": 0, "NP": 1, "VP": 2}


def classifier(dtype: torch.dtype = torch.float32) -> SpanClassifier:
    torch.manual_seed(0)
    return SpanClassifier(CONFIG, 8, 10, len(LABELS)).eval().requires_grad_(False).to(dtype)


def latents(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, 10, 8, generator=torch.Generator().manual_seed(1), dtype=dtype)


def test_one_cell_of_the_chart() -> None:
    """A cell alone scores as it does in the chart, and the guide is its log-softmax."""
    network, x = classifier(), latents()
    start, end = torch.triu_indices(10, 10)
    level = torch.tensor([7, 7])
    chart = network.chart(x, level, start, end)
    guide = SpanGuide(network, LABELS, [Span(0, 3, "NP"), Span(4, 6, "VP")])
    for row, (i, j, label) in enumerate([(1, 4, 1), (5, 7, 2)]):
        place = int(((start == i) & (end == j)).nonzero()[0])
        expected = chart[row, place].log_softmax(-1)[label]
        torch.testing.assert_close(guide(x, 7)[row], expected)


def test_guide_gradient_by_finite_differences() -> None:
    network, x = classifier(torch.float64), latents(torch.float64)
    # the logits are handed out in fp32, so the difference quotient is that coarse
    guide = SpanGuide(network, LABELS, [Span(1, 5, "VP"), Span(0, 0, "NP")])
    y = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(guide(y, 3).sum(), y)
    rng = torch.Generator().manual_seed(2)
    for _ in range(5):
        direction = torch.randn(x.shape, generator=rng, dtype=torch.float64)
        step = 1e-2 * direction
        numeric = float((guide(x + step, 3) - guide(x - step, 3)).sum()) / 2e-2
        assert float((gradient * direction).sum()) == pytest.approx(numeric, rel=2e-2, abs=1e-3)


def test_clean_level_is_the_last_row_of_the_time_table() -> None:
    network, x = classifier(), latents()
    before = network.states(x, torch.tensor([-1, 19]))
    network.time_embedding.weight[-1] += 1.0
    after = network.states(x, torch.tensor([-1, 19]))
    assert not torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    assert network.time_embedding.num_embeddings == 21


def objective() -> SpanObjective:
    ids = torch.randint(0, 6, (4, 10), generator=torch.Generator().manual_seed(0))
    charts = [torch.tensor([[1, 3, 1], [2, 2, 2]]), torch.zeros(0, 3, dtype=torch.long)] * 2
    table = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    data = (ids, charts)
    return SpanObjective(classifier(), table, make_schedule("sqrt", 20), data, data, 4, 0)


def test_gold_chart_masks_the_lower_triangle() -> None:
    made = objective()
    gold = made.gold(made.train[1])
    # i <= j only; padding cells are there and labelled "no constituent"
    assert gold.shape == (4, 55)
    assert bool((made.start <= made.end).all())
    for place, label in [((1, 3), 1), ((2, 2), 2), ((0, 0), 0), ((9, 9), 0)]:
        cell = int(made.cell[place])
        assert (int(made.start[cell]), int(made.end[cell])) == place
        assert int(gold[0, cell]) == label
    assert int(gold[0].count_nonzero()) == 2
    assert int(gold[1].count_nonzero()) == 0


def test_loss_is_the_mean_over_all_cells() -> None:
    made = objective()
    torch.manual_seed(5)
    loss, _ = made.loss(0)
    torch.manual_seed(5)
    rows = torch.from_numpy(made.plan(0))
    ids = made.train[0][rows]
    s = torch.randint(-1, 20, (4,))
    assert int(s.min()) >= -1
    noise = torch.randn(4, 10, 8)
    # noise is added to the plain embeddings, without the extra std of x_0
    a = torch.tensor([*make_schedule("sqrt", 20).alpha_bar, 1.0], dtype=torch.float32)[s]
    x = a.sqrt()[:, None, None] * made.embedding[ids] + (1 - a).sqrt()[:, None, None] * noise
    logits = made.module.chart(x, s, made.start, made.end)
    gold = made.gold([made.train[1][i] for i in rows.tolist()])
    torch.testing.assert_close(loss, F.cross_entropy(logits.reshape(-1, 3), gold.reshape(-1)))


def test_sparse_chart_shifts_for_start() -> None:
    tree = "(S (NP (DT the) (NN cat)) (VP (VBZ sleeps)))"
    rows = sparse_chart(tree, {"": 0, "NP": 1, "VP": 2}, 10).tolist()
    assert rows == [[1, 2, 1], [3, 3, 2]]
    # nothing past the end of the sequence
    assert sparse_chart(tree, {"": 0, "NP": 1, "VP": 2}, 3).tolist() == [[1, 2, 1]]


TREES = {
    ("the", "cat", "sleeps"): "(S (NP (DT the) (NN cat)) (VP (VBZ sleeps)))",
    ("cats", "sleep"): "(S (NP (NNS cats)) (VP (VBP sleep)))",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    texts = [Text(words, tree) for words, tree in TREES.items()]
    words = Vocabulary(["START", "END", "UNK", "PAD", "the", "cat", "sleeps", "cats", "sleep"])
    train = TrainConfig(steps=2, batch=2, every=1)
    config = DiffusionConfig(
        length=10, positions=10, embedding=8, time=8, steps=40, network=TINY, train=train
    )
    folders = {name: tmp_path_factory.mktemp(name) for name in ("diffusion", "block", "span")}
    for name in ("diffusion", "block"):
        padding = "pad" if name == "diffusion" else "block"
        chosen = dataclasses.replace(config, padding=padding)
        corpus = [text.words for text in texts] * 4
        train_diffusion(folders[name], corpus, corpus, words, chosen, 0, CPU)
    train_classifier(
        folders["span"], folders["diffusion"], "syntax_spans", texts, texts,
        dataclasses.replace(CONFIG, train=train), 0, CPU,
    )  # fmt: skip
    return folders


def test_trained_classifier_loads(trained: dict[str, Path]) -> None:
    denoiser, words = load_diffusion(trained["diffusion"], CPU)
    network, labels = load_classifier(trained["span"], denoiser, words.digest, 20, CPU)
    assert set(labels) == {"", "S", "NP", "VP"}
    assert not any(p.requires_grad for p in network.parameters())


def test_other_step_count_is_refused(trained: dict[str, Path]) -> None:
    denoiser, words = load_diffusion(trained["diffusion"], CPU)
    with pytest.raises(UserError, match="was made for steps=20, not 200"):
        load_classifier(trained["span"], denoiser, words.digest, 200, CPU)


def test_other_vocabulary_is_refused(trained: dict[str, Path]) -> None:
    denoiser, _ = load_diffusion(trained["diffusion"], CPU)
    with pytest.raises(UserError, match="was made for vocabulary="):
        load_classifier(trained["span"], denoiser, "other", 20, CPU)


def test_block_mode_is_refused(trained: dict[str, Path], tmp_path: Path) -> None:
    texts = [Text(words, tree) for words, tree in TREES.items()]
    with pytest.raises(UserError, match="padding=block"):
        train_classifier(
            tmp_path, trained["block"], "syntax_spans", texts, texts, CONFIG, 0, CPU
        )


def test_unknown_controls_are_refused() -> None:
    network = classifier()
    with pytest.raises(UserError, match="knows no label 'XX'"):
        SpanGuide(network, LABELS, [Span(0, 1, "XX")])
    with pytest.raises(UserError, match="cannot read Length"):
        SpanGuide(network, LABELS, [Length(3)])


def test_text_without_tree_is_an_error(trained: dict[str, Path], tmp_path: Path) -> None:
    bare = [Text(words) for words in TREES]
    with pytest.raises(UserError, match="has no tree"):
        train_classifier(
            tmp_path, trained["diffusion"], "syntax_spans", bare, bare, CONFIG, 0, CPU
        )
