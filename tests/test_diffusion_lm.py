"""Diffusion-LM as a generator: a sample depends on (seed, method, target, index) alone."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from carded import needs, refuses, resolve

import models.diffusion.classifiers.training
import models.diffusion.latents.diffusion
from models.base import TargetSamples
from models.diffusion.classifiers.kinds import GUIDED_BY
from models.diffusion.classifiers.training import train_classifier
from models.diffusion.config import ClassifierConfig, GuidanceConfig, SamplingConfig
from models.diffusion.gaussian import Normal
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.diffusion import load_space
from models.diffusion.latents.guided import Guided, LengthGuide
from models.diffusion.latents.guides import Told
from models.diffusion.latents.training import train_diffusion
from models.diffusion_lm.card import DIFFUSION_LM, FAST
from models.diffusion_lm.config import DiffusionLMSettings, UnconditionalSettings, fast
from models.diffusion_lm.method import DiffusionLM, DiffusionLMFast, FluencyAlone, Unconditional
from models.nets.config import EncoderConfig, TrainConfig
from tasks import TASKS, in_table, load_task
from tasks.base import Target, Text, Words
from tasks.common.errors import UserError
from tasks.controls import AllOf, Control, FieldValue, Length, ParseTree, Span, TagSequence
from tasks.oracles.trees import leaves, preterminals
from tasks.vocabulary import Vocabulary

CPU = torch.device("cpu")
NETWORK = EncoderConfig(layers=2, width=32, heads=2, feedforward=64, dropout=0.0)
SAMPLING = SamplingConfig(steps=20)
SETTINGS = DiffusionLMSettings(sampling=SAMPLING)
WORDS = ("the", "cat", "sleeps", "a", "dog", "barks")
# with and without a determiner, so that where the VP begins is a choice
NPS = [f"(NP (DT {d}) (NN {n}))" for d in ("the", "a") for n in ("cat", "dog")]
NPS += [f"(NP (NN {n}))" for n in ("cat", "dog")]
UPOS = {"DT": "DET", "NN": "NOUN", "VBZ": "VERB"}
TREES = [f"(S {np} (VP (VBZ {v})))" for np in NPS for v in ("sleeps", "barks")]


TEXTS = [Text(leaves(t), t, tuple(UPOS[p] for p in preterminals(t))) for t in TREES]


def examples(texts: Iterable[Text]) -> Iterator[tuple[Control, Words]]:
    for text in texts:
        yield FieldValue("noise", text.words[-1]), text.words


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders by role."""
    diffusion = tmp_path_factory.mktemp("diffusion")
    made = {"diffusion": diffusion}
    words = Vocabulary(["START", "END", "UNK", "PAD", *WORDS])
    train = TrainConfig(steps=200, batch=16, lr=3e-3, every=100)
    config = DiffusionConfig(
        length=10, positions=10, embedding=8, time=16, steps=200, network=NETWORK, train=train
    )
    corpus = [text.words for text in TEXTS]
    train_diffusion(diffusion, corpus, corpus, words, config, 0, device=CPU)
    classifier = ClassifierConfig(steps=20, span_hidden=16, network=NETWORK, train=train)
    # how well they judge plays no part in what is tested of the others
    short = dataclasses.replace(classifier, train=dataclasses.replace(train, steps=20))
    for task in ("syntax_spans", "parts_of_speech", "semantic_content"):
        folder = made[f"classifier:{task}"] = tmp_path_factory.mktemp(task)
        chosen = classifier if task == "syntax_spans" else short
        space = load_space(diffusion, chosen, CPU)
        train_classifier(folder, task, space, TEXTS, TEXTS, chosen, seed=0, examples=examples)
    return made


SPANS = [Target(f"s{i}", Span(i % 3, i % 3 + i % 2, "NP")) for i in range(5)]
LENGTHS = [Target(f"l{n}", Length(n)) for n in (2, 3, 5, 8)]
VALUE, TAGS = FieldValue("noise", "barks"), TagSequence(("DET", "NOUN", "VERB"))
TREE = ParseTree("(S (NP (NN *) (NN *)) (VP (NN *)))")
COMPOSED = "semantic_content+syntax_tree"
OTHERS = {
    "semantic_content": [VALUE, FieldValue("noise", "sleeps")],
    "parts_of_speech": [TAGS, TagSequence(("NOUN", "VERB"))],
    "syntax_tree": [TREE, ParseTree("(S (NP (NN *)) (VP (NN *)))")],
    COMPOSED: [AllOf((VALUE, TREE)), AllOf((FieldValue("noise", "sleeps"), TREE))],
}


