"""Diffusion-LM infilling: what is pinned stays, what is asked alone counts, known answers."""

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from carded import needs, refuses, resolve
from torch import Tensor

import models.diffusion.latents.diffusion
from models.base import TargetSamples, sample_rng
from models.diffusion.config import SamplingConfig
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.decoding import InfillingConfig
from models.diffusion.latents.denoiser import make_denoiser
from models.diffusion.latents.diffusion import Diffusion
from models.diffusion.latents.infilling import Infilling
from models.diffusion.latents.network import nearest
from models.diffusion.latents.training import train_diffusion
from models.diffusion.latents.way import Streams
from models.diffusion.loop import Noise
from models.diffusion.pinning import arrange, draw_slots, read_lengths
from models.diffusion_lm.config import DiffusionLMSettings
from models.diffusion_lm.method import DiffusionLM
from models.infilling import answer
from models.nets.config import EncoderConfig, TrainConfig
from tasks import load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import Infill, Length
from tasks.metrics import mbr
from tasks.vocabulary import END, PAD, START, UNK, Vocabulary

CPU = torch.device("cpu")
NETWORK = EncoderConfig(layers=1, width=32, heads=2, feedforward=64, dropout=0.0)
WORDS = ("the", "cat", "slept", "a", "dog", "barked", "then", "woke")
VOCABULARY = Vocabulary(["START", "END", "UNK", "PAD", *WORDS])
SAMPLING = SamplingConfig(sampler="ancestral", steps=20)
TASK = load_task("infilling")
LAYOUTS = ("released", "framed")
TARGETS = [
    Target("a", Infill(("the", "cat", "slept"), ("then", "woke"))),
    Target("b", Infill(("a", "dog"), ("the", "cat", "woke"))),
    Target("c", Infill(("dog",), ("barked",))),
    Target("d", Infill(("a", "zebra", "woke", "then"), ("slept",))),
]
COUNTS = {1: 2, 2: 5, 4: 3}


def diffusion(
    steps: int = 20, embedding: int = 8, clamp: bool = True, output: str = "linear"
) -> Diffusion:
    """An untrained network of 14 positions, the same each time. Its embeddings have norm 1, so
    that a word's own embedding is rounded to it, and its last layer is large, so that what it says
    depends on what it reads."""
    torch.manual_seed(0)
    config = DiffusionConfig(
        length=14,
        positions=14,
        embedding=embedding,
        time=16,
        steps=200,
        network=NETWORK,
        output=output,  # type: ignore[arg-type]
    )
    denoiser = make_denoiser(config, len(VOCABULARY)).eval().requires_grad_(False)
    denoiser.embedding.weight.copy_(torch.nn.functional.normalize(denoiser.embedding.weight))
    denoiser.head_bias.zero_()
    denoiser.down[2].weight.mul_(20)
    return Diffusion(denoiser, dataclasses.replace(SAMPLING, steps=steps, clamp=clamp), CPU)


def infilling(made: Diffusion | None = None, **changes: Any) -> Infilling:
    config = InfillingConfig(**{"slots": 3, "sampling": SAMPLING, **changes})
    return Infilling(made or diffusion(), VOCABULARY, config, COUNTS)


def generate(
    made: Infilling, targets: Sequence[Target], samples: int, seed: int, **more: Any
) -> list[TargetSamples]:
    return list(DiffusionLM(made).generate(targets, samples, seed, **more))


def streams(seed: int) -> Streams:
    """The random streams of samples, as the generator hands them out."""
    return partial(sample_rng, seed, "diffusion_lm")


def tokens(results: list[TargetSamples]) -> dict[tuple[str, int], tuple[str, ...]]:
    return {(r.target_id, s.index): s.tokens for r in results for s in r.samples}


def recorded(
    made: Infilling, target: Target, samples: int
) -> tuple[dict[int, Tensor], Tensor, slice]:
    """x_t (B, L, D) at each step as the network sees it, the final latents, and the middle."""
    seen = {}
    inner = made.diffusion.x0

    def spy(x: Tensor, t: int) -> Tensor:
        seen[t] = x.clone()
        return inner(x, t)

    made.diffusion.x0 = spy  # type: ignore[method-assign]
    row = made.given(target, 0, streams(0))
    names = [(target.id, i) for i in range(samples)]
    final = made.latents([row] * samples, names, streams(0))
    return seen, final, slice(row.start, row.stop)


