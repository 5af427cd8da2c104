"""The tag classifier and its guide (reference notes, sections 2.6 and 2.7)."""

import pytest
import torch
from spaces import space
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.classifiers.tags import TagClassifier, TagGuide, TagObjective, tag_vocabulary
from models.diffusion.config import ClassifierConfig
from models.nets.config import EncoderConfig
from tasks.common.errors import UserError
from tasks.controls import Length, TagSequence
from tasks.vocabulary import END, PAD, START

TINY = EncoderConfig(layers=1, width=16, heads=2, feedforward=32, dropout=0.0)
CONFIG = ClassifierConfig(steps=20, network=TINY)
TAGS = tag_vocabulary(["NOUN", "DET"])
CONTROLS = [TagSequence(("DET", "NOUN", "VERB")), TagSequence(("NOUN",))]


def classifier(dtype: torch.dtype = torch.float32) -> TagClassifier:
    torch.manual_seed(0)
    return TagClassifier(CONFIG, space(), len(TAGS)).eval().requires_grad_(False).to(dtype)


def latents(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, 10, 8, generator=torch.Generator().manual_seed(1), dtype=dtype)


def test_21_tags() -> None:
    assert len(TAGS) == 21
    assert TAGS.words[:4] == ("START", "END", "UNK", "PAD")
    assert tag_vocabulary(["ODD"]).words[21:] == ("ODD",)


def test_guide_is_the_mean_over_all_positions() -> None:
    """START, the tags, END, then PAD to the end."""
    network, x = classifier(), latents()
    scores = network(x, torch.tensor([7, 7])).log_softmax(-1)
    det, noun, verb = (TAGS.ids[tag] for tag in ("DET", "NOUN", "VERB"))
    rows = [[START, det, noun, verb, END, *[PAD] * 5], [START, noun, END, *[PAD] * 7]]
    expected = [
        sum(float(scores[b, i, tag]) for i, tag in enumerate(row)) / 10
        for b, row in enumerate(rows)
    ]
    assert TagGuide(network, TAGS, CONTROLS)(x, 7).tolist() == pytest.approx(expected)


def test_guide_gradient_by_finite_differences() -> None:
    network, x = classifier(torch.float64), latents(torch.float64)
    guide = TagGuide(network, TAGS, CONTROLS)
    y = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(guide(y, 3).sum(), y)
    rng = torch.Generator().manual_seed(2)
    for _ in range(5):
        direction = torch.randn(x.shape, generator=rng, dtype=torch.float64)
        step = 1e-2 * direction
        numeric = float((guide(x + step, 3) - guide(x - step, 3)).sum()) / 2e-2
        assert float((gradient * direction).sum()) == pytest.approx(numeric, rel=2e-2, abs=1e-3)


def objective() -> TagObjective:
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 6, (4, 10), generator=rng)
    tags = torch.tensor([[START, 4, 5, END, *[PAD] * 6]] * 4)
    data = (ids, tags)
    return TagObjective(classifier(), space(), train=data, valid=data, batch=4, seed=0)


def test_loss_is_the_mean_over_all_positions() -> None:
    made = objective()
    torch.manual_seed(5)
    loss, _ = made.loss(0)
    torch.manual_seed(5)
    s = torch.randint(-1, 20, (4,))
    rows = torch.from_numpy(made.plan(0))
    x = made.process.latents(made.train_ids[rows], made.table, s, torch.randn(4, 10, 8))
    scores = made.classifier(x, s)
    expected = F.cross_entropy(scores.reshape(40, -1), made.train_gold[rows].reshape(40))
    torch.testing.assert_close(loss, expected)


def test_figures_count_positions() -> None:
    made = objective()
    figures = made.figures(3, 4)
    s = torch.full((4,), 3)
    noise = torch.randn(4, 10, 8, generator=torch.Generator().manual_seed(0))
    found = made.classifier(made.process.latents(made.valid_ids, made.table, s, noise), s).argmax(
        -1
    )
    right = found == made.valid_gold
    assert figures["accuracy"] == pytest.approx(float(right[:, :4].float().mean()))
    assert figures["accuracy_with_pad"] == pytest.approx(float(right.float().mean()))


def test_unknown_controls_are_refused() -> None:
    network = classifier()
    with pytest.raises(UserError, match="unknown tag 'NOUNS': did you mean 'NOUN'"):
        TagGuide(network, TAGS, [TagSequence(("NOUNS",))])
    with pytest.raises(UserError, match="unknown tag 'PAD'"):
        TagGuide(network, TAGS, [TagSequence(("PAD",))])
    with pytest.raises(UserError, match="cannot read Length"):
        TagGuide(network, TAGS, [Length(3)])
