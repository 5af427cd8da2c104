"""What figures and tables need of trained networks: a trajectory, likelihoods, ablations."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from stored import make_set

import eval.running.oracles
import eval.studies.ablation
from eval.reading.results import ResultSet
from eval.running.display import Display
from eval.running.options import section
from eval.running.plan import Plan
from eval.running.presets import PRESETS
from eval.running.store import Store
from eval.studies.ablation import AblationOptions, Variant, measure, plan, store
from eval.studies.ablation import main as ablation_main
from eval.studies.bounds import measure as measure_likelihood
from eval.studies.bounds import per_token
from eval.studies.families import bounded, families
from eval.studies.likelihood import LikelihoodOptions, find, likelihood_model
from eval.studies.trajectory import TrajectoryOptions, load_generator, trajectory
from eval.studies.trajectory import main as trajectory_main
from models.diffusion.config import SamplingConfig
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.training import train_diffusion
from models.diffusion_lm.config import DiffusionLMSettings
from models.diffusion_lm.method import DiffusionLM
from models.nets.causal import train_lm
from models.nets.codec import WordCodec
from models.nets.config import EncoderConfig, LMConfig, TrainConfig
from tasks import load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.controls import Length
from tasks.vocabulary import Vocabulary

CPU = torch.device("cpu")
TEXTS = [("a", "b", "c"), ("b", "c"), ("c",)] * 6
WORDS = Vocabulary.build(TEXTS, 0)
TRAIN = TrainConfig(steps=3, batch=8, bf16=False)
CONFIG = DiffusionConfig(
    length=8,
    positions=8,
    embedding=4,
    time=8,
    steps=40,
    network=EncoderConfig(layers=1, width=16, heads=2, feedforward=32, dropout=0.0),
    train=TRAIN,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {name: tmp_path_factory.mktemp(name) for name in ("diffusion", "lm")}
    train_diffusion(found["diffusion"], TEXTS, TEXTS, WORDS, CONFIG, 0, device=CPU)
    pairs = [((), words) for words in TEXTS]
    train_lm(found["lm"], pairs, pairs, WordCodec(WORDS), LMConfig(1, 16, 2, 0.0, 16, train=TRAIN),
             0, device=CPU)  # fmt: skip
    return found


# trajectory


def test_a_trajectory_ends_in_the_sample(folders: dict[str, Path]) -> None:
    settings = DiffusionLMSettings(sampling=SamplingConfig(steps=20))
    method = DiffusionLM.load(folders, load_task("length"), settings, CPU)
    targets = [Target("t1", Length(2)), Target("t2", Length(4))]
    (_, wanted) = method.generate(targets, 2, 7)
    found = trajectory(method, targets[1], 7, 6)
    frames = found["frames"]
    assert frames[-1]["words"] == list(wanted.samples[0].tokens)
    assert [f["t"] for f in frames] == [19, 15, 11, 7, 3, -1]
    assert frames[0]["std"] == pytest.approx(1.0, abs=1e-3) and frames[-1]["std"] == 0
    assert found["control"] == {"kind": "length", "words": 4}


def test_trajectory_errors(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    results = ResultSet(folder)
    path = folder / "length" / "diffusion_lm" / "config.json"
    config = json.loads(path.read_text())
    config["identity"]["artefacts"] = {"diffusion": "diffusion-0"}
    path.write_text(json.dumps(config))
    cell = results.cell("length", "diffusion_lm")
    assert cell is not None
    with pytest.raises(UserError, match="diffusion-0 .* is not in"):
        load_generator(cell, Store(tmp_path), CPU)
    for argument, message in (("frames=1", "at least 2"), ("task=lenght", "'length'"),
                              ("target=t9", "unknown target 't9'")):  # fmt: skip
        with pytest.raises(UserError, match=message):
            trajectory_main([f"run={folder}", argument])
    assert TrajectoryOptions().frames > 2


# likelihood


def test_likelihood_of_both_models(folders: dict[str, Path]) -> None:
    chosen = LikelihoodOptions(texts=5, steps=8, batch=2)
    long = ("a",) * 20
    found = measure_likelihood(folders, [long, *TEXTS], chosen, CPU, lambda *_: None)
    lm, diffusion = found["models"]
    assert (lm["model"], diffusion["model"]) == ("lm", "diffusion")
    total = sum(term["nats"] for term in diffusion["terms"])
    assert diffusion["nats"] == pytest.approx(total, rel=1e-6)
    for model in (lm, diffusion):
        assert model["bits"] == pytest.approx(model["nats"] / math.log(2), rel=1e-6)
        assert model["low"] <= model["nats"] <= model["high"]
    # words and one end a text: 4 + 3 + 2 + 4 + 3
    assert found["notes"][0].startswith("5 validation texts, 16 tokens")
    assert "1 of 19 validation texts do not fit" in found["notes"][0]
    # batches have noise of their own, but not texts or figures
    again = measure_likelihood(folders, [long, *TEXTS], chosen, CPU, lambda *_: None)
    assert again == found


def test_nats_a_token_are_sums_over_sums() -> None:
    found = per_token(np.array([2.0, 10.0]), np.array([1, 3]))
    assert found["nats"] == 3.0 and found["bits"] == pytest.approx(3 / math.log(2))
    assert (found["low"], found["high"]) == (2.0, pytest.approx(10 / 3))


def test_likelihood_errors(tmp_path: Path) -> None:
    results = ResultSet(make_set(tmp_path / "set"))
    with pytest.raises(UserError, match="no cell of .* was made with an artefact 'lm'"):
        find(results, Store(tmp_path), "lm")
    with pytest.raises(
        UserError, match="unknown likelihood model 'simple': did you mean 'simplex'"
    ):
        likelihood_model(results, LikelihoodOptions(), "simple", None, {})
    with pytest.raises(UserError, match="no validation text fits"):
        measure_likelihood(
            {"diffusion": _short(tmp_path), "lm": tmp_path}, [("a",) * 9], LikelihoodOptions(),
            CPU, lambda *_: None,
        )  # fmt: skip


def _short(folder: Path) -> Path:
    train_diffusion(folder, TEXTS, TEXTS, WORDS, CONFIG, 0, device=CPU)
    return folder


# ablation


def test_ablation_variants() -> None:
    base = PRESETS["demo"](None)
    found = list(plan(base, AblationOptions(group="objective,embedding", dims=(4, 8), steps=9)))
    assert [(v.group, v.name, v.dim) for v in found] == [
        (group, name, dim)
        for group, names in (("objective", ("x0", "eps")), ("embedding", ("learned", "random")))
        for name in names
        for dim in (4, 8)
    ]
    assert all(v.config.embedding == v.dim and v.config.train.steps == 9 for v in found)
    # one choice differs, and the usual one is shared
    assert [v.config.predict for v in found] == ["x0", "x0", "eps", "eps", *["x0"] * 4]
    assert [v.config.learned_embedding for v in found] == [True] * 6 + [False] * 2
    assert next(plan(base, AblationOptions(dims=(16,)))).config == base.diffusion
    # trained for a tenth as long, the weights are averaged over a tenth as many steps
    train = base.diffusion.train
    (short, *_) = plan(base, AblationOptions(dims=(16,), steps=train.steps // 10))
    assert short.config.train.ema == pytest.approx(1 - 10 * (1 - train.ema))
    assert found[0].config.train.ema == 0.0
    assert train.lasting(train.steps) is train
    assert dataclasses.replace(train, ema=0.0).lasting(5).ema == 0.0
    for change, message in (({"group": "objectve"}, "objective"), ({"dims": ()}, "dims=")):
        with pytest.raises(UserError, match=message):
            list(plan(base, dataclasses.replace(AblationOptions(), **change)))


def test_settings_of_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are set apart from a command's own keys, and checked likewise."""
    given = ["steps=2", "diffusion.network.layers=2", "dims=4"]
    own, network = section("diffusion", given)
    assert own == ["steps=2", "dims=4"] and network == {"diffusion.network.layers": "2"}
    results = ResultSet(make_set(tmp_path / "set"))
    wrong = {"diffusion.network.layer": "2"}
    with pytest.raises(UserError, match=r"did you mean 'diffusion.network.layers'"):
        ablation_main([f"run={results.folder}", "diffusion.network.layer=2"])
    with pytest.raises(UserError, match=r"did you mean 'diffusion.network.layers'"):
        likelihood_model(results, LikelihoodOptions(), "bound", None, wrong)
    # reading it takes seconds
    monkeypatch.setattr(eval.running.oracles, "corpus_digest", lambda *_: "0")
    keys = {
        likelihood_model(results, LikelihoodOptions(), "bound", None, changed).key
        for changed in ({}, network, {"diffusion.train.compile": "true"})
    }
    assert len(keys) == 2


