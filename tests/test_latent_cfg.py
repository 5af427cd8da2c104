"""Classifier-free guidance of latents: its score in closed form, its prompts, its training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from latents import PLAIN, WORDS, config, network
from torch import Tensor

from baselines import METHODS
from eval.run import main
from models.base import sample_rng
from models.diffusion.config import SamplingConfig
from models.diffusion.latents.diffusion import Diffusion
from models.diffusion.latents.prompted import Contrast
from models.diffusion.latents.prompted_head import FACTS, load_prompted
from models.diffusion.latents.prompted_training import Dropping, starting, train_behind
from models.diffusion.latents.prompting import PromptedLatentConfig, PromptedLatentSettings
from models.diffusion.latents.training import train_diffusion
from models.diffusion.prompts import PROMPTS, Prompts
from models.narrow import CFG, NarrowCFG
from models.nets.artefact import save_network
from models.nets.config import TrainConfig
from tasks import load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import AllOf, FieldValue, Length
from tasks.vocabulary import PAD, Vocabulary

CPU = torch.device("cpu")
STEPS = 6
NUMBERS = tuple(map(str, range(1, 11)))
FIELDS = ("food", ":", "a", "b", "c")
ROLE = CFG.prompted
MASK = len(WORDS)


class Known:
    """p(word) of one position is known, under each prompt and under none: x_0's estimate is
    exact."""

    reads_known = False

    def __init__(self, law: Tensor, free: Tensor, table: Tensor, alpha_bar: Tensor) -> None:
        self.law, self.free, self.table, self.alpha_bar = law, free, table, alpha_bar
        self.prompts = Prompts(MASK, NUMBERS, 8)

    def prior(self, known: Tensor) -> Tensor:
        """(B, V), log."""
        asked = (known > MASK + 1).any(1)
        return torch.where(asked[:, None], self.law, self.free).log()

    def density(self, x: Tensor, index: Tensor, known: Tensor) -> Tensor:
        """log p(x_t) at each position, up to what x_t does not change, (B, L, V): of each word."""
        a = self.alpha_bar[index][:, None, None]
        away = (x[:, :, None] - a[..., None].sqrt() * self.table).square().sum(-1)
        return self.prior(known)[:, None] - away / (2 * (1 - a))

    def x0(self, x: Tensor, index: Tensor, time: Tensor, known: Tensor, previous: Any) -> Tensor:
        return self.density(x, index, known).softmax(-1) @ self.table


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("weight", [0.0, 0.5, 3.0])
def test_the_score_goes_beyond_that_under_the_control(count: int, weight: float) -> None:
    """The score of p(x_t)^(1 - g K) prod_k p(x_t | c_k)^g, g = 1 + w, by differentiation; of one
    control (1 + w) grad log p(x_t | c) - w grad log p(x_t)."""
    made = network(**PLAIN)
    here, rng = Diffusion(made, SamplingConfig(steps=STEPS), CPU), torch.Generator().manual_seed(0)
    table, t = torch.randn(5, 8, generator=rng).double(), 3
    alpha_bar = torch.from_numpy(made.schedule.alpha_bar)
    free = torch.rand(5, generator=rng).double()
    laws = [torch.rand(5, generator=rng).double() for _ in range(count)]
    networks: list[Any] = [
        Known(law / law.sum(), free / free.sum(), table, alpha_bar) for law in laws
    ]
    prompts = [torch.tensor([[MASK + 1, MASK + 4]] * 2)] * count
    x = torch.randn(2, 3, 8, generator=rng).double()
    found, added = Contrast(here, networks, prompts, weight)(x, t)
    a = float(here.schedule.alpha_bar[t])
    score = (a**0.5 * (found + added) - x) / (1 - a)

    index, y = here._told(x, t)[0], x.clone().requires_grad_(True)
    empty = torch.tensor([[MASK + 1, PAD]] * 2)
    none = [one.density(y, index, empty).logsumexp(-1).sum() for one in networks]
    under = [
        one.density(y, index, told).logsumexp(-1).sum()
        for one, told in zip(networks, prompts, strict=True)
    ]
    total = sum(none) / count + (1 + weight) * (sum(under) - sum(none))
    (wanted,) = torch.autograd.grad(total, y)
    torch.testing.assert_close(score, wanted, rtol=1e-6, atol=1e-6)


# real networks


def saved(folder: Path, tokens: Sequence[str], seed: int = 0, space: int = 0) -> Path:
    base = network(**PLAIN)
    prompts = Prompts(MASK, tuple(tokens), 8)
    torch.manual_seed(space)
    with torch.no_grad():
        base.embedding.directions.normal_()  # type: ignore[operator, union-attr]
    torch.manual_seed(10 + seed)
    made = starting(base, MASK, prompts)
    with torch.no_grad():
        made.words.weight.mul_(30.0)  # a fresh network would hardly say one word more than another
    folder.mkdir(parents=True)
    files = {PROMPTS: prompts.to_json()}
    save_network(folder, made, made.config, FACTS, words=("vocabulary", WORDS), files=files)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("behind")
    return {
        "length": saved(place / "length", NUMBERS),
        "semantic_content": saved(place / "content", FIELDS, seed=1),
    }


BOTH = "length+semantic_content"
ASKED = {
    "length": [Length(n) for n in (2, 9, 5)],
    "semantic_content": [FieldValue("food", "b"), FieldValue("food", "a b c a c")],
    BOTH: [
        AllOf((Length(4), FieldValue("food", "a b c a c"))),
        AllOf((Length(7), FieldValue("food", "c"))),
    ],
}


def loaded(places: dict[str, Path], task: str, weight: float) -> NarrowCFG:
    names = task.split("+")
    roles = {f"{ROLE}:{name}": places[name] for name in names}
    if len(names) == 1:
        roles = {ROLE: places[task]}
    settings = PromptedLatentSettings(
        weight=weight, sampling=SamplingConfig(steps=STEPS, clamp=False)
    )
    return NarrowCFG.load(roles, load_task(task), settings, CPU)


def drawn(method: NarrowCFG, task: str, **more: Any) -> dict[str, Any]:
    targets = [Target(f"t{i}", control) for i, control in enumerate(ASKED[task])]
    if more.pop("backwards", False):
        targets.reverse()
    results = method.generate(targets, 2, seed=0, **more)
    return {one.target_id: [(s.tokens, s.nfe) for s in one.samples] for one in results}


@pytest.mark.parametrize(
    ("task", "weight", "nfe"),
    [("length", 0.0, STEPS), ("semantic_content", 2.0, 2 * STEPS - 1), (BOTH, 1.0, 4 * STEPS - 3)],
)
def test_a_sample_depends_on_nothing_but_its_names(
    folders: dict[str, Path], task: str, weight: float, nfe: float
) -> None:
    method = loaded(folders, task, weight)
    whole = drawn(method, task)
    assert drawn(method, task, batch=1, backwards=True) == whole
    assert {used for samples in whole.values() for _, used in samples} == {nfe}


def test_weight_0_is_the_network_under_its_prompt(folders: dict[str, Path]) -> None:
    """Byte for byte, and near to it where guidance of no weight is computed; others differ."""
    method = loaded(folders, "length", 0.0)
    read, _ = load_prompted(folders["length"], CPU)
    here = Diffusion(read, SamplingConfig(steps=STEPS, clamp=False), CPU)
    for i, control in enumerate(ASKED["length"]):
        assert isinstance(control, Length)
        told = torch.tensor(read.prompts.encode([[str(control.words)]]))
        for index, (tokens, _) in enumerate(drawn(method, "length")[f"t{i}"]):
            rngs = [sample_rng(0, method.name, f"t{i}", index)]
            (ids,) = here.ids(here.latents(rngs, known=told))
            assert tuple(WORDS.decode(ids)) == tokens
    x, told = torch.randn(1, 12, 8), torch.tensor(read.prompts.encode([["3"]]))
    none: Any = Contrast(here, [here.network], [told], 0.0)  # type: ignore[list-item]
    x0, added = none(x, 3)
    assert torch.equal(x0, here.x0_of(here.network, x, 3, told))
    assert float(added.abs().max()) < 1e-5
    assert drawn(loaded(folders, "length", 6.0), "length") != drawn(method, "length")


def test_padding_of_prompts_is_not_seen(folders: dict[str, Path]) -> None:
    read, _ = load_prompted(folders["length"], CPU)
    (told,) = read.prompts.encode([["3"]])
    assert len(told) == 8 and told[2:] == [PAD] * 6
    x, index = torch.randn(2, 12, 8), torch.tensor([3, 20])
    found = [read.x0(x, index, None, torch.tensor([one] * 2)) for one in (told[:2], told)]
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-5)
    (other,) = read.prompts.encode([["7"]])
    assert not torch.allclose(read.x0(x, index, None, torch.tensor([other] * 2)), found[0])


def test_files_and_targets_that_do_not_fit_are_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    def refused(match: str, task: str, places: dict[str, Path], control: Any) -> None:
        with pytest.raises(UserError, match=match) as error:
            list(loaded(places, task, 1.0).generate([Target("t", control)], 1, seed=0))
        assert "\n" not in str(error.value)

    refused("target t: unknown prompt token 'h'", "semantic_content", folders,
            FieldValue("food", "h"))  # fmt: skip
    refused("target t needs 11 words", "length", folders, Length(11))
    other = saved(tmp_path / "other", FIELDS, space=1)
    refused("different latents", BOTH, folders | {"semantic_content": other}, ASKED[BOTH][0])
    place = saved(tmp_path / "damaged", NUMBERS)
    (place / PROMPTS).write_text(json.dumps({"tokens": ["a"]}))
    refused("prompts.json", "length", {"length": place}, Length(3))


TEXTS = [tuple("abc"), tuple("bc"), tuple("hgfa"), tuple("d")] * 2
PAIRS = [([str(len(words))], words) for words in TEXTS]


def test_some_prompts_are_emptied_in_training() -> None:
    prompts = Prompts(MASK, NUMBERS, 8)
    pairs = prompts.fitting([*PAIRS, (["1"], ()), (["x"], ("a",)), (["5"], ("a",) * 11)], 12)
    assert pairs == PAIRS
    made = starting(network(**PLAIN), MASK, prompts)
    told = prompts.tensor([prompt for prompt, _ in pairs]).repeat(50, 1)
    ids = torch.randint(4, MASK, (len(told), 12))
    objective = Dropping(made, (ids, ids), (told, told), len(told), 0, drop=0.3)
    *_, shown = objective.draw(0, torch.Generator().manual_seed(0))
    assert (shown[:, 0] == MASK + 1).all() and shown.shape == (len(told), 8)
    assert 0.6 < float((shown[:, 1] > MASK + 1).double().mean()) < 0.8
    (kept,) = objective.told(torch.arange(4), None, held=True)
    assert torch.equal(kept, told[:4].long())


def test_training_goes_on_from_a_network_and_keeps_its_latents(tmp_path: Path) -> None:
    """Embeddings and the levels' law stay; what reads prompts learns; the start stands."""
    base, out = tmp_path / "base", tmp_path / "out"
    start = config(**PLAIN, self_conditioning=0.5)
    for folder in (base, out):
        folder.mkdir()
    train_diffusion(base, TEXTS, TEXTS, WORDS, start, 0, device=CPU)
    ours = PromptedLatentConfig(
        drop=0.2, train=TrainConfig(steps=3, batch=4, lr=0.01, every=3, checkpoint=0.0, bf16=False)
    )
    task = load_task("length")
    more: dict[str, Any] = {"texts": [], "pairs": (PAIRS, PAIRS), "device": CPU}
    train_behind(out, base, task, ours, 0, vocabulary=WORDS, **more)
    made, words = load_prompted(out, CPU)
    assert words.digest == WORDS.digest and made.config.train == ours.train
    assert set(NUMBERS) <= set(made.prompts.tokens)
    before: Any = {name: one for name, one in _weights(base).items()}
    after = made.state_dict()
    for name, one in before.items():
        still = name.startswith(("embedding.", "warp.", "head_bias"))
        assert torch.equal(one, after[name]) is still, name
    assert {*after} - {*before} == {"prompt_embedding.weight", "prompt_positions.weight"}
    with pytest.raises(UserError, match="another vocabulary"):
        train_behind(out, base, task, ours, 0, vocabulary=Vocabulary([*WORDS.words, "z"]), **more)
    with pytest.raises(UserError, match="reads=latents alone"):
        starting(network(), MASK, made.prompts)


