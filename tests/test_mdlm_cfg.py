"""Classifier-free guidance of masked diffusion: its law against exact tables, and what its prompts
keep."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_words_guide import Affine, Exact
from torch import Tensor
from word_nets import CPU, SKEWED, TINY, WORDS, Knows, assert_drawn, frequencies, ids_of

from baselines import METHODS
from models.diffusion.contrast import mixed
from models.diffusion.loop import uniform, walk
from models.diffusion.prompts import PROMPTS, Prompts
from models.diffusion.words.config import WordGuidanceConfig
from models.diffusion.words.contrast import Guided
from models.diffusion.words.frame import LENGTHS
from models.diffusion.words.guide import Candidates, FirstOrder, Guides
from models.diffusion.words.prompted import Dropping, PromptedConfig
from models.diffusion.words.prompts import prompted, starts
from models.diffusion.words.reader import Reader
from models.diffusion.words.role import build
from models.mdlm import MDLM, MDLMSettings
from models.mdlm_cfg import MDLMCFG, CFGSettings, GuidedCFGSettings, MDLMCFGGuided
from models.nets.artefact import save_network
from models.nets.config import TrainConfig
from tasks import load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import AllOf, FieldValue, Length, TagSequence
from tasks.vocabulary import END, PAD, START, Vocabulary

MASK = ids_of(SKEWED)
BEGIN, TOKEN = MASK + 1, MASK + 2
GIVEN = torch.rand(4, 4, generator=torch.Generator().manual_seed(3)).double()
TILTED = SKEWED * GIVEN / (SKEWED * GIVEN).sum()


class Behind:
    """Exact tables behind a prompt: p(x | c) where it has a token, else p(x)."""

    mask, device, time = MASK, CPU, None

    def __init__(self, under: Tensor = TILTED) -> None:
        self.free, self.under = Knows(SKEWED), Knows(under)
        self.free.dtype = self.under.dtype = torch.float64

    def __call__(self, ids: Tensor, time: Tensor) -> Tensor:
        text = starts(ids[0].tolist(), MASK)[-1]
        told = (ids[:, :text] >= TOKEN).any(1)[:, None, None]
        out = torch.where(told, self.under(ids[:, text:]), self.free(ids[:, text:]))
        return torch.cat([out.new_zeros(len(ids), text, out.shape[-1]), out], 1)


def states() -> Tensor:
    """Every text of two words, some masked, behind a prompt of one token."""
    each = torch.tensor([4, 5, 6, MASK])
    both = torch.cartesian_prod(each, each)
    both = both[(both == MASK).any(1)]
    edge = torch.ones(len(both), 1, dtype=torch.long)
    return torch.cat([BEGIN * edge, TOKEN * edge, START * edge, both, END * edge], 1)


@pytest.mark.parametrize("gamma", [0.0, 0.4, 1.0, 2.0, 3.5])
def test_the_guided_law_at_every_position(gamma: float) -> None:
    """p(x)^(1 - gamma) p(x | c)^gamma, renormalised, of every text with masks."""
    x = states()
    found = Guided([Behind()], gamma)(x, torch.ones(len(x)))  # type: ignore[list-item]
    assert found.shape == (len(x), x.shape[1], MASK + 1)
    text = x[:, 2:]
    p, q = (Knows(law)(text).exp()[:, 1:3, 4:7] for law in (SKEWED, TILTED))
    wanted = p ** (1 - gamma) * q**gamma
    wanted = wanted / wanted.sum(-1, keepdim=True)
    masked = text[:, 1:3] == MASK
    found = found[:, 3:5, 4:7].softmax(-1)
    torch.testing.assert_close(found[masked], wanted[masked], atol=1e-12, rtol=1e-9)


def test_contrasts_of_several_controls_add_up() -> None:
    rng = torch.Generator().manual_seed(0)
    said, empty = torch.randn(2, 3, 5, 7, generator=rng, dtype=torch.float64)
    found = mixed(list(said), list(empty), 1.5)
    torch.testing.assert_close(found, empty.mean(0) + 1.5 * (said - empty).sum(0))
    # whatever a control rules out, and a word that nothing can say, stays out
    said[0, 0, 0] = empty[0, 0, 0] = said[1, 1, 1] = -torch.inf
    found = mixed(list(said), list(empty), 3.0)
    assert found[0, 0] == found[1, 1] == -torch.inf and found.isneginf().sum() == 2
    # Bayes' rule of two controls that are independent given the text
    first, second = Behind(TILTED), Behind(SKEWED * GIVEN.T / (SKEWED * GIVEN.T).sum())
    x = states()
    twice = torch.cat([x[:, :2], x], 1)
    found = Guided([first, second], 1.0)(twice, torch.ones(len(x)))  # type: ignore[list-item]
    text, masked = x[:, 2:], x[:, 3:5] == MASK
    p, q, r = (net(text).exp()[:, 1:3, 4:7] for net in (first.free, first.under, second.under))
    wanted = q * r / p
    wanted = (wanted / wanted.sum(-1, keepdim=True))[masked]
    torch.testing.assert_close(found[:, 5:7, 4:7].softmax(-1)[masked], wanted)


def drawn(
    module: Any, rows: int, method: Any, settings: Any, guide: Any = None, kind: str = "exact"
) -> Tensor:
    """Texts (rows, 4) that a method draws with a network behind a prompt, and with a guide of
    texts."""
    given = torch.tensor([[BEGIN, TOKEN, START, PAD, PAD, END]]).expand(rows, -1)
    free = given == PAD
    made = method(SimpleNamespace(reader=Reader(module, MASK)), settings)
    process, rng = made.process(free), torch.Generator().manual_seed(0)
    reading = made.decoder.reader.reading(rows, settings.temperature)
    hooks: dict[str, Any] = {}
    if guide is not None:
        guides, other = Guides([(guide, 1.0)], rows, 4, 2), torch.Generator().manual_seed(1)
        config = WordGuidanceConfig(candidates=100, proposals="likely")
        exact = Candidates(guides, config, lambda: uniform((rows, 2, 6), other))
        hooks = {"correct": exact} if kind == "exact" else {"bend": FirstOrder(guides)}
    x = walk(
        lambda x, t, _: reading(x, process.time(x, t)).float(),
        process,
        lambda: uniform((rows, 2, 6), rng),
        CPU,
        pin=lambda x, s: torch.where(free, x, given),
        **hooks,
    )
    assert torch.equal(x[:, :2], given[:, :2])
    return x[:, 2:]


@pytest.mark.parametrize("sampler", ["first_hitting", "left_to_right"])
def test_samples_are_of_the_guided_law(sampler: Any) -> None:
    """Word by word in either order: the product of the guided conditionals."""
    gamma = 2.0

    def guided(p: Tensor, q: Tensor) -> Tensor:
        mixed = torch.where(p > 0, q.square() / p.clamp(min=1e-30), 0.0)
        return mixed / mixed.sum(-1, keepdim=True).clamp(min=1e-30)

    def chain(p: Tensor, q: Tensor) -> Tensor:
        """The first word, then the second given it."""
        rows = guided(*(law / law.sum(1, keepdim=True).clamp(min=1e-30) for law in (p, q)))
        return guided(p.sum(1), q.sum(1))[:, None] * rows

    law = chain(SKEWED, TILTED)
    if sampler == "first_hitting":
        law = (law + chain(SKEWED.T, TILTED.T).T) / 2
    settings = CFGSettings(gamma=gamma, temperature=1.0, sampler=sampler)
    x = drawn(Guided([Behind()], gamma), 4000, MDLMCFG, settings)  # type: ignore[list-item]
    assert_drawn(frequencies(x, SKEWED), law)


@pytest.mark.parametrize("sampler", ["first_hitting", "left_to_right"])
def test_a_classifier_guides_behind_prompts(sampler: Any) -> None:
    """Bayes' rule on top of the prompted law: p(x | c) p(y | x), renormalised; a guide that is
    affine in the words gives the same to first order."""
    other = torch.rand(4, 4, generator=torch.Generator().manual_seed(8)).double()
    settings = CFGSettings(gamma=1.0, temperature=1.0, sampler=sampler)
    both: Any = Guided([Behind()], 1.0)  # type: ignore[list-item]
    x = drawn(both, 4000, MDLMCFG, settings, Exact(TILTED, other))
    assert_drawn(frequencies(x, SKEWED), TILTED * other / (TILTED * other).sum())
    adds = torch.zeros(4, MASK + 1).double()
    adds[1:3, 4:7] = torch.randn(2, 3, generator=torch.Generator().manual_seed(9)).double()
    apart = TILTED.sum(1)[:, None] * TILTED.sum(0)
    tilt = torch.zeros(4, 4).double()
    tilt[1:, 1:] = adds[1, 4:7].exp()[:, None] * adds[2, 4:7].exp()
    both = Guided([Behind(apart)], 1.0)  # type: ignore[list-item]
    for kind in ("exact", "first"):
        x = drawn(both, 4000, MDLMCFG, settings, Affine(adds), kind)
        assert_drawn(frequencies(x, SKEWED), apart * tilt / (apart * tilt).sum())


def test_a_guide_does_not_read_the_prompt() -> None:
    adds = torch.randn(4, MASK + 1, generator=torch.Generator().manual_seed(0)).double()
    x, rows = states(), torch.arange(len(states()))
    noise = torch.zeros(len(x))
    plain, behind = (Guides([(Affine(adds), 0.7)], len(x), 4, front) for front in (0, 2))
    found = behind.log_prob(x, rows, noise)
    assert torch.equal(found, plain.log_prob(x[:, 2:], rows, noise))
    at = torch.full((len(x),), 4)
    found = behind.first_order(x, rows, at, MASK, noise)
    assert torch.equal(found, plain.first_order(x[:, 2:], rows, at - 2, MASK, noise))


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_the_ends_are_plain_decoding(gamma: float) -> None:
    """Bit for bit what the same network draws unguided, with or without its prompt."""
    inner = Behind()

    class Alone(Behind):
        def __call__(self, ids: Tensor, time: Tensor) -> Tensor:
            front = 2
            out = (inner.under if gamma else inner.free)(ids[:, front:])
            return torch.cat([out.new_zeros(len(ids), front, out.shape[-1]), out], 1)

    ours = drawn(Guided([inner], gamma), 200, MDLMCFG, CFGSettings(gamma=gamma))  # type: ignore[list-item]
    theirs = drawn(Alone(), 200, MDLM, MDLMSettings())
    assert torch.equal(ours, theirs)


# real networks

CONFIG = PromptedConfig(length=16, network=TINY, train=TrainConfig(steps=1, batch=4))
FIELDS = ("name", ":", "a", "b", "c", "none")
TAGS = ("NOUN", "PUNCT", "VERB")
NUMBERS = tuple(map(str, range(1, 15)))
TOKENS = {"semantic_content": FIELDS, "parts_of_speech": TAGS, "length": NUMBERS}
BOTH = "semantic_content+parts_of_speech"


def saved(folder: Path, tokens: Sequence[str], words: Vocabulary = WORDS, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    prompts = Prompts(len(words), tuple(tokens), 16)
    network, facts = build("masked_prompted", CONFIG, words, prompts)
    folder.mkdir(parents=True)
    counts = json.dumps({"counts": {str(n): 1 for n in range(2, 7)}})
    files = {LENGTHS: counts, PROMPTS: prompts.to_json()}
    save_network(folder, network, CONFIG, facts, words=("vocabulary", words), files=files)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("prompted")
    every = {}
    for seed, (task, tokens) in enumerate(TOKENS.items()):
        every[task] = saved(place / task, tokens, seed=seed)
    return every


def loaded(folders: dict[str, Path], task: str, **settings: Any) -> Any:
    names = task.split("+")
    roles = {f"masked_prompted:{name}": folders[name] for name in names}
    if len(names) == 1:
        roles = {"masked_prompted": folders[task]}
    return MDLMCFG.load(roles, load_task(task), CFGSettings(**settings), CPU)


def asked(task: str) -> list[Target]:
    tags = TagSequence(("NOUN", "VERB") * 4 + ("PUNCT",)), TagSequence(("NOUN", "PUNCT"))
    fields = FieldValue("name", "b"), FieldValue("name", "a b c a")
    controls: dict[str, Sequence[Any]] = {
        "length": [Length(n) for n in (2, 9, 5)],
        "parts_of_speech": tags,
        "semantic_content": fields,
        BOTH: [AllOf(pair) for pair in zip(fields, tags, strict=True)],
    }
    return [Target(f"t{i}", control) for i, control in enumerate(controls[task])]


def made(method: Any, targets: Sequence[Target], **more: Any) -> dict[str, Any]:
    results = method.generate(targets, 2, seed=0, **more)
    return {one.target_id: [(s.words, s.tokens, s.nfe) for s in one.samples] for one in results}


@pytest.mark.parametrize("task", [*TOKENS, BOTH])
@pytest.mark.parametrize("gamma", [1.0, 2.5])
def test_a_sample_depends_on_nothing_but_its_names(
    folders: dict[str, Path], task: str, gamma: float
) -> None:
    """Equal for any batch and order, as long as is asked for, of words alone; prompts stay."""
    method, targets = loaded(folders, task, gamma=gamma, steps=64), asked(task)
    states: list[Tensor] = []
    module = method.decoder.reader.module
    inner = module.__call__

    class Spy:
        device, time = module.device, module.time

        def __call__(self, ids: Tensor, time: Tensor) -> Tensor:
            states.append(ids)
            said: Tensor = inner(ids, time)
            return said

    method.decoder.reader.module = Spy()
    whole = made(method, targets)
    assert made(method, targets[::-1], batch=1) == whole
    fronts = {tuple(method.decoder.front(target)) for target in targets}
    for state in states:
        for row in state.tolist():
            at = row.index(START)
            # rows beyond the batch are START throughout
            assert tuple(row[:at]) in fronts or not any(row)
            assert all(id <= len(WORDS) for id in row[at:])
    each = {"length": 1, "parts_of_speech": 1, "semantic_content": 1, BOTH: 2}[task]
    each *= 2 if gamma != 1 or task == BOTH else 1
    for target in targets:
        for words, tokens, nfe in whole[target.id]:
            assert set(words) <= {"a", "b", "c", "."} and tokens[0] == "START"
            assert len(words) == (target.control.exact_words or len(words))
            assert nfe == each * len(words)


def test_without_weight_it_is_the_prompted_network(folders: dict[str, Path]) -> None:
    """Byte for byte, from the same random streams and in as many evaluations."""

    class Unguided(MDLMCFG):
        card = MDLMCFGGuided.card

    roles = {"masked_prompted": folders["semantic_content"]}
    task, targets = load_task("semantic_content"), asked("semantic_content")
    options = GuidedCFGSettings(guidance=WordGuidanceConfig(weight=0.0))
    guided = MDLMCFGGuided.load(roles, task, options, CPU)
    assert made(guided, targets) == made(Unguided.load(roles, task, CFGSettings(), CPU), targets)


def test_prompts_change_what_is_said(folders: dict[str, Path]) -> None:
    targets = asked("semantic_content")
    plain, guided = (
        made(loaded(folders, "semantic_content", gamma=gamma), targets) for gamma in (0.0, 4.0)
    )
    assert plain != guided


def test_a_network_does_not_see_a_prompts_padding(folders: dict[str, Path]) -> None:
    (network,) = loaded(folders, "parts_of_speech").decoder.reader.module.networks
    network = network.float()
    text = torch.tensor([[START, 4, len(WORDS), 6, END, PAD, PAD, PAD]] * 8)
    (prompt,) = network.prompts.encode([["NOUN", "PUNCT"]])
    assert len(prompt) == 8 and prompt[3:] == [PAD] * 5
    found = []
    for front in (prompt[:3], prompt, [*prompt, *[PAD] * 8]):
        ids = torch.cat([torch.tensor([front] * 8), text], 1)
        found.append(network(ids, torch.ones(8))[:, len(front) :])
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[2], found[0], atol=1e-5, rtol=1e-5)
    other = torch.cat([torch.tensor([network.prompts.encode([["VERB"]])[0]] * 8), text], 1)
    assert not torch.allclose(network(other, torch.ones(8))[:, 8:], found[0], atol=1e-3)


def test_some_training_prompts_are_emptied() -> None:
    """The share that is asked for; held-out ones keep theirs, and no token of a prompt is
    noised."""
    prompts = Prompts(len(WORDS), NUMBERS, 8)
    pairs = [([str(n)], ("a", "b", "c", ".", "a")[:n]) for n in range(1, 6)] * 40
    pairs += [(["3"], ("a",) * 15), (["1"], ())]  # which do not fit
    texts = prompted(pairs, prompts, WORDS, 16)
    assert len(texts.ids) == 200
    torch.manual_seed(0)
    for drop in (0.0, 0.3, 1.0):
        config = PromptedConfig(length=16, network=TINY, drop=drop,
                                train=TrainConfig(steps=1, batch=200))  # fmt: skip
        network, _ = build("masked_prompted", config, WORDS, prompts)
        objective = Dropping(network, config, texts, texts, 0)
        ids, free = objective.batch(0)
        kept = (ids > len(WORDS) + 1).any(1).double().mean()
        assert abs(float(kept) - (1 - drop)) < 0.12
        assert (ids[:, 0] == len(WORDS) + 1).all() and (ids[:, 8] == START).all()
        assert not free[:, :9].any() and (free.sum(1) >= 1).all()
        loss, _ = objective.loss(0)
        loss.backward()
        with torch.no_grad():
            assert objective.validate()["nats"] > 0


def test_files_and_targets_that_do_not_fit_are_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    def refused(match: str, task: str, places: dict[str, Path], control: Any = None) -> None:
        def decode() -> None:
            list(loaded(places, task).generate([Target("t", control)], 1, seed=0))

        with pytest.raises(UserError, match=match) as error:
            decode()
        assert "\n" not in str(error.value)

    refused("target t: unknown prompt token 'DET'", "parts_of_speech", folders,
            TagSequence(("DET",)))  # fmt: skip
    long = FieldValue("name", " ".join("a" * 14))
    refused("target t: a prompt of 16 tokens; this network reads 15", "semantic_content", folders,
            long)  # fmt: skip
    for i, content in enumerate((b"[", b'{"tokens": ["a"]}', b'{"tokens": 1, "longest": 8}', None)):
        place = tmp_path / f"damaged{i}"
        shutil.copytree(folders["length"], place)
        path = place / PROMPTS
        path.unlink() if content is None else path.write_bytes(content)
        refused("prompts.json", "length", {"length": place})
    place = tmp_path / "other"
    shutil.copytree(folders["length"], place)
    (place / PROMPTS).write_text(Prompts(len(WORDS), NUMBERS[:-1], 16).to_json())
    refused("weights.safetensors", "length", {"length": place})
    words = Vocabulary([*WORDS.words, "more"])
    other = saved(tmp_path / "more", TAGS, words)
    refused("trained on different vocabularies or lengths", BOTH,
            folders | {"parts_of_speech": other})  # fmt: skip


def test_its_card() -> None:
    card = METHODS.card("mdlm_cfg")
    assert card.trained and card.group == "discrete"
    assert card.refuses(load_task("infilling")) == "it reads controls and no contexts"
    assert card.needs(load_task("length"), None) == ("masked_prompted",)
    assert card.needs(load_task(BOTH), None) == tuple(
        f"masked_prompted:{name}" for name in BOTH.split("+")
    )
    config: Any = SimpleNamespace(masked_prompted=PromptedConfig(length=20))
    assert card.room(config, load_task("length")) == 18
    both = METHODS.card("mdlm_cfg_guided")
    assert both.trained and both.group == "two_by_two"
    assert both.refuses(load_task("length")) == "no classifier guides length"
    assert both.refuses(load_task("infilling")) == card.refuses(load_task("infilling"))
    assert both.refuses(load_task(BOTH)) is both.refuses(load_task("length+syntax_tree")) is None
    assert both.needs(load_task(BOTH), None) == (
        *card.needs(load_task(BOTH), None),
        *(f"word_classifier:{name}" for name in BOTH.split("+")),
    )
    assert both.room(config, load_task("length")) == 18
    with pytest.raises(UserError, match="gamma"):
        CFGSettings(gamma=-1.0)
    with pytest.raises(UserError, match="drop"):
        PromptedConfig(drop=1.5)
