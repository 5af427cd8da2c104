"""The attribute classifier and its guide (reference notes, sections 2.6 and 2.7)."""

import pytest
import torch
from spaces import space
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.classifiers.attribute import (
    AttributeClassifier,
    AttributeGuide,
    AttributeObjective,
    AttributeTokens,
)
from models.diffusion.config import ClassifierConfig
from models.nets.config import EncoderConfig
from tasks.common.errors import UserError
from tasks.controls import FieldValue, Length
from tasks.vocabulary import END, PAD, UNK, Vocabulary

TINY = EncoderConfig(
    layers=2, width=16, heads=2, feedforward=32, dropout=0.0, attention_dropout=0.0
)
CONFIG = ClassifierConfig(steps=20, network=TINY)
WORDS = Vocabulary(["START", "END", "UNK", "PAD", "red", "fox", "the", "cheap", "name"])
NAME, PRICE = FieldValue("name", "the red fox"), FieldValue("price range", "cheap")
FRIENDLY = FieldValue("familyFriendly", "yes")
TOKENS = AttributeTokens.build([NAME, PRICE, FRIENDLY], WORDS)
LENGTH, DIM = 10, 8


def table() -> Tensor:
    return torch.randn(len(WORDS), DIM, generator=torch.Generator().manual_seed(3))


def classifier(dtype: torch.dtype = torch.float32) -> AttributeClassifier:
    torch.manual_seed(0)
    network = AttributeClassifier(CONFIG, space(WORDS, table()), TOKENS.length, TOKENS.extra)
    # GPT-2's initial weights are small: larger ones make differences between rows show
    for parameter in network.body.parameters():
        parameter.data.mul_(3)
    return network.eval().requires_grad_(False).to(dtype)