def test_a_family_that_the_set_lacks_is_trained_as_its_methods_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eval.running.oracles, "corpus_digest", lambda *_: "0")
    results = ResultSet(make_set(tmp_path / "set"))
    assert "uniform" not in families(results)
    wanted = likelihood_model(results, LikelihoodOptions(), "uniform", None, {})
    run = Plan(results.config("store", "").having(method="udlm"))
    assert wanted.key == run.role("uniform").key and wanted.key.startswith("uniform-")
    assert {"uniform", "masked"} <= set(bounded()) and "lm" not in bounded()


def test_ablation_samples_a_network_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual choice stands in every group, and is one network."""
    results = ResultSet(make_set(tmp_path / "set"))
    sampled = []

    def fake(base: object, variant: Variant, *rest: object) -> dict[str, float]:
        sampled.append(variant.config)
        return {"ppl": float(len(sampled)), "low": 0.0, "high": 9.0}

    monkeypatch.setattr(eval.studies.ablation, "measure", fake)
    ablation_main([f"run={results.folder}", "dims=4,8", "steps=5"])
    stored = json.loads((results.folder / "ablation.json").read_text())["variants"]
    found = {(v["variant"], v["dim"]): v["ppl"] for v in stored}
    assert len(stored) == 8 and len(set(sampled)) == len(sampled) == 6
    assert all(found["learned", dim] == found["x0", dim] for dim in (4, 8))
    assert len(set(found.values())) == 6


def test_ablation_measures_and_stores(
    tmp_path: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = {"train Diffusion-LM": "diffusion", "train the teacher of lm-score": "lm"}
    monkeypatch.setattr(
        Store, "resolve", lambda self, wanted, on_stage: folders[roles[wanted.title]]
    )
    # reading it takes seconds
    monkeypatch.setattr(eval.running.oracles, "corpus_digest", lambda *_: "0")
    base = PRESETS["demo"](None).having(store=str(tmp_path))
    sampling = dataclasses.replace(base.unconditional.sampling, steps=10)
    base = base.having(unconditional=dataclasses.replace(base.unconditional, sampling=sampling))
    chosen = AblationOptions(samples=6, dims=(4,))
    variant = next(plan(base, chosen))
    figures = measure(base, variant, chosen, Display())
    assert 1 < figures["low"] <= figures["ppl"] <= figures["high"]
    results = ResultSet(make_set(tmp_path / "set"))
    for ppl in (5.0, 4.0):
        store(results, variant, {**figures, "ppl": ppl})
    (point,) = json.loads((results.folder / "ablation.json").read_text())["variants"]
    assert (point["group"], point["variant"], point["dim"], point["ppl"]) == (
        "embedding", "learned", 4, 4.0,
    )  # fmt: skip
    config = variant.config
    assert (point["layers"], point["width"], point["steps"]) == (
        config.network.layers, config.network.width, config.train.steps,
    )  # fmt: skip