def _weights(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "weights.safetensors")


def test_its_card() -> None:
    card = METHODS.card("narrow_cfg")
    assert card.trained and card.group == "continuous"
    assert card.refuses(load_task("syntax_tree")) is None
    assert "contexts" in str(card.refuses(load_task("infilling")))
    assert card.needs(load_task("length"), None) == (ROLE,)
    assert card.needs(load_task(BOTH), None) == tuple(f"{ROLE}:{name}" for name in BOTH.split("+"))
    for bad in ({"weight": -1.0}, {"weight": float("nan")}):
        with pytest.raises(UserError, match="weight"):
            PromptedLatentSettings(**bad)
    with pytest.raises(UserError, match="drop"):
        PromptedLatentConfig(drop=1.5)


def test_a_run_from_nothing(tmp_path: Path) -> None:
    sizes = [f"{CFG.network}.network.{one}" for one in
             ["layers=1", "width=16", "heads=2", "feedforward=32"]]  # fmt: skip
    given = [
        "task=length,length+semantic_content", "method=narrow_cfg", "targets=2", "samples=2",
        "floor=0", "threads=1", f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}",
        f"{CFG.network}.train.steps=3", f"{CFG.network}.steps=200", f"{CFG.network}.train.batch=4",
        f"{ROLE}.train.steps=2", f"{ROLE}.train.batch=4", "narrow_cfg.sampling.steps=5", *sizes,
    ]  # fmt: skip
    assert main(given) == 0
    for task in ("length", "length+semantic_content"):
        path = tmp_path / "out" / task / "narrow_cfg" / "samples.jsonl"
        assert len(path.read_text().splitlines()) == 4