@pytest.mark.parametrize("context", ["clean", "noised"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pinned_positions_come_back_bit_for_bit(layout: str, context: str) -> None:
    made = infilling(diffusion(clamp=False), layout=layout, context=context)
    control = TARGETS[0].control
    left, right = (VOCABULARY.encode(getattr(control, side)) for side in ("left", "right"))
    whole = [*left, PAD, PAD, PAD, *right]
    first = len(left)
    if layout == "framed":
        whole, first = [START, *whole, END, PAD, PAD, PAD, PAD], first + 1
    row = arrange(left, 3, right, layout, 14)
    assert (list(row.ids), row.start, row.stop) == (whole, first, first + 3)

    seen, final, _ = recorded(made, TARGETS[0], 5)
    pinned = [i for i in range(len(whole)) if not first <= i < first + 3]
    clean = made.diffusion.denoiser.embedding.weight[torch.tensor(whole)[pinned]]
    assert len(seen) == 20 and final.shape == (5, len(whole), 8)
    assert torch.equal(final[:, pinned], clean.expand(5, -1, -1))
    for t in range(19):  # after every step but before the first one
        assert torch.equal(seen[t][:, pinned], clean.expand(5, -1, -1)) is (context == "clean")
    assert not torch.equal(final[0, row.start : row.stop], final[1, row.start : row.stop])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_contexts_have_the_variance_of_their_noise_level(layout: str) -> None:
    """1 - alpha_bar around sqrt(alpha_bar) times the clean embedding: before the first step always,
    later where they are noised; independent from step to step and of the middle's noise."""
    made = infilling(layout=layout, context="noised")
    made.diffusion.x0 = lambda x, t: 0 * x  # type: ignore[method-assign]
    seen, final, middle = recorded(made, TARGETS[0], 400)
    alpha_bar = made.diffusion.schedule.alpha_bar
    pinned = torch.ones(final.shape[1], dtype=torch.bool)
    pinned[middle] = False
    noise = {
        t: (x - math.sqrt(alpha_bar[t]) * final)[:, pinned] / math.sqrt(1 - alpha_bar[t])
        for t, x in seen.items()
    }
    n = noise[5].numel()
    for z in noise.values():
        assert abs(float(z.mean())) < 5 / math.sqrt(n)
        assert abs(float(z.var()) - 1) < 5 * math.sqrt(2 / n)
    assert abs(float((noise[5] * noise[6]).mean())) < 5 / math.sqrt(n)
    per_sample = noise[5].mean(1)[:, 0] * seen[5][:, middle].mean(1)[:, 0]
    assert abs(float(per_sample.mean())) < 5 * float(per_sample.std()) / math.sqrt(400)

    made.config = dataclasses.replace(made.config, context="clean")
    clean, _, _ = recorded(made, TARGETS[0], 400)
    start = (clean[19] - math.sqrt(alpha_bar[19]) * final)[:, pinned]
    assert abs(float(start.var()) / (1 - alpha_bar[19]) - 1) < 5 * math.sqrt(2 / n)


@pytest.mark.parametrize("middle", ["fixed", "variable"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_middle_never_leaks_into_its_context(layout: str, middle: str) -> None:
    """Neither the human middles of a target nor the ids that hold the place of the slots play any
    part; the contexts do, on either side."""
    made = infilling(diffusion(clamp=False), layout=layout, middle=middle)
    bare = tokens(generate(made, TARGETS, 4, seed=1))
    told = [
        dataclasses.replace(
            t, source=("the", "dog", "barked"), references=(("a", "cat"),) * (i + 1)
        )
        for i, t in enumerate(TARGETS)
    ]
    assert tokens(generate(made, told, 4, seed=1)) == bare

    row = arrange([4, 5], 3, [6, 7], layout, 14)
    other = list(row.ids)
    other[row.start : row.stop] = [8, 9, 10]
    names, seed = [("a", 0)], streams(0)
    first = made.latents([row], names, seed)
    assert torch.equal(
        made.latents([dataclasses.replace(row, ids=tuple(other))], names, seed), first
    )
    for left, right in (([4, 9], [6, 7]), ([4, 5], [6, 9])):
        changed = made.latents([arrange(left, 3, right, layout, 14)], names, seed)
        assert not torch.equal(changed[0, row.start : row.stop], first[0, row.start : row.stop])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("layout", "context"), [("released", "clean"), ("framed", "noised")])
def test_samples_ignore_batch_order_and_cuts(
    layout: str, context: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.diffusion.latents.diffusion, "matrix_dtype", lambda device: dtype)
    made = infilling(diffusion(steps=10), layout=layout, context=context, middle="variable")
    results = generate(made, TARGETS, 4, seed=3, batch=64)
    assert [r.target_id for r in results] == [t.id for t in TARGETS]
    assert all([s.index for s in r.samples] == list(range(4)) for r in results)
    assert all(s.nfe == 10 and s.seconds > 0 for r in results for s in r.samples)
    whole = tokens(results)
    assert len(set(whole.values())) > 6
    assert tokens(generate(made, TARGETS, 4, seed=3, batch=1)) == whole
    assert tokens(generate(made, TARGETS[::-1], 4, seed=3, batch=8)) == whole
    cut = tokens(generate(made, TARGETS[1:], 4, seed=3, batch=7))
    assert cut == {key: value for key, value in whole.items() if key[0] != "a"}
    assert tokens(generate(made, TARGETS, 4, seed=4)) != whole


def test_a_denoiser_that_copies_its_left_neighbour() -> None:
    """Through three slots: the word before the middle fills it."""
    made = diffusion(steps=100, embedding=12)
    made.denoiser.embedding.weight.copy_(4 * torch.eye(12))

    def copy(x: Tensor, t: int) -> Tensor:
        return torch.cat([x[:, :1], x[:, :-1]], 1)

    made.x0 = copy  # type: ignore[method-assign]
    for layout in LAYOUTS:
        for result in generate(infilling(made, layout=layout), TARGETS[:3], 3, seed=0):
            (control,) = [t.control for t in TARGETS if t.id == result.target_id]
            assert isinstance(control, Infill)
            assert {s.words for s in result.samples} == {(control.left[-1],) * 3}


def test_middles_have_the_known_posterior() -> None:
    """The exact denoiser E[x_0 | x_t, context] of a toy language: after "cat" the middle is "slept"
    with probability 0.8 and "woke" else; after "dog" the other way round. Sampling through the
    pins gives these frequencies back."""
    made = diffusion(steps=200, clamp=False, embedding=12)
    table = made.denoiser.embedding.weight.copy_(torch.eye(12))
    cat, dog, slept, woke = VOCABULARY.encode(["cat", "dog", "slept", "woke"])
    alpha_bar = torch.tensor(made.schedule.alpha_bar, dtype=torch.float64)

    def exact(x: Tensor, t: int) -> Tensor:
        context, middle = x[:, 0].double(), x[:, 1].double()
        odds = torch.where(context[:, cat] > context[:, dog], 0.8, 0.2)
        # log N(x; sqrt(a) e, (1 - a) I) for embeddings of equal norm, up to a constant
        scale = alpha_bar[t].sqrt() / (1 - alpha_bar[t])
        logit = scale * (middle[:, slept] - middle[:, woke]) + torch.log(odds / (1 - odds))
        p = logit.sigmoid()[:, None].float()
        x0 = x.clone()
        x0[:, 1] = p * table[slept] + (1 - p) * table[woke]
        return x0

    made.x0 = exact  # type: ignore[method-assign]
    way = infilling(made, slots=1, sampling=made.sampling)
    asked = [Target(word, Infill((word,), ("then",))) for word in ("cat", "dog")]
    for result, expected in zip(generate(way, asked, 600, 0, batch=600), (0.8, 0.2), strict=True):
        counts = Counter(s.words for s in result.samples)
        assert counts[("slept",)] + counts[("woke",)] == 600
        # four standard errors
        assert abs(counts[("slept",)] / 600 - expected) < 4 * math.sqrt(0.16 / 600)


def test_variable_lengths_follow_the_histogram() -> None:
    made = infilling(middle="variable", layout="framed")
    assert made._room(TARGETS[0]) == 14 - 2 - 5
    drawn = Counter(
        row.stop - row.start
        for row in (made.given(TARGETS[0], index, streams(0)) for index in range(4000))
    )
    assert set(drawn) == set(COUNTS)
    for n, count in COUNTS.items():
        p = count / 10
        assert abs(drawn[n] / 4000 - p) < 4 * math.sqrt(p * (1 - p) / 4000)
    # what does not fit is left out and the others keep their odds
    short = Counter(draw_slots(COUNTS, 3, torch.Generator().manual_seed(i)) for i in range(2000))
    assert set(short) == {1, 2} and abs(short[1] / 2000 - 2 / 7) < 0.04
    # a middle of words alone has as many as were drawn
    (result,) = generate(made, TARGETS[:1], 40, seed=0)
    for s in result.samples:
        row = made.given(TARGETS[0], s.index, streams(0))
        assert len(s.words) == len(s.tokens) == row.stop - row.start


def drawn_tokens(layout: str, unk: str, clamp: bool) -> set[str]:
    """What comes out where the network always says UNK, END or PAD."""
    made = diffusion(clamp=clamp)
    table = made.denoiser.embedding.weight

    def special(x: Tensor, t: int) -> Tensor:
        return (
            table[torch.tensor([UNK, END, PAD, START])]
            .repeat(1, 4, 1)[:, : x.shape[1]]
            .expand_as(x)
        )

    made.x0 = special  # type: ignore[method-assign]
    config = {"layout": layout, "unk": unk, "slots": 4, "sampling": made.sampling}
    way = Infilling(
        made,
        VOCABULARY,
        InfillingConfig(**config, **({"repair_model": "-"} if unk == "repair" else {})),
    )
    (result,) = generate(way, TARGETS[:1], 3, seed=0)
    assert all(not {"START", "END", "PAD"} & set(s.words) for s in result.samples)
    return {token for s in result.samples for token in s.tokens}


@pytest.mark.parametrize("clamp", [True, False])
def test_which_specials_a_middle_may_hold(clamp: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """UNK never where it is to be avoided, neither by rounding nor by clamping; the frame's tokens
    only as released, and then as tokens that are no words."""
    specials = {"START", "END", "PAD", "UNK"}
    assert drawn_tokens("framed", "avoid", clamp) <= set(WORDS)
    assert drawn_tokens("framed", "keep", clamp) & specials == {"UNK"}
    assert drawn_tokens("released", "avoid", clamp) & specials == {"START", "END", "PAD"}
    assert drawn_tokens("released", "keep", clamp) == specials


def test_clamping_equals_the_denoisers_own_where_all_words_may_come_out() -> None:
    x = torch.randn(3, 7, 8, generator=torch.Generator().manual_seed(0))
    made = infilling(unk="keep")
    assert torch.equal(nearest(x, made._words), made.diffusion.denoiser.nearest(x))
    avoiding = infilling()
    table = avoiding.diffusion.denoiser.embedding.weight
    clamped = nearest(table[[UNK, 4]][None], avoiding._words)
    assert torch.equal(clamped[0, 1], table[4])
    others = torch.tensor([i for i in range(12) if i != UNK])
    closest = others[(table[others] - table[UNK]).square().sum(1).argmin()]
    assert torch.equal(clamped[0, 0], table[closest])


@pytest.mark.parametrize("shape", [(1, 5), (3, 7), (8, 48)])
def test_only_middles_are_clamped_and_as_all_would_be(shape: tuple[int, int]) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(*shape, 8, generator=rng)
    fixed = torch.rand(shape, generator=rng) < 0.6
    made = infilling()
    clamped = made._clamping(fixed)(x)
    assert fixed.any() and not fixed.all()
    assert torch.equal(clamped[fixed], x[fixed])
    assert torch.equal(clamped[~fixed], nearest(x, made._words)[~fixed])


def test_the_chosen_sample_is_that_of_least_risk() -> None:
    made = infilling(layout="framed", middle="variable")
    for result in generate(made, TARGETS, 6, seed=0):
        assert result.chosen == mbr.choose([s.words for s in result.samples])


class Shouting:
    """Stands in for a masked language model: writes the sides it was given."""

    def repair(self, left: Any, middle: Any, right: Any) -> tuple[str, ...]:
        return tuple(f"{left[0]}-{right[-1]}" if word == "UNK" else word for word in middle)


def test_repair_changes_words_and_not_tokens() -> None:
    made = infilling(unk="repair", repair_model="-")
    made.repair = Shouting()  # type: ignore[assignment]
    table = made.diffusion.denoiser.embedding.weight
    made.diffusion.x0 = lambda x, t: table[UNK].expand_as(x)  # type: ignore[method-assign]
    (result,) = generate(made, TARGETS[:1], 2, seed=0)
    assert {s.words for s in result.samples} == {("the-woke",) * 3}
    assert {s.tokens for s in result.samples} == {("UNK",) * 3}
    kept = answer(TargetSamples("a", result.samples), Infill(("a",), ("b",)), None)
    assert kept.samples == result.samples
    assert answer(TargetSamples("a", ()), Infill(("a",), ("b",))).chosen is None


def test_items_that_do_not_fit_are_named() -> None:
    long = Target("far", Infill(("the",) * 6, ("a",) * 6))
    with pytest.raises(UserError, match=r"far needs 15 words, 3 .* this Diffusion-LM has 14"):
        generate(infilling(), [TARGETS[0], long], 1, seed=0)
    with pytest.raises(UserError, match=r"far needs 13 words, 1 .* this Diffusion-LM has 12"):
        generate(infilling(layout="framed", middle="variable"), [long], 1, seed=0)
    (result,) = generate(infilling(middle="variable"), [long], 3, seed=0)  # fits without frame
    assert all(len(s.tokens) <= 2 for s in result.samples)
    with pytest.raises(UserError, match="target l: infilling cannot read Length"):
        generate(infilling(), [Target("l", Length(3))], 1, seed=0)
    with pytest.raises(UserError, match="slots=0: at least 1"):
        InfillingConfig(slots=0)
    with pytest.raises(UserError, match="unk=repair needs repair_model"):
        InfillingConfig(unk="repair")


def test_settings_of_other_tasks_stay_what_they_were() -> None:
    """A cell stored before infilling has no such key, which equals None."""
    settings = DiffusionLMSettings(profile="paper")
    stored = dataclasses.asdict(resolve(DiffusionLM, settings, "syntax_spans"))
    assert stored.pop("infilling") is None
    assert set(stored) == {"profile", "guidance", "sampling"}
    assert stored["guidance"]["lr"] == 0.15
    filled = resolve(DiffusionLM, settings, "infilling")
    assert filled == resolve(DiffusionLM, DiffusionLMSettings(), "infilling")
    assert filled.infilling == InfillingConfig()
    again = resolve(DiffusionLM, resolve(DiffusionLM, settings, "length"), "infilling")
    assert again == filled
    assert refuses(DiffusionLM, "infilling") is None
    assert needs(DiffusionLM, "infilling") == ("diffusion", "lengths")


def test_defaults_are_the_released_ones() -> None:
    """Reference notes, section 2.10."""
    config = InfillingConfig()
    assert (config.layout, config.middle, config.slots, config.context) == (
        "released", "fixed", 10, "clean",
    )  # fmt: skip
    assert config.sampling == SamplingConfig("ancestral", steps=2000, clamp=True)


def test_settings_read_from_the_command_line_and_from_results() -> None:
    from pydantic import TypeAdapter

    from eval.running.keys import keys, override

    made = override(
        DiffusionLMSettings(),
        {
            "infilling.layout": "framed",
            "infilling.sampling.steps": "50",
            "infilling.unk": "repair",
            "infilling.repair_model": "some/folder",
        },
    )
    assert made.infilling is not None
    assert made.infilling.layout == "framed" and made.infilling.sampling.steps == 50
    assert made.infilling.repair_model == "some/folder"
    assert made.sampling == SamplingConfig()
    meanings = keys(DiffusionLMSettings)
    assert "nearest" in meanings["sampling.clamp"].meaning
    assert "PADs are dropped" in meanings["infilling.middle"].meaning
    for task in ("syntax_spans", "infilling"):
        resolved = resolve(DiffusionLM, made, task)
        data = json.loads(json.dumps(dataclasses.asdict(resolved)))
        assert TypeAdapter(DiffusionLMSettings).validate_python(data) == resolved


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Stories of three sentences in which the middle repeats the first noun."""
    made = {role: tmp_path_factory.mktemp(role) for role in ("diffusion", "lengths", "block")}
    texts = [
        ("the", noun, "woke", noun, verb, "then", "a", noun, verb)
        for noun in ("cat", "dog")
        for verb in ("slept", "barked")
    ]
    train = TrainConfig(steps=250, batch=16, lr=4e-3, every=250, bf16=False)
    for role, padding in (("diffusion", "pad"), ("block", "block")):
        steps = 250 if role == "diffusion" else 1
        config = DiffusionConfig(
            length=12, padding=padding, positions=12, embedding=8, time=16, steps=200,  # type: ignore[arg-type]
            network=NETWORK, train=dataclasses.replace(train, steps=steps),
        )  # fmt: skip
        train_diffusion(made[role], texts * 4, texts, VOCABULARY, config, 0, device=CPU)
    (made["lengths"] / "lengths.json").write_text(json.dumps({"counts": {"2": 4}}))
    return made


def test_a_trained_network_fills_in_what_its_context_asks_for(folders: dict[str, Path]) -> None:
    """Noun by the left context, verb by the right one; loaded as the runner loads it."""
    config = InfillingConfig("framed", "variable", sampling=SAMPLING)
    resolved = resolve(DiffusionLM, DiffusionLMSettings(infilling=config), "infilling")
    made = DiffusionLM.load(folders, TASK, resolved, CPU)
    assert type(made) is DiffusionLM and isinstance(made.way, Infilling)
    asked = {
        (noun, verb): Infill(("the", noun, "woke"), ("then", "a", noun, verb))
        for noun in ("cat", "dog")
        for verb in ("slept", "barked")
    }
    targets = [Target("-".join(middle), control) for middle, control in asked.items()]
    for middle, result in zip(asked, made.generate(targets, 8, seed=0)):
        assert sum(s.words == middle for s in result.samples) >= 6
        assert result.chosen is not None and result.samples[result.chosen].words == middle


def test_artefacts_that_do_not_do_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    def load(settings: DiffusionLMSettings, **changed: Path) -> Any:
        return DiffusionLM.load({**folders, **changed}, TASK, settings, CPU)

    short = DiffusionLMSettings(infilling=InfillingConfig(sampling=SAMPLING))
    assert load(short).way.lengths is None
    with pytest.raises(UserError, match="padding=block and cannot be controlled"):
        load(short, diffusion=folders["block"])
    with pytest.raises(UserError, match="2000 decoding steps do not divide the 200 trained ones"):
        load(DiffusionLMSettings(infilling=None))
    variable = InfillingConfig(middle="variable", sampling=SAMPLING)
    for text in ("", "[]", '{"counts": {"two": 1}}', '{"counts": [1]}'):
        (tmp_path / "lengths.json").write_text(text)
        with pytest.raises(UserError, match="lengths.json"):
            load(DiffusionLMSettings(infilling=variable), lengths=tmp_path)
    (tmp_path / "lengths.json").write_text('{"counts": {"0": 5}}')
    with pytest.raises(UserError, match="counts no sentence"):
        read_lengths(tmp_path)


def test_progress_counts_samples() -> None:
    seen: list[tuple[float, float]] = []

    def note(done: float, total: float, note: str = "") -> None:
        seen.append((done, total))

    generate(infilling(), TARGETS, 2, seed=0, batch=3, progress=note)
    assert [total for _, total in seen] == [8] * len(seen)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == 8


def test_noise_of_a_sample_is_that_of_its_stream_alone() -> None:
    """Latents, contexts and number of words come from streams that share nothing."""
    names = [("a", 0, "context"), ("a", 0, "slots"), ("a", 1, "context"), ("a", 0)]
    drawn = [Noise([streams(0)(*name)], (3, 2))() for name in names]  # type: ignore[arg-type]
    for i, one in enumerate(drawn):
        assert all(not torch.equal(one, other) for other in drawn[i + 1 :])
        assert torch.equal(one, Noise([streams(0)(*names[i])], (3, 2))())  # type: ignore[arg-type]
