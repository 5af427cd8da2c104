"""DELOREAN: its passes by finite differences, closed forms and greedy decoding; its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from carded import needs, refuses
from fetching import CODEC, CPU, FOLLOWS, TARGETS, make_lm
from torch import Tensor

from baselines.delorean.method import Delorean
from baselines.delorean.passes import Between, Relaxation, norm
from baselines.delorean.settings import DeloreanSettings
from baselines.left_only.method import LeftOnly
from baselines.left_only.settings import LeftOnlySettings
from baselines.soft import SoftReader
from models.base import Sample
from models.nets.backbones.gpt2 import GPT2
from tasks import load_task
from tasks.base import Target, Words
from tasks.common.errors import UserError
from tasks.controls import Infill, Length
from tasks.vocabulary import UNK

TASK = load_task("length")  # which one is not read
#: steps large enough for a vocabulary of thirty words
STRONG = DeloreanSettings(length=5, passes=6, backward_steps=6, step_size=0.4)
QUICK = replace(STRONG, passes=2, backward_steps=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lm")
    make_lm(folder)
    return folder


def delorean(folder: Path, settings: DeloreanSettings = QUICK, **options: Any) -> Delorean:
    return Delorean.load({"lm": folder}, TASK, replace(settings, **options), CPU)


def content(
    generator: Delorean, targets: list[Target], n: int = 2, batch: int = 64
) -> dict[str, tuple[list[Sample], int | None]]:
    found = generator.generate(targets, n, seed=3, batch=batch)
    return {r.target_id: ([replace(s, seconds=0.0) for s in r.samples], r.chosen) for r in found}


def problem(settings: DeloreanSettings) -> tuple[Relaxation, Tensor, Between, Tensor]:
    """An untrained network of 11 ids, two of them excluded, in fp64; logits of three middles of
    five tokens; right contexts of two to four tokens; the left contexts."""
    torch.manual_seed(0)
    model = GPT2.fresh(11, 16, 2, 16, 2, 0.0).double().eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(3)
    relaxation = Relaxation(SoftReader(model), settings, [0, 3])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]])
    left = torch.randint(11, (3, 4))
    with torch.no_grad():
        between = relaxation.between(left, torch.randint(1, 11, (3, 4)), mask)
    logits = torch.randn(3, 5, 11, dtype=torch.float64) * 2
    return relaxation, logits, between, left


def test_gradient_of_the_backward_pass() -> None:
    """Finite differences with respect to the logits; ids that cannot come out have none."""
    relaxation, logits, between, _ = problem(replace(STRONG, temperature_backward=0.8))
    leaf = logits.clone().requires_grad_()
    losses = relaxation.losses(leaf, between)
    (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    rng = torch.Generator().manual_seed(1)
    for _ in range(3):
        direction = torch.randn(logits.shape, generator=rng, dtype=torch.float64)
        ahead = relaxation.losses(logits + 1e-5 * direction, between)
        behind = relaxation.losses(logits - 1e-5 * direction, between)
        # each row's loss depends on its own logits alone
        slope = (ahead - behind) / 2e-5
        torch.testing.assert_close(slope, (gradient * direction).sum((1, 2)))
    assert gradient[..., [0, 3]].eq(0).all() and gradient.abs().amax((1, 2)).gt(1e-4).all()


def test_the_loss_is_the_likelihood_of_the_right_context() -> None:
    """With all but certain tokens it is the network's own, of a row by itself, unpadded."""
    relaxation, _, between, left = problem(STRONG)
    model = relaxation.reader.model
    middle = torch.tensor([[4, 5, 6, 7, 8]] * 3)
    certain = torch.nn.functional.one_hot(middle, 11).double() * 1e4
    losses = relaxation.losses(certain, between)
    for row, n in enumerate((4, 3, 2)):
        ids = torch.cat([left[row], middle[row], between.right[row, :n]])
        log_probs = model.network(ids[None]).logits[0].log_softmax(-1)
        expected = -sum(log_probs[i - 1, ids[i]] for i in range(9, 9 + n))
        torch.testing.assert_close(losses[row], torch.as_tensor(expected))


