"""Figures from stored results: drawn where their data is, left out with a reason where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored import ROOT, make_set

from eval.plots import main
from eval.reading.figures.ablation import ABLATIONS
from eval.reading.figures.build import PLOTS, svg_figures, write_figures
from eval.reading.figures.points import points
from eval.reading.figures.style import Missing
from eval.reading.figures.training import NOISE
from eval.reading.figures.trajectory import positions
from eval.reading.figures.tuned import TUNED, frontier
from eval.reading.projection import affinities, tsne
from eval.reading.results import ResultSet
from eval.reading.tuned import curves
from eval.running.store import Store, seal
from eval.studies.collect import artefacts, collect, word_tags
from tasks.common.errors import UserError
from tasks.common.recipe import Spec
from tasks.controls import Length, to_json

DEMO = ROOT / "results" / "demo"


def dump(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


#: of an earlier run, then of the last one, one of them without its evaluations
TRIED = [
    {"point": {"fudge.lam": lam}, "under": {"seed": seed}, "ctrl": ctrl, "ppl": 3.0, **more}
    for lam, seed, ctrl, more in (
        ("9", 0, 0.99, {"nfe": 1}),
        ("1", 1, 0.4, {"nfe": 50, "distinct2": 0.3}),
        ("2", 1, 0.3, {"nfe": 80, "distinct2": 0.4}),
        ("3", 1, 0.8, {"nfe": 90}),
        ("4", 1, 0.6, {"nfe": 90, "distinct2": 0.2}),
        ("5", 1, 0.9, {}),
    )
]


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A set with everything that any figure is drawn from."""
    folder = make_set(tmp_path / "set")
    curve = [{"step": s, "train_loss": 1 / s, "valid_loss": 1 / s} for s in (1, 2)]
    noise = [{"level": t, "alpha_bar": 0.5, "accuracy": 0.9} for t in (-1, 99)]
    one = {"kind": "classifier", "tasks": ["length"], "curve": curve, "noise": noise}
    dump(folder / "curves.json", {"artefacts": {"classifier-1": one}, "missing": []})
    words = [{"word": f"w{i}", "tag": "NOUN", "x": i, "y": -i} for i in range(4)]
    dump(folder / "embedding.json", {"points": words})
    frames = [
        {"t": t, "std": 0.1, "words": ["START", word, "END", "PAD"]}
        for t, word in ((9, "x"), (0, "a"), (-1, "a"))
    ]
    dump(folder / "trajectory.json", {"control": to_json(Length(1)), "frames": frames})
    figures = {"ppl": 3.0, "low": 2.0, "high": 4.0}
    variants = [
        {"group": "embedding", "variant": name, "dim": dim, **figures}
        for name in ("learned", "random")
        for dim in (4, 8)
    ]
    size = {"layers": 2, "width": 8, "steps": 3000}
    variants += [{**point, **size, "group": "objective"} for point in variants]
    dump(folder / "ablation.json", {"variants": variants})
    own = {"task": "length", "ctrl": [50, 40, 60], "lm": [3, 2, 4]}
    own |= {"distinct2": 0.5, "samples": 4, "length": 2.5}
    swept = [
        {**own, "method": method, "nfe": 5, "seconds": 0.1, "key": f"{method}.{key}", "value": v}
        for method, key in (("fudge", "lam"), ("diffusion_lm", "sampling.steps"))
        for v in (1.0, 2.0)
    ]
    dump(folder / "sweep.json", {"points": swept})
    tried = folder / "tune" / "length" / "fudge" / "points.jsonl"
    tried.parent.mkdir(parents=True)
    tried.write_text("".join(json.dumps(one) + "\n" for one in TRIED))
    return folder


def test_every_figure_draws(full: Path, tmp_path: Path) -> None:
    reasons = [reason for _, reason in write_figures(ResultSet(full), tmp_path / "figures")]
    assert not any(reasons)
    found = {p.name: p.read_bytes() for p in (tmp_path / "figures").iterdir()}
    assert set(found) == {
        *(f"{plot.name}.{kind}" for plot in PLOTS for kind in ("pdf", "png")),
        "figure1-trajectory.gif",
    }
    heads = {"pdf": b"%PDF", "png": b"\x89PNG", "gif": b"GIF8"}
    assert all(data.startswith(heads[name[-3:]]) for name, data in found.items())
    # neither dates nor versions, which would change with every run
    assert not any(b"CreationDate" in data or b"Software" in data for data in found.values())


def test_ablations_name_the_size_of_their_networks(full: Path) -> None:
    embedding, objective = (axis.get_title() for axis in ABLATIONS.draw(ResultSet(full)).axes)
    assert "\n" not in embedding and objective.endswith("2 layers of 8, 3,000 steps")


def test_what_is_missing_names_its_command(tmp_path: Path) -> None:
    results = ResultSet(make_set(tmp_path / "set"))
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "figure3-embeddings.png").write_bytes(b"of another day")
    reasons = {plot.name: reason for plot, reason in write_figures(results, folder)}
    assert f"eval.trajectory run={results.folder}" in reasons["figure1-trajectory"]
    assert f"eval.ablation run={results.folder}" in reasons["figure4-ablations"]
    assert f"eval.collect run={results.folder}" in reasons["figure3-embeddings"]
    assert reasons["figure5-schedules"] == reasons["control-fluency"] == ""
    # a figure that is no longer drawn leaves no old file behind
    assert not (folder / "figure3-embeddings.png").exists()


