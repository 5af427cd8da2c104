"""The Penn Treebank sample that NLTK distributes, as clean trees of the newer guidelines."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.common.errors import UserError
from tasks.oracles.guidelines import drop_hyphens, lexicon, modernise

if TYPE_CHECKING:
    from nltk import Tree

HELD_OUT = 300
#: share of the hyphens that the training trees lose: newspapers write "family-friendly" where other
#: texts write "family friendly". Set beforehand, not tuned.
DROPPED = 0.25


@dataclass(frozen=True)
class Treebank:
    """Bracketed trees without traces, function tags and wrapper: 3,614 and 300 sentences."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]
    originals: tuple[str, ...]
    """The held-out trees under the guidelines of the first release, cleaned alone."""


def load_treebank(data: Path, seed: int = 0, newer: bool = True) -> Treebank:
    """Reads ``data/nltk_data/corpora/treebank.zip`` (``nltk.download('treebank')``).

    ``data``: the data folder, or the ``nltk_data`` folder itself. The 300 held-out sentences are a
    seeded draw over all files; the zip file is read directly, so that NLTK's search path does not
    matter. Trees are rewritten to the newer guidelines (``guidelines.modernise``, which takes the
    tags of the parts of split words from the training sentences), and a share of the training
    trees' hyphens is dropped; without ``newer``, neither. Raises ``UserError`` naming the file if
    it is missing or damaged.
    """
    trees = _read(_find(data, "corpora/treebank.zip"))
    rng = np.random.default_rng(seed)
    order = [int(i) for i in rng.permutation(len(trees))]
    held = [trees[i] for i in sorted(order[:HELD_OUT])]
    train = [trees[i] for i in sorted(order[HELD_OUT:])]
    originals = _flat(held)
    if newer:
        words = lexicon(train)
        held = [modernise(tree, words) for tree in held]
        train = [drop_hyphens(modernise(tree, words), rng, DROPPED) for tree in train]
    return Treebank(_flat(train), _flat(held), originals)


def domain_sentences(trees: Iterable[str], seed: int = 0) -> tuple[str, ...]:
    """Sentences for the training of a parser from trees of texts, such as the embedded grammar's.

    A text of several sentences, each beside its full stop under one root, is cut into them; the
    same share of hyphens is dropped as from the treebank's training sentences.
    """
    from nltk import Tree

    rng = np.random.default_rng(seed)
    parts = [part for tree in trees for part in _cut(Tree.fromstring(tree))]
    return _flat(drop_hyphens(part, rng, DROPPED) for part in parts)


def _cut(tree: Tree) -> list[Tree]:
    from nltk import Tree

    labels = [child.label() for child in tree]
    if labels.count(".") < 2:
        return [tree]
    ends = [i for i, label in enumerate(labels) if label == "."]
    starts = [0, *(i + 1 for i in ends[:-1])]
    sentences = []
    for start, end in zip(starts, ends, strict=True):
        clauses = list(tree[start:end])
        one = clauses[0] if len(clauses) == 1 else Tree(tree.label(), clauses)
        sentences.append(Tree(one.label(), [*one, tree[end]]))
    return sentences


def _flat(trees: Iterable[Tree]) -> tuple[str, ...]:
    return tuple(" ".join(str(tree).split()) for tree in trees)


def _read(path: Path) -> list[Tree]:
    from nltk import Tree

    place, wrapped = "", list[Tree]()
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(n for n in archive.namelist() if n.endswith(".mrg")):
                place = f", {name}"
                text = archive.read(name).decode("utf-8-sig")
                for number, tree in enumerate(Tree.fromstring(f"(FILE {text})"), start=1):
                    place = f", {name}, sentence {number}"
                    wrapped.append(_well_formed(tree))
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        # of deep nesting, encryption and unknown compression too
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"cannot read the treebank {path}{place}: {reason}") from None
    trees = [tree for tree in map(clean, wrapped) if tree is not None]
    if len(trees) <= HELD_OUT:
        raise UserError(f"the treebank {path} holds only {len(trees)} sentences")
    return trees


def _well_formed(tree: Tree | str) -> Tree:
    """The tree itself. Raises ``ValueError`` unless each node holds one word or nodes alone."""
    from nltk import Tree

    waiting: list[Tree | str] = [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Tree):
            raise ValueError(f"the word {node!r} stands beside a bracket")
        if not (len(node) == 1 and isinstance(node[0], str)):
            waiting.extend(node)
    return tree


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