@pytest.mark.parametrize("unit", ["logits", "one"])
def test_a_step_has_its_length_and_lowers_the_loss(unit: str) -> None:
    settings = replace(STRONG, backward_steps=1, step_size=1e-3)
    settings = replace(settings, step_unit=unit)  # type: ignore[arg-type]
    relaxation, logits, between, _ = problem(settings)
    before = relaxation.losses(logits, between)
    stepped = relaxation.backward(logits, between)
    length = 1e-3 * (norm(logits) if unit == "logits" else torch.ones(3, 1, 1))
    torch.testing.assert_close(norm(stepped - logits), length.double())
    assert (relaxation.losses(stepped, between) < before).all()
    leaf = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(relaxation.losses(leaf, between).sum(), leaf)
    torch.testing.assert_close(stepped, logits - length * gradient / norm(gradient))
    # ten steps go further down than one
    relaxation.settings = replace(settings, backward_steps=10)
    further = relaxation.losses(relaxation.backward(logits, between), between)
    assert (further < relaxation.losses(stepped, between)).all()


def test_where_only_forward_counts_the_text_is_greedy() -> None:
    """mix_rate 1 and next to certain soft tokens: transformers' own greedy decoding."""
    settings = replace(STRONG, mix_rate=1.0, temperature_forward=1e-4, passes=2)
    relaxation, _, between, left = problem(settings)
    texts = relaxation.run(between, torch.zeros(3, 3, 5, dtype=torch.float64))
    expected = relaxation.reader.model.network.generate(
        left,
        attention_mask=torch.ones(3, 4, dtype=torch.long),
        max_new_tokens=5,
        do_sample=False,
        suppress_tokens=[0, 3],
        pad_token_id=0,
    )[:, 4:]
    for i in range(2):
        assert torch.equal(texts[:, i], expected)
    assert len({tuple(row) for row in expected.tolist()}) > 1


def test_the_mixture() -> None:
    """By hand at the first two positions; mix_rate 0 leaves what the backward pass gave."""
    relaxation, logits, between, _ = problem(replace(STRONG, mix_rate=0.7))
    with torch.no_grad():
        mixed = relaxation.forward(logits, between)
        one = 0.7 * between.first + 0.3 * logits[:, 0]
        torch.testing.assert_close(mixed[:, 0], one)
        weights = one.clone()
        weights[:, [0, 3]] = -torch.inf
        soft = weights.softmax(-1) @ relaxation.reader.model.table
        ahead = relaxation.reader.logits(soft[:, None], between.past)[:, 0]
        torch.testing.assert_close(mixed[:, 1], 0.7 * ahead + 0.3 * logits[:, 1])
        relaxation.settings = replace(STRONG, mix_rate=0.0)
        assert torch.equal(relaxation.forward(logits, between), logits)


def test_delorean_finds_what_makes_the_right_context_likely(folder: Path) -> None:
    """Going on from the left always fetches the cup; the right context says what was fetched."""
    go_on = LeftOnly.load({"lm": folder}, TASK, LeftOnlySettings(top_k=1, max_words=8), CPU)
    greedy = list(go_on.generate(TARGETS, 1, seed=0))
    found = list(delorean(folder, STRONG).generate(TARGETS, 6, seed=0))
    for target, left_only, own in zip(TARGETS, greedy, found, strict=True):
        who = "he" if "ben" in target.control.left else "she"  # type: ignore[attr-defined]
        assert left_only.samples[0].words == (who, "fetched", "a", "cup", ".")
        assert left_only.target_id == own.target_id == target.id and own.chosen is not None
        thing = [*FOLLOWS][int(target.id[-1])]
        assert own.samples[own.chosen].words == (who, "fetched", "a", thing, ".")


@pytest.mark.parametrize("top_k", [1, 3])
def test_samples_depend_on_nothing_but_their_names(folder: Path, top_k: int) -> None:
    """Neither on the batch, nor on the other targets or their order, nor on how many there are."""
    longer = Target(
        "long", Infill(("ann", "went", "home", "."), tuple(["tea", "is", "poured", ".", "!"]))
    )
    shorter = Target("short", Infill(("ann", "."), ("tea", ".")))
    targets = [shorter, *TARGETS[:4], longer]
    generator = delorean(folder, top_k=top_k)
    whole = content(generator, targets)
    assert list(whole) == [target.id for target in targets]
    assert content(generator, targets, batch=1) == whole
    assert content(generator, targets[:2:-1]) == {t.id: whole[t.id] for t in targets[:2:-1]}
    single = content(generator, targets[:2], n=1)
    for target in targets[:2]:
        assert [one.tokens for one in single[target.id][0]] == [whole[target.id][0][0].tokens]
    assert all(len(samples) == 2 for samples, _ in content(generator, targets[:2], n=9).values())
    deterministic = content(delorean(folder), targets) == whole
    assert deterministic is (top_k == 1)


