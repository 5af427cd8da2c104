"""What the trainings behind a cell took, as it is stored with its samples: those of the networks
that its method loads, and of the ones that these start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from eval.running.schema import Network, TrainingFile
from tasks.common.recipe import Recipe
from tasks.common.schema import Real, read_json, read_lines

CURVE, TRAINING = "curve.jsonl", "training.json"
Find = Callable[[str], Path | None]


def networks(recipes: Mapping[str, Recipe], find: Find) -> dict[str, Network]:
    """Key -> facts of every trained network among ``recipes`` and of those that it is trained on,
    one after another. ``find``: the folder of an artefact, None where it is not at hand. Corpora
    end the search: who annotated them is a judge."""
    found: dict[str, Network] = {}
    for role, recipe in recipes.items():
        for made, folder in _trained(recipe, find):
            found.setdefault(made.key, _facts(role if made is recipe else "", made, folder))
    return found


def _trained(recipe: Recipe, find: Find) -> Iterator[tuple[Recipe, Path]]:
    folder = find(recipe.key)
    if folder is not None and (folder / CURVE).exists():
        yield recipe, folder
        for dep in recipe.deps.values():
            yield from _trained(dep, find)


def _facts(role: str, made: Recipe, folder: Path) -> Network:
    """As the training stored them; of one of an earlier version, what its settings and its curve
    say."""
    if (folder / TRAINING).exists():
        facts: dict[str, Any] = read_json(folder / TRAINING, TrainingFile)
    else:
        facts, train = {}, made.pace.get("train", {})
        points = list(read_lines(folder / CURVE, dict[str, Real]))
        if "batch" in train:
            facts |= {"steps": train["steps"], "examples": train["steps"] * train["batch"]}
        if points and "seconds" in points[-1]:
            facts["seconds"] = points[-1]["seconds"]
    # a network of one task only is trained for it; others serve all
    task = made.spec.config.get("task")
    told = {"role": role.partition(":")[0] or made.spec.kind} | ({"task": task} if task else {})
    return cast(Network, told | facts)
