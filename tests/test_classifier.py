"""The chart classifier and its two guides (reference notes, sections 2.6 and 2.7)."""

import math

import pytest
import torch
from spaces import space
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.classifiers.chart import (
    SpanClassifier,
    SpanGuide,
    SpanObjective,
    TreeGuide,
    nearest,
    sparse_chart,
)
from models.diffusion.config import ClassifierConfig
from models.diffusion.schedule import make_schedule
from models.nets.config import EncoderConfig
from tasks.common.errors import UserError
from tasks.controls import Length, ParseTree, Span

TINY = EncoderConfig(layers=1, width=16, heads=2, feedforward=32, dropout=0.0)
CONFIG = ClassifierConfig(steps=20, span_hidden=8, network=TINY)
LABELS = {"": 0, "NP": 1, "VP": 2}
TREE = ParseTree("(S (NP (NN *) (NN *)) (VP (NN *)))")


def classifier(dtype: torch.dtype = torch.float32) -> SpanClassifier:
    torch.manual_seed(0)
    return SpanClassifier(CONFIG, space(), len(LABELS)).eval().requires_grad_(False).to(dtype)


def latents(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, 10, 8, generator=torch.Generator().manual_seed(1), dtype=dtype)


def test_one_cell_of_the_chart() -> None:
    """A cell alone scores as it does in the chart, and the guide is its log-softmax."""
    network, x = classifier(), latents()
    start, end = torch.triu_indices(10, 10)
    level = torch.tensor([7, 7])
    chart = network.chart(x, level)
    guide = SpanGuide(network, LABELS, [Span(0, 3, "NP"), Span(4, 6, "VP")])
    for row, (i, j, label) in enumerate([(1, 4, 1), (5, 7, 2)]):
        place = int(((start == i) & (end == j)).nonzero()[0])
        expected = chart[row, place].log_softmax(-1)[label]
        torch.testing.assert_close(guide(x, 7)[row], expected)


def test_chart_cells_are_the_upper_triangle() -> None:
    """Cell n joins the states at ``triu_indices``: both halves of the first layer, by hand."""
    network, x = classifier(), latents()
    level = torch.tensor([7, 7])
    states = network.states(x, level)
    start, end = torch.triu_indices(10, 10)
    joined = torch.cat([states[:, end], states[:, start]], -1)
    weight = torch.cat([network.end.weight, network.start.weight], 1)
    expected = network.label(torch.tanh(F.linear(joined, weight, network.end.bias)))
    torch.testing.assert_close(network.chart(x, level), expected)


def test_tree_energy_is_the_mean_over_all_cells() -> None:
    """Constituents, shifted by 1 for START, and "no constituent" everywhere else, padding too."""
    x, labels = latents(), LABELS | {"S": 3}
    torch.manual_seed(1)
    wide = SpanClassifier(CONFIG, space(), 4).eval().requires_grad_(False)
    chart = wide.chart(x, torch.tensor([7, 7])).log_softmax(-1)
    gold = {(1, 3): 3, (1, 2): 1, (3, 3): 2}
    total = torch.zeros(2)
    for n, cell in enumerate(torch.triu_indices(10, 10).T.tolist()):
        total += chart[:, n, gold.get(tuple(cell), 0)]
    torch.testing.assert_close(TreeGuide(wide, labels, [TREE, TREE])(x, 7), total / 55)
    # "S" was never seen: its cell is left out
    partial = TreeGuide(wide, LABELS, [TREE, TREE])
    cell = torch.triu_indices(10, 10).T.tolist().index([1, 3])
    expected = (total - chart[:, cell, 3]) / 54
    torch.testing.assert_close(partial(x, 7), expected)


def test_which_cells_an_energy_depends_on() -> None:
    """The gradient in the logits: one cell for a span, all 55 for a tree."""
    network, x = classifier(), latents()
    seen: list[Tensor] = []

    def keep(module: torch.nn.Module, args: object, out: Tensor) -> Tensor:
        seen.append(out.detach().clone().requires_grad_(True))
        return seen[-1]

    network.label.register_forward_hook(keep)
    SpanGuide(network, LABELS, [Span(0, 3, "NP")] * 2)(x, 7).sum().backward()
    assert seen[0].grad is not None
    # one logit row for each of the two samples; the rest of the 8 rows is padding
    assert seen[0].grad.abs().sum(1).nonzero().flatten().tolist() == [0, 1]
    TreeGuide(network, LABELS, [TREE] * 2)(x, 7).sum().backward()
    grad = seen[1].grad
    assert grad is not None
    assert grad.shape[:2] == (2, 55)
    touched = grad.abs().sum(2) > 0
    # (1, 3) is the whole sentence, an S, which these labels lack
    missing = torch.triu_indices(10, 10).T.tolist().index([1, 3])
    assert touched.sum(1).tolist() == [54, 54]
    assert not touched[:, missing].any()