def latents(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(3, LENGTH, DIM, generator=torch.Generator().manual_seed(1), dtype=dtype)


def test_attributes_as_tokens() -> None:
    """ ":" and "yes" stand in no text, and get ids of their own; so does every field name."""
    assert (TOKENS.words, TOKENS.length) == ((":", "yes"), 6)
    assert TOKENS.fields == ("familyFriendly", "name", "price range")
    known, colon = len(WORDS), len(WORDS)
    friendly, name, price = known + 2, known + 3, known + 4
    ids = WORDS.ids
    expected = [name, colon, ids["the"], ids["red"], ids["fox"], END]
    assert TOKENS.encode(NAME) == expected
    assert TOKENS.encode(PRICE) == [price, colon, ids["cheap"], END, PAD, PAD]
    assert TOKENS.encode(FRIENDLY) == [friendly, colon, known + 1, END, PAD, PAD]
    # a word of neither
    assert TOKENS.encode(FieldValue("name", "Zizzi"))[2] == UNK
    assert AttributeTokens.from_json(TOKENS.to_json(), WORDS) == TOKENS


def attributes() -> Tensor:
    """(3, 2, A): two attributes a text."""
    pairs = [(NAME, PRICE), (PRICE, FRIENDLY), (FRIENDLY, NAME)]
    return torch.tensor([[TOKENS.encode(a) for a in pair] for pair in pairs])


def test_side_by_side_is_as_one_by_one() -> None:
    """An attribute's logits do not depend on which others are read with it."""
    network, x, s = classifier(), latents(), torch.tensor([-1, 4, 19])
    ids = attributes()
    both = network(x, s, network.embed(ids))
    for k in (0, 1):
        alone = network(x, s, network.embed(ids[:, k : k + 1]))
        torch.testing.assert_close(both[:, k], alone[:, 0])


def test_attribute_is_read_causally() -> None:
    """Logits of a token depend on the text and on earlier tokens of the attribute alone."""
    network, x, s = classifier(), latents(), torch.full((3,), 4)
    ids = attributes()[:, :1]
    before = network(x, s, network.embed(ids))
    ids[:, 0, 3] = UNK
    after = network(x, s, network.embed(ids))
    torch.testing.assert_close(before[:, :, :3], after[:, :, :3])
    assert float((before - after)[:, :, 3:].abs().max()) > 1e-4
    moved = network(x.flip(1), s, network.embed(ids))
    assert float((moved - after).abs().amin((1, 2, 3)).max()) > 0
    assert not torch.allclose(moved, after)


def test_guide_is_the_mean_over_colon_and_value() -> None:
    network, x = classifier(), latents()
    controls = [NAME, PRICE, FRIENDLY]
    ids = torch.tensor([TOKENS.encode(control) for control in controls])
    logits = network(x, torch.full((3,), 7), network.embed(ids[:, None]))[:, 0].log_softmax(-1)
    expected = []
    for row, control in enumerate(controls):
        # tokens 1 to n: ":" and the value; token 0 is the field, the one after them END
        last = 1 + len(control.words)
        scores = [float(logits[row, i - 1, ids[row, i]]) for i in range(1, last + 1)]
        expected.append(sum(scores) / len(scores))
    assert AttributeGuide(network, TOKENS, controls)(x, 7).tolist() == pytest.approx(expected)


def test_a_row_alone_is_as_in_a_batch() -> None:
    """Bit for bit, beside longer attributes too."""
    network, x = classifier(), latents()
    controls = [NAME, PRICE, FRIENDLY] * 3
    x = torch.cat([x, x + 1, x - 1])
    whole = AttributeGuide(network, TOKENS, controls)(x, 7)
    for row in range(9):
        alone = AttributeGuide(network, TOKENS, [controls[row]])(x[row : row + 1], 7)
        assert torch.equal(alone[0], whole[row])


def test_field_name_matters() -> None:
    network, x = classifier(), latents()
    guides = [
        AttributeGuide(network, TOKENS, [FieldValue(field, "cheap")] * 3)(x, 7)
        for field in TOKENS.fields
    ]
    assert len({round(float(guide[0]), 5) for guide in guides}) == 3


def test_guide_gradient_by_finite_differences() -> None:
    network, x = classifier(torch.float64), latents(torch.float64)
    guide = AttributeGuide(network, TOKENS, [NAME, PRICE, FRIENDLY])
    y = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(guide(y, 3).sum(), y)
    rng = torch.Generator().manual_seed(2)
    for _ in range(5):
        direction = torch.randn(x.shape, generator=rng, dtype=torch.float64)
        # the logits are handed out in fp32, so the difference quotient is that coarse
        step = 1e-3 * direction
        numeric = float((guide(x + step, 3) - guide(x - step, 3)).sum()) / 2e-3
        assert float((gradient * direction).sum()) == pytest.approx(numeric, rel=1e-2, abs=2e-3)


def objective(noised: bool) -> AttributeObjective:
    ids = torch.randint(4, 9, (3, LENGTH), generator=torch.Generator().manual_seed(0))
    data, network = (ids, attributes()), classifier().requires_grad_(True)
    return AttributeObjective(
        network, space(WORDS, table()), tokens=TOKENS, train=data, valid=data, batch=3, seed=0,
        noised=noised,
    )  # fmt: skip


@pytest.mark.parametrize("noised", [False, True])
def test_loss_is_the_mean_over_colon_value_and_end(noised: bool) -> None:
    made = objective(noised)
    torch.manual_seed(5)
    loss, _ = made.loss(0)
    torch.manual_seed(5)
    s = torch.randint(-1, 20, (3,))
    rows = torch.from_numpy(made.plan(0))
    x = made.process.latents(made.train_ids[rows], made.table, s, torch.randn(3, LENGTH, DIM))
    ids = made.train_gold[rows]
    read = made.classifier.embed(ids)
    if noised:
        # the same level as the text's, on every token
        levels = [made.process.signal(level) for level in s.tolist()]
        a = torch.tensor(levels)[:, None, None, None]
        read = a.sqrt() * read + (1 - a).sqrt() * torch.randn(read.shape)
    scores = made.classifier(x, s, read)
    losses = [
        F.cross_entropy(scores[b, k, i], ids[b, k, i + 1])
        for b in range(3)
        for k in range(2)
        for i in range(5)
        if ids[b, k, i + 1] != PAD
    ]
    torch.testing.assert_close(loss, torch.stack(losses).mean())


def test_embeddings_of_words_are_frozen_and_own_ones_are_not() -> None:
    made = objective(noised=False)
    made.loss(0)[0].backward()
    network = made.classifier
    assert {name for name, p in network.named_parameters() if p.grad is None} == set()
    assert "words" not in network.state_dict()
    own = network.extra_embedding.weight.grad
    assert own is not None and float(own.abs().sum()) > 0


def test_figures_count_whole_values() -> None:
    made = objective(noised=False)
    figures = made.figures(-1, 3)
    ids = made.valid_gold
    s = torch.full((3,), -1)
    with torch.no_grad():
        x = made.table[made.valid_ids]
        found = made.classifier(x, s, made.classifier.embed(ids)).argmax(-1)
    right = [
        all(int(found[b, k, i - 1]) == int(ids[b, k, i]) for i in range(1, 6)
            if int(ids[b, k, i]) not in (END, PAD))
        for b in range(3) for k in range(2)
    ]  # fmt: skip
    assert figures["accuracy"] == pytest.approx(sum(right) / 6)
    assert set(figures) == {"accuracy", "name", "price range", "familyFriendly"}


def test_unknown_controls_are_refused() -> None:
    network = classifier()
    with pytest.raises(UserError, match="unknown field 'names': did you mean 'name'"):
        AttributeGuide(network, TOKENS, [FieldValue("names", "the red fox")])
    with pytest.raises(UserError, match="has 4 words; the attribute classifier reads at most 3"):
        AttributeGuide(network, TOKENS, [FieldValue("name", "the old red fox")])
    with pytest.raises(UserError, match="cannot read Length"):
        AttributeGuide(network, TOKENS, [Length(3)])
    with pytest.raises(UserError, match="no training text has a field value"):
        AttributeTokens.build([], WORDS)
