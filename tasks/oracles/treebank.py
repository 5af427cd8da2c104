"""The Penn Treebank sample that NLTK distributes, as clean bracketed trees."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.errors import UserError

if TYPE_CHECKING:
    from nltk import Tree

HELD_OUT = 300


@dataclass(frozen=True)
class Treebank:
    """Bracketed trees without traces, function tags and wrapper: 3,614 and 300 sentences."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


def load_treebank(data: Path, seed: int = 0) -> Treebank:
    """Reads ``data/nltk_data/corpora/treebank.zip`` (``nltk.download('treebank')``).

    ``data``: the data folder, or the ``nltk_data`` folder itself. The 300 held-out sentences are a
    seeded draw over all files; the zip file is read directly, so that NLTK's search path does not
    matter. Raises ``UserError`` naming the file if it is missing or damaged.
    """
    path = _find(data, "corpora/treebank.zip")
    from nltk import Tree

    trees: list[str] = []
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(n for n in archive.namelist() if n.endswith(".mrg"))
            for name in names:
                text = io.TextIOWrapper(archive.open(name), "utf-8").read()
                for wrapped in Tree.fromstring(f"(FILE {text})"):
                    tree = clean(wrapped)
                    if tree is not None:
                        trees.append(" ".join(str(tree).split()))
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise UserError(f"cannot read the treebank {path}: {error}") from None
    if len(trees) <= HELD_OUT:
        raise UserError(f"the treebank {path} holds only {len(trees)} sentences")
    order = np.random.default_rng(seed).permutation(len(trees))
    held = sorted(int(i) for i in order[:HELD_OUT])
    rest = sorted(int(i) for i in order[HELD_OUT:])
    return Treebank(tuple(trees[i] for i in rest), tuple(trees[i] for i in held))


def _find(data: Path, inner: str) -> Path:
    for path in (data / "nltk_data" / inner, data / inner):
        if path.exists():
            return path
    raise UserError(f"missing file {data / 'nltk_data' / inner}: set data=DIR to its folder")


def clean(tree: Tree) -> Tree | None:
    """The tree without ``-NONE-`` leaves, nodes emptied by that, function tags, indices and
    wrapper (``NP-SBJ-1`` becomes ``NP``, ``ADVP|PRT`` becomes ``ADVP``); None if nothing is left.
    """
    from nltk import Tree

    if len(tree) == 1 and isinstance(tree[0], str):
        return None if tree.label() == "-NONE-" else tree
    children = [c for c in (clean(child) for child in tree) if c is not None]
    if not children:
        return None
    label = tree.label()
    if not label and len(children) == 1:
        return children[0]
    if not label.startswith("-"):
        label = label.split("-")[0].split("=")[0].split("|")[0]
    # a chain such as (NP (NP ...)) that is left when a trace is gone says nothing
    if len(children) == 1 and children[0].label() == label and not isinstance(children[0][0], str):
        return children[0]
    return Tree(label or "S", children)