def test_guide_gradients_by_finite_differences() -> None:
    network, x = classifier(torch.float64), latents(torch.float64)
    controls = [Span(1, 5, "VP"), Span(0, 0, "NP")]
    for guide in (SpanGuide(network, LABELS, controls), TreeGuide(network, LABELS, [TREE] * 2)):
        y = x.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(guide(y, 3).sum(), y)
        rng = torch.Generator().manual_seed(2)
        for _ in range(5):
            direction = torch.randn(x.shape, generator=rng, dtype=torch.float64)
            # the logits are handed out in fp32, so the difference quotient is that coarse
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
    data = (ids, charts)
    return SpanObjective(classifier(), space(), train=data, valid=data, batch=4, seed=0)


def test_gold_chart_masks_the_lower_triangle() -> None:
    made = objective()
    gold = made.gold(made.train_gold)
    # i <= j only; padding cells are there and labelled "no constituent"
    cells = torch.triu_indices(10, 10).T.tolist()
    assert gold.shape == (4, 55)
    for place, label in [([1, 3], 1), ([2, 2], 2), ([0, 0], 0), ([9, 9], 0)]:
        assert int(gold[0, cells.index(place)]) == label
    assert int(gold[0].count_nonzero()) == 2
    assert int(gold[1].count_nonzero()) == 0


def test_loss_is_the_mean_over_all_cells() -> None:
    made = objective()
    torch.manual_seed(5)
    loss, _ = made.loss(0)
    torch.manual_seed(5)
    rows = torch.from_numpy(made.plan(0))
    ids = made.train_ids[rows]
    s = torch.randint(-1, 20, (4,))
    assert int(s.min()) >= -1
    noise = torch.randn(4, 10, 8)
    # noise is added to the plain embeddings, without the extra std of x_0
    a = torch.tensor([*make_schedule("sqrt", 20).alpha_bar, 1.0], dtype=torch.float32)[s]
    x = a.sqrt()[:, None, None] * made.table[ids] + (1 - a).sqrt()[:, None, None] * noise
    logits = made.classifier.chart(x, s)
    gold = made.gold([made.train_gold[i] for i in rows.tolist()])
    torch.testing.assert_close(loss, F.cross_entropy(logits.reshape(-1, 3), gold.reshape(-1)))


def test_levels_are_drawn_from_clean_to_the_noisiest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each text has its own level, told to the network, -1 (clean) and 19 among them."""
    made = objective()
    drawn: list[int] = []
    chart = made.classifier.chart

    def spy(x: Tensor, s: Tensor) -> Tensor:
        drawn.extend(s.tolist())
        return chart(x, s)

    monkeypatch.setattr(made.classifier, "chart", spy)
    for step in range(100):
        made.loss(step)
    assert set(drawn) == set(range(-1, 20))


def test_figures_by_noise_level() -> None:
    made = objective()
    points = made.noise_curve()
    assert [point["level"] for point in points] == [-1, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]
    signal = [point["alpha_bar"] for point in points]
    assert signal[0] == 1.0
    assert signal == sorted(signal, reverse=True)
    # by hand at one level: recall over the four gold constituents, precision over those found
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(4, 10, 8, generator=rng)
    s = torch.full((4,), 5)
    found = made.classifier.chart(
        made.process.latents(made.valid_ids, made.table, s, noise), s
    ).argmax(-1)
    gold = made.gold(made.valid_gold)
    right = int(((found == gold) & (gold > 0)).sum())
    assert points[3]["recall"] == right / 4
    assert math.isclose(points[3]["precision"], right / int((found > 0).sum()))


def test_sparse_chart_shifts_for_start() -> None:
    tree = "(S (NP (DT the) (NN cat)) (VP (VBZ sleeps)))"
    rows = sparse_chart(tree, {"": 0, "NP": 1, "VP": 2}, 10).tolist()
    assert rows == [[1, 2, 1], [3, 3, 2]]
    # nothing past the end of the sequence
    assert sparse_chart(tree, {"": 0, "NP": 1, "VP": 2}, 3).tolist() == [[1, 2, 1]]


def test_a_chain_of_labels_that_no_tree_has_is_guided_to_its_innermost_one() -> None:
    labels = {"": 0, "S": 1, "NP": 2, "S::VP": 3}
    assert nearest("S::VP", labels) == 3
    assert nearest("S::NP", labels) == nearest("X::S::NP", labels) == 2
    assert nearest("S::XX", labels) == 1
    with pytest.raises(UserError, match="knows no label 'XX::YY', only S, NP, S::VP"):
        nearest("XX::YY", labels)


def test_unknown_controls_are_refused() -> None:
    network = classifier()
    with pytest.raises(UserError, match="knows no label 'XX'"):
        SpanGuide(network, LABELS, [Span(0, 1, "XX")])
    with pytest.raises(UserError, match="cannot read Length"):
        SpanGuide(network, LABELS, [Length(3)])
    with pytest.raises(UserError, match="cannot read Length"):
        TreeGuide(network, LABELS, [Length(3)])