def test_embeddings_without_parts_of_speech_are_not_drawn(full: Path) -> None:
    words = [{"word": f"w{i}", "tag": "", "x": i, "y": -i} for i in range(4)]
    dump(full / "embedding.json", {"points": words})
    missing = {plot.name: reason for plot, _, reason in svg_figures(ResultSet(full))}
    assert "part of speech" in missing["figure3-embeddings"]


def test_without_scores_there_is_no_point(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set", {})
    missing = {plot.name: reason for plot, _, reason in svg_figures(ResultSet(folder))}
    assert missing["control-fluency"].startswith("no cell of")


def test_points_are_the_cells_and_the_sweep(full: Path) -> None:
    found = points(ResultSet(full))
    cells = {p["method"]: p for p in found if "value" not in p}
    assert cells["diffusion_lm"]["ctrl"][0] == 100 and cells["fudge"]["nfe"] == 5
    assert [p["value"] for p in found if "value" in p] == [1.0, 2.0, 1.0, 2.0]


def test_without_a_classifier_there_is_no_noise_to_draw(full: Path) -> None:
    stored = json.loads((full / "curves.json").read_text())
    (axis,) = NOISE.draw(ResultSet(full)).axes
    assert axis.lines[0].get_xydata().tolist() == [[-1, 0.9], [99, 0.9]]  # type: ignore[union-attr]
    stored["artefacts"]["classifier-1"]["noise"] = []
    dump(full / "curves.json", stored)
    with pytest.raises(Missing):
        NOISE.draw(ResultSet(full))


def test_trajectory_ends_with_the_text() -> None:
    frames = [{"words": ["START", "a", "END", "PAD", "PAD"]}]
    assert positions({"frames": frames}) == 3


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    assert "run (str) = results/demo" in capsys.readouterr().out
    with pytest.raises(UserError, match="there is no result set"):
        main([f"run={tmp_path / 'none'}"])


@pytest.mark.parametrize(
    "committed", sorted((ROOT / "results").glob("*/figures")), ids=lambda path: path.parent.name
)
def test_committed_figures_are_what_the_command_gives(committed: Path, tmp_path: Path) -> None:
    list(write_figures(ResultSet(committed.parent), tmp_path))
    made = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert made == {p.name: p.read_bytes() for p in committed.iterdir()}


# collecting


def test_collect(tmp_path: Path) -> None:
    folder, store = make_set(tmp_path / "set"), tmp_path / "store"
    path = folder / "length" / "fudge" / "config.json"
    config = json.loads(path.read_text())
    spec = Spec("discriminator", {}, 1)
    config["identity"]["artefacts"] = {"discriminator": spec.key, "lm": "lm-0"}
    dump(path, config)
    artefact = store / spec.key
    artefact.mkdir(parents=True)
    (artefact / "curve.jsonl").write_text(
        '{"step": 1, "seconds": 9.5, "valid_loss": 0.123456789}\n'
    )
    seal(artefact, spec)
    results = ResultSet(folder)
    assert artefacts(results)[spec.key] == {"length"}
    (written,) = collect(results, Store(store))
    stored = json.loads(written.read_text())
    assert stored["artefacts"][spec.key] == {
        "kind": "discriminator",
        "tasks": ["length"],
        "curve": [{"step": 1, "valid_loss": 0.123457}],
        "noise": [],
    }
    assert stored["missing"] == ["lm-0", "teacher-0"]
    with pytest.raises(UserError, match="no artefact of"):
        collect(results, Store(tmp_path / "other"))


def test_words_get_their_commonest_tag() -> None:
    tags = word_tags(ResultSet(DEMO))
    assert (tags["serves"], tags["The"], tags["Kite"]) == ("VERB", "DET", "PROPN")


# t-SNE


def test_affinities_have_the_asked_perplexity() -> None:
    points = np.random.default_rng(0).normal(size=(60, 5))
    rows = affinities(points, 12.0)
    assert np.allclose(rows.sum(1), 1) and (np.diag(rows) == 0).all()
    entropy = -(rows * np.log(np.maximum(rows, 1e-300))).sum(1)
    assert np.allclose(np.exp(entropy), 12.0, rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_tsne_keeps_clusters_apart(seed: int) -> None:
    """By medians and nearest neighbours: where single points end up hangs on how the machine's
    linear algebra rounds, and one of sixty may stray."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 10)) * 20
    labels = np.repeat(np.arange(3), 20)
    places = tsne(centres[labels] + rng.normal(size=(60, 10)), 10.0, 400)
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    same = labels[:, None] == labels[None]
    assert np.median(distance[same]) < 0.5 * np.median(distance[~same])
    np.fill_diagonal(distance, np.inf)
    assert (labels[distance.argmin(1)] == labels).mean() > 0.95


def test_tsne_has_nothing_random_in_it() -> None:
    points = np.random.default_rng(1).normal(size=(20, 4))
    assert (tsne(points, iterations=50) == tsne(points, iterations=50)).all()
    assert tsne(points[:2]).tolist() == [[0, 0], [0, 0]]


def test_what_was_tried_is_drawn_against_its_evaluations(full: Path) -> None:
    ((cell, tried),) = curves(full).items()
    assert cell == ("length", "fudge")
    assert [one["point"]["fudge.lam"] for one in tried] == ["1", "2", "3", "4"], "of the last run"
    assert [one["point"]["fudge.lam"] for one in frontier(tried)] == ["1", "3"]
    control, _, diversity = TUNED.draw(ResultSet(full)).axes
    (line,) = [one for one in control.lines if len(one.get_xdata()) > 1]
    assert list(line.get_ydata()) == [40.0, 80.0] and control.get_title(loc="left").endswith("lam")
    assert [one.get_xdata()[0] for one in diversity.lines] == [50, 80, 90, 50]
