"""What families of discrete diffusion say of held-out texts, beside the other models of Table 7."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from stored import TEXTS as TEXTS_OF
from stored import make_set
from word_nets import CPU, WORDS, fresh

from baselines import METHODS
from eval.reading.results import ResultSet
from eval.running.roles import roles
from eval.running.store import Store, seal
from eval.studies.bounds import beside
from eval.studies.families import bounds, families, stored
from models.diffusion.words.likelihood import bound_terms, load_objective
from tasks.common.errors import UserError
from tasks.common.recipe import Spec

TEXTS = [("a", "b", "."), ("c", "."), ("a", "a", "c", "b", ".", "a", "b")]
MASKED = roles()["masked"]


def test_the_terms_of_a_bound(tmp_path: Path) -> None:
    """The number of words costs what its share of the training texts says; the words, the mean of
    the objective over states of noise, which more of them change little."""
    folder = fresh(tmp_path, METHODS.load("mdlm"))
    terms, fitting = bound_terms(MASKED, folder, [*TEXTS, ("a",) * 20], 64, 0, CPU)
    assert fitting == TEXTS
    # five lengths once each, and one more of each of 14
    expected = [math.log((5 + 14) / 2), math.log((5 + 14) / 2), math.log(5 + 14)]
    torch.testing.assert_close(terms["length"], torch.tensor(expected).double())
    more = bound_terms(MASKED, folder, TEXTS, 2048, 1, CPU)[0]["words"]
    torch.testing.assert_close(terms["words"], more, rtol=0.1, atol=0.1)
    objective, lengths = load_objective(MASKED, folder, TEXTS, CPU)
    assert lengths == {n: 1 for n in range(2, 7)}
    ids, _ = objective.train.batch(torch.tensor([1]))
    free = objective.free(ids, None, None)
    drawn = objective.nats(ids.expand(4096, -1), free.expand(4096, -1), None).mean()
    assert float(drawn) == pytest.approx(float(more[1]), rel=0.05)


def test_families_of_a_set(tmp_path: Path) -> None:
    key = "masked-0123456789abcdef"
    place = make_set(tmp_path / "set", {"mdlm": TEXTS_OF["fudge"]})
    place = place / "length" / "mdlm" / "config.json"
    record = json.loads(place.read_text())
    record["identity"]["artefacts"] = {"masked": key}
    place.write_text(json.dumps(record))
    results, store = ResultSet(tmp_path / "set"), Store(tmp_path / "store")
    named = families(results)
    assert named == {"masked": (MASKED, key)}
    with pytest.raises(UserError, match=rf"{key} \(masked\) is not in .* only="):
        stored(named.values(), store)
    folder = fresh(tmp_path / "store" / key, METHODS.load("mdlm"))
    seal(folder, Spec("masked", {}, 1))
    found = stored(named.values(), store)
    assert [(role.name, path) for role, path in found] == [("masked", folder)]
    ((role, terms),) = bounds(found, TEXTS, 4, 0, CPU, lambda *_: None)
    assert role is MASKED and set(terms) == {"length", "words"}
    with pytest.raises(UserError, match="1 texts do not fit"):
        bounds(found, [*TEXTS, ("a",) * 20], 4, 0, CPU, lambda *_: None)
    assert len(WORDS) == 8


def test_what_is_not_measured_again_stays() -> None:
    """In its place, unless it was measured on other texts."""
    first = {
        "models": [{"model": name, "nats": 1.0} for name in ("lm", "masked", "simplex")],
        "notes": ["256 texts"], "artefacts": {"lm": "lm-a", "masked": "masked-a"},
    }  # fmt: skip
    again = {
        "models": [{"model": name, "nats": 2.0} for name in ("uniform", "masked")],
        "notes": ["256 texts"], "artefacts": {"masked": "masked-b"}, "corpus": "e2e",
    }  # fmt: skip
    whole, lost = beside(first, again)
    names = [(one["model"], one["nats"]) for one in whole["models"]]
    assert names == [("lm", 1.0), ("masked", 2.0), ("simplex", 1.0), ("uniform", 2.0)]
    assert whole["artefacts"] == {"lm": "lm-a", "masked": "masked-b"} and not lost
    assert beside(None, again) == (again, [])
    whole, lost = beside(first | {"notes": ["8 texts"]}, again)
    assert whole == again and lost == ["lm", "simplex"]