def generator(folders: dict[str, Path], task: str, **changes: object) -> DiffusionLM:
    settings = dataclasses.replace(SETTINGS, **changes)  # type: ignore[arg-type]
    needed = {role: folders[role] for role in needs(DiffusionLM, task)}
    return DiffusionLM.load(needed, load_task(task), settings, CPU)


def way(folders: dict[str, Path], task: str) -> Guided:
    """How it decodes."""
    made = generator(folders, task).way
    assert isinstance(made, Guided)
    return made


def words(results: Sequence[TargetSamples]) -> dict[tuple[str, int], tuple[str, ...]]:
    return {(r.target_id, s.index): s.tokens for r in results for s in r.samples}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("task", "targets"), [("syntax_spans", SPANS), ("length", LENGTHS)])
def test_samples_ignore_batch_order_and_cuts(
    folders: dict[str, Path],
    task: str,
    targets: list[Target],
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (models.diffusion.latents.diffusion, models.diffusion.classifiers.training):
        monkeypatch.setattr(module, "matrix_dtype", lambda device: dtype)
    made = generator(folders, task)
    whole = words(list(made.generate(targets, 4, seed=3, batch=64)))
    assert len(whole) == 4 * len(targets)
    one = words(list(made.generate(targets, 4, seed=3, batch=1)))
    seven = words(list(made.generate(targets[::-1], 4, seed=3, batch=7)))
    cut = words(list(made.generate(targets[:2], 4, seed=3)))
    cut |= words(list(made.generate(targets[2:], 4, seed=3)))
    assert one == whole
    assert seven == whole
    assert cut == whole
    assert words(list(made.generate(targets, 4, seed=4))) != whole


@pytest.mark.parametrize("task", list(OTHERS))
def test_samples_of_every_task_ignore_batch_and_order(folders: dict[str, Path], task: str) -> None:
    made = generator(folders, task)
    targets = [Target(f"t{i}", control) for i, control in enumerate(OTHERS[task])]
    whole = words(list(made.generate(targets, 3, seed=3, batch=64)))
    assert len(whole) == 6
    assert words(list(made.generate(targets, 3, seed=3, batch=1))) == whole
    assert words(list(made.generate(targets[::-1], 3, seed=3, batch=4))) == whole


@pytest.mark.parametrize(
    ("task", "controls", "changes"),
    [
        ("length", [Length(n) for n in (2, 3, 5)], {}),
        (COMPOSED, OTHERS[COMPOSED], {"sampler": "dpmpp_2m_sde"}),
    ],
)
def test_texts_that_settle_leave_their_batch(
    folders: dict[str, Path], task: str, controls: list[Control], changes: dict[str, Any]
) -> None:
    """Neither the words nor the cost of a text depend on when those beside it end."""

    def made(batch: int, settled: int) -> dict[tuple[str, int], tuple[Words, float]]:
        sampling = SamplingConfig(steps=50, settled=settled, **changes)
        guidance = GuidanceConfig(updates=1, unguided=8, every=2)
        settings = {"sampling": sampling, "guidance": guidance, "profile": "custom"}
        targets = [Target(f"t{i}", control) for i, control in enumerate(controls)]
        done = generator(folders, task, **settings).generate(targets, 2, seed=3, batch=batch)
        return {(r.target_id, s.index): (s.tokens, s.nfe) for r in done for s in r.samples}

    whole, never, late = made(64, 1), made(64, 0), made(64, 50)
    assert made(1, 1) == whole and made(4, 1) == whole
    assert late == never, "as without it where no text has been the same for so long"
    (full,) = {nfe for _, nfe in never.values()}
    assert max(nfe for _, nfe in whole.values()) <= full > min(nfe for _, nfe in whole.values())


def test_the_fast_row_takes_a_quarter_of_the_steps_and_a_third_of_the_updates(
    folders: dict[str, Path],
) -> None:
    card = FAST
    settings = fast(DiffusionLMSettings())
    assert settings.sampling.steps == 50 and settings.profile == "released"
    for profile, unguided in (("released", 2), ("paper", 0)):
        asked = dataclasses.replace(settings, profile=profile)
        made = card.resolve(asked, load_task("length")).guidance
        assert (made.unguided, made.taken, made.fluency) == (unguided, 1, 0.01)
    published = DIFFUSION_LM.resolve(DiffusionLMSettings(), load_task("length"))
    assert published.guidance == GuidanceConfig() and published.sampling == SamplingConfig()
    # both rows of one network and classifier, decoded in a quarter of the classifier's 20 steps
    needed = {role: folders[role] for role in needs(DiffusionLMFast, "syntax_spans")}
    asked = fast(SETTINGS)
    made = DiffusionLMFast.load(needed, load_task("syntax_spans"), asked, CPU)
    (samples,) = made.generate(SPANS[:1], 2, seed=0)
    assert {sample.nfe for sample in samples.samples} == {5 + 4.0}
    assert refuses(DiffusionLMFast, "infilling") == "it reads controls and no contexts"


def test_targets_come_in_order_with_their_cost(folders: dict[str, Path]) -> None:
    results = list(generator(folders, "syntax_spans").generate(SPANS, 3, seed=0, batch=4))
    assert [r.target_id for r in results] == [t.id for t in SPANS]
    for result in results:
        assert [s.index for s in result.samples] == [0, 1, 2]
        for sample in result.samples:
            # 20 denoiser calls and 3 gradients in each of the 10 guided steps
            assert sample.nfe == 20 + 30
            assert sample.seconds > 0
            assert "PAD" not in sample.words and len(sample.tokens) == 10


def test_a_composition_costs_the_gradients_of_both_parts(folders: dict[str, Path]) -> None:
    target = Target("t", OTHERS[COMPOSED][0])
    (result,) = generator(folders, COMPOSED).generate([target], 1, seed=0)
    assert result.samples[0].nfe == 20 + 2 * 30


def test_composed_gradient_is_the_sum(folders: dict[str, Path]) -> None:
    """Of the parts' log-probabilities, with the fluency term once."""
    both = way(folders, COMPOSED).guidance([AllOf((VALUE, TREE))] * 2)
    one = way(folders, "semantic_content").guidance([VALUE] * 2)
    other = way(folders, "syntax_tree").guidance([TREE] * 2)
    y = torch.randn(2, 10, 8, generator=torch.Generator().manual_seed(0))
    at_mean = Normal(y, 0.5)  # no fluency term: y is the mean itself
    torch.testing.assert_close(
        both.gradient(y, at_mean, 12), one.gradient(y, at_mean, 12) + other.gradient(y, at_mean, 12)
    )
    off = Normal(y - 1.0, 0.5)
    fluency = both.gradient(y, off, 12) - both.gradient(y, at_mean, 12)
    torch.testing.assert_close(fluency, torch.full_like(y, both.config.fluency * 2 / 0.5))


def test_length_composes_too(folders: dict[str, Path]) -> None:
    made = generator(folders, "length+parts_of_speech")
    (result,) = made.generate([Target("t", AllOf((Length(3), TAGS)))], 2, seed=0)
    assert len(result.samples) == 2
    with pytest.raises(UserError, match="a composition of 2 tasks takes as many controls"):
        way(folders, "length+parts_of_speech").guidance([TAGS])


def test_roles_of_classifiers() -> None:
    """Each by the classifier's name; trees share that of spans."""
    assert needs(DiffusionLM, "syntax_spans") == ("diffusion", "classifier:syntax_spans")
    assert needs(DiffusionLM, "length") == ("diffusion",)
    assert needs(DiffusionLM, "syntax_tree") == ("diffusion", "classifier:syntax_spans")
    assert needs(DiffusionLM, COMPOSED) == (
        "diffusion", "classifier:semantic_content", "classifier:syntax_spans",
    )  # fmt: skip
    assert needs(DiffusionLM, "syntax_spans+syntax_tree") == (
        "diffusion", "classifier:syntax_spans",
    )  # fmt: skip


def test_constants_of_tasks_and_compositions() -> None:
    """Table 6 of the paper and the released code (reference notes 2.6): (lr, lambda)."""
    published = {
        "released": {
            "semantic_content": (0.1, 0.01), "parts_of_speech": (0.1, 0.0001),
            "syntax_tree": (0.1, 0.0005), "syntax_spans": (0.1, 0.1), "length": (0.1, 0.01),
            COMPOSED: (0.1, 0.0005), "semantic_content+parts_of_speech": (0.1, 0.0001),
        },
        "paper": {
            "semantic_content": (0.1, 0.01), "parts_of_speech": (0.05, 0.0005),
            "syntax_tree": (0.2, 0.0005), "syntax_spans": (0.15, 0.1), "length": (0.1, 0.01),
            COMPOSED: (0.1, 0.0005), "semantic_content+parts_of_speech": (0.05, 0.0005),
        },
    }  # fmt: skip
    for profile, rows in published.items():
        for task, constants in rows.items():
            settings = DiffusionLMSettings(profile=profile)  # type: ignore[arg-type]
            config = resolve(DiffusionLM, settings, task).guidance
            assert (config.lr, config.fluency) == constants


@pytest.mark.parametrize("task", list(OTHERS))
def test_guidance_through_the_estimate(folders: dict[str, Path], task: str) -> None:
    """Other gradients; samples are the same whatever the batch, and each update asks the denoiser
    once more."""
    controls = [*OTHERS[task]]
    targets = [Target(f"t{i}", control) for i, control in enumerate(controls)]
    through = GuidanceConfig(through="estimate")
    made, latent = generator(folders, task, guidance=through), generator(folders, task)
    results = list(made.generate(targets, 2, seed=3, batch=64))
    whole = words(results)
    assert words(list(made.generate(targets[::-1], 2, seed=3, batch=1))) == whole
    before = list(latent.generate(targets, 2, seed=3))
    x = torch.randn(2, 10, 8, generator=torch.Generator().manual_seed(0))
    gradients = []
    for one in (made.way, latent.way):
        assert isinstance(one, Guided)
        gradients.append(one.guidance(controls).gradient(x, Normal(x, 0.1), 12))
    assert not torch.allclose(*gradients)
    steps = SETTINGS.sampling.steps
    paid = before[0].samples[0].nfe - steps
    parts = len(controls[0].parts)
    assert results[0].samples[0].nfe == steps + paid / parts * (parts + 1)


def test_length_control_reads_the_estimate_as_it_is(folders: dict[str, Path]) -> None:
    through = GuidanceConfig(through="estimate")
    plain, other = generator(folders, "length"), generator(folders, "length", guidance=through)
    assert words(list(other.generate(LENGTHS, 1, 3))) == words(list(plain.generate(LENGTHS, 1, 3)))


def test_fluency_alone_is_guidance_without_a_control(folders: dict[str, Path]) -> None:
    """The target plays no part beside its noise; under no updates it is the floor; and a guide that
    says nothing gives the same texts."""
    task, folder = load_task("syntax_spans"), {"diffusion": folders["diffusion"]}
    assert needs(FluencyAlone, "syntax_spans") == ("diffusion",)
    made = FluencyAlone.load(folder, task, SETTINGS, CPU)
    targets = [Target("a", Span(0, 1, "NP")), Target("b", Span(2, 2, "VP"))]
    whole = words(list(made.generate(targets, 3, seed=5)))
    others = [Target("a", Span(1, 1, "VP")), Target("b", Span(0, 0, "NP"))]
    assert words(list(made.generate(others[::-1], 3, seed=5, batch=2))) == whole
    (result, _) = made.generate(targets, 1, seed=5)
    assert result.samples[0].nfe == SETTINGS.sampling.steps
    still = dataclasses.replace(SETTINGS, profile="custom", guidance=GuidanceConfig(updates=0))

    class Floor(Unconditional):
        card = FluencyAlone.card

    floor = Floor.load(folder, task, UnconditionalSettings(SETTINGS.sampling), CPU)
    free = words(list(floor.generate(targets, 3, seed=5)))
    assert words(list(FluencyAlone.load(folder, task, still, CPU).generate(targets, 3, 5))) == free
    assert refuses(FluencyAlone, "infilling") is not None


def test_the_fluency_term_cools(folders: dict[str, Path]) -> None:
    """What guidance without a control leaves of a draw is nearer to the mean of its move."""
    made = FluencyAlone.load(
        {"diffusion": folders["diffusion"]}, load_task("syntax_spans"), SETTINGS, CPU
    )
    assert isinstance(made.way, Guided)
    x = torch.randn(4, 10, 8, generator=torch.Generator().manual_seed(0))
    move = Normal(torch.zeros_like(x), 1.0)
    cooled = made.way.guidance([Span(0, 1, "NP")] * 4)(x, move, 15)
    assert float(cooled.std()) < 0.9 * float(x.std())


def test_guidance_raises_the_classifiers_log_probability(folders: dict[str, Path]) -> None:
    """Judged by the guide itself on the clean latents: guided samples beat unguided ones."""
    made = generator(folders, "syntax_spans")
    target = Target("t", Span(1, 1, "VP"))
    off = GuidanceConfig(updates=0)
    free = generator(folders, "syntax_spans", profile="custom", guidance=off)

    def score(method: DiffusionLM) -> float:
        (result,) = method.generate([target], 32, seed=0)
        ids = torch.tensor([made.vocabulary.encode(s.tokens) for s in result.samples])
        x = made.diffusion.denoiser.embedding(ids)
        (guide,) = way(folders, "syntax_spans").guide([target.control] * 32)
        return float(guide(x, -1).mean())

    assert score(made) > score(free)


def test_length_guide_pins_start_and_end(folders: dict[str, Path]) -> None:
    """The guide is minus the squared distances at position 0 and right after the last word."""
    made = generator(folders, "length")
    guide = LengthGuide(made.diffusion, [Length(3), Length(5)], GuidanceConfig())
    x = torch.randn(2, 10, 8, generator=torch.Generator().manual_seed(0))
    x0 = made.diffusion.x0(x, 12)
    table = made.diffusion.denoiser.embedding.weight
    std = made.diffusion.schedule.posterior_std[12]
    for row, end in enumerate((4, 6)):
        squares = (x0[row, 0] - table[0]).square().sum() + (x0[row, end] - table[1]).square().sum()
        assert float(guide(x, 11)[row]) == pytest.approx(-float(squares) / std, rel=1e-5)
    later = LengthGuide(made.diffusion, [Length(3)] * 2, GuidanceConfig(length_time="t-1"))
    assert not torch.equal(later(x, 11), LengthGuide(
        made.diffusion, [Length(3)] * 2, GuidanceConfig())(x, 11))  # fmt: skip


def test_unconditional_ancestral_and_respaced(folders: dict[str, Path]) -> None:
    """All samplers and spacings give sequences of the model's length."""
    target = [Target("free", Length(1))]
    outputs = set()
    for sampling in (
        SAMPLING,
        SamplingConfig(steps=20, spacing="respaced"),
        SamplingConfig(sampler="ancestral", steps=200),
        SamplingConfig(steps=20, clamp=False, eta=0.0),
    ):
        settings = UnconditionalSettings(sampling)
        task = TASKS.load("length")()
        made = Unconditional.load({"diffusion": folders["diffusion"]}, task, settings, CPU)
        (result,) = made.generate(target, 6, seed=0)
        assert all(len(s.tokens) == 10 and s.nfe == sampling.steps for s in result.samples)
        outputs.add(tuple(s.tokens for s in result.samples))
    assert len(outputs) == 4


@pytest.mark.parametrize("control", [Span(2, 8, "NP"), Length(9)])
def test_targets_longer_than_the_model_are_refused(
    folders: dict[str, Path], control: Control
) -> None:
    task = "length" if isinstance(control, Length) else "syntax_spans"
    made = generator(folders, task)
    with pytest.raises(UserError, match="target far needs 9 words; this Diffusion-LM has 8"):
        list(made.generate([Target("far", control)], 1, seed=0))


def test_a_classifier_of_other_steps_is_told_the_nearest_of_its_own(
    folders: dict[str, Path],
) -> None:
    made = generator(folders, "syntax_spans", sampling=SamplingConfig(steps=40)).way
    assert isinstance(made, Guided)
    (guide,) = made.guide([SPANS[0].control, SPANS[3].control])
    assert isinstance(guide, Told)
    x = torch.randn(2, 10, 8, generator=torch.Generator().manual_seed(0))
    # training step 10 i + 9 is level i of 20 steps, and 5 j + 4 is level j of 40
    assert torch.equal(guide(x, 21), guide.guide(x, 10))
    assert torch.equal(guide(x, -1), guide.guide(x, -1))
    last = guide.take(torch.tensor([1]))
    assert torch.equal(last(x[1:], torch.tensor([21])), guide.guide(x, 10)[1:])


def test_tasks_without_guidance_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for task in (*in_table("control"), COMPOSED):
        assert refuses(DiffusionLM, task) is None
    monkeypatch.delitem(GUIDED_BY, "parse_tree")  # type: ignore[arg-type]
    for task in ("syntax_tree", COMPOSED):
        assert refuses(DiffusionLM, task) == "no guidance is defined for syntax_tree"