def test_network_evaluations_and_raw_tokens(folder: Path) -> None:
    """Those of a target are the calls of the network, its ranking left out."""
    generator, calls = delorean(folder, passes=3), [0]
    generator.ranking = Silent()

    inner = generator.reader.model.read

    def count(*given: Any, **named: Any) -> Any:
        calls[0] += 1
        return inner(*given, **named)

    generator.reader.model.read = count  # type: ignore[method-assign]
    (found,) = generator.generate(TARGETS[:1], 3, seed=0)
    assert calls[0] == 5 + 3 * (2 + 4)
    assert sum(one.nfe for one in found.samples) == pytest.approx(calls[0])
    assert [one.index for one in found.samples] == [0, 1, 2]
    assert all(len(one.tokens) == 5 and one.seconds > 0 for one in found.samples)


class Silent:
    """No preference."""

    def scores(self, control: Infill, middles: Sequence[Words]) -> list[float]:
        return [0.0] * len(middles)


def test_unk_comes_out_only_where_it_may(folder: Path) -> None:
    """A network that says UNK whenever it may, and START or END next."""
    for unk in ("avoid", "keep"):
        generator = delorean(folder, unk=unk, step_size=0.0)
        head = torch.nn.Linear(32, len(CODEC))
        torch.nn.init.zeros_(head.weight)
        head.bias.data[:4] = torch.tensor([8.0, 8.0, 9.0, 8.0])
        assert UNK == 2
        generator.reader.model.network.lm_head = head.requires_grad_(False)
        (found,) = generator.generate(TARGETS[:1], 2, seed=0)
        for one in found.samples:
            assert ("UNK" in one.words) is (unk == "keep")
            assert not {"PAD", "START", "END"} & {*one.tokens}


def test_unk_is_repaired(folder: Path) -> None:
    """What the masked language model says stands in the words, not in the raw tokens."""

    class Repair:
        def repair(self, left: Words, middle: Words, right: Words) -> Words:
            assert left[-1] == right[-1] == "."
            return ("repaired", *middle[1:])

    generator = delorean(folder)
    generator.repair = Repair()  # type: ignore[assignment]
    (found,) = generator.generate(TARGETS[:1], 2, seed=0)
    assert all(one.words[0] == "repaired" for one in found.samples)
    assert all(one.tokens[0] != "repaired" for one in found.samples)


def test_errors(folder: Path, tmp_path: Path) -> None:
    long = Target("far", Infill(("a",) * 12, ("she",) * 8))
    with pytest.raises(UserError, match=r"far takes 26 tokens .* reads 24"):
        list(delorean(folder).generate([TARGETS[0], long], 1, seed=0))
    with pytest.raises(UserError, match="target t: infilling cannot read"):
        list(delorean(folder).generate([Target("t", Length(3))], 1, seed=0))
    with pytest.raises(UserError, match="choose ranking=lm"):
        delorean(folder, ranking="nsp", rank_model=str(tmp_path))
    wrong: list[dict[str, Any]] = [
        *({"mix_rate": 1.1}, {"passes": 0}, {"backward_steps": -1}, {"temperature_forward": 0.0}),
        *({"ranking": "nsp"}, {"unk": "repair"}, {"top_k": 0}),
    ]
    for options in wrong:
        with pytest.raises(UserError):
            DeloreanSettings(**options)
    assert refuses(Delorean, "length") == "it fills in sentences only"
    assert refuses(Delorean, "infilling") is None and needs(Delorean, "infilling") == ("lm",)


def test_an_item_as_long_as_the_model(folder: Path) -> None:
    """There is no room for the usual padding."""
    fits = Target("fits", Infill(("a",) * 11, ("she",) * 7))
    (found,) = delorean(folder).generate([fits], 1, seed=0)
    assert len(found.samples[0].tokens) == 5
