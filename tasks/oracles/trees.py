"""Bracketed trees as strings: labelled spans, leaves, and the labelled-bracketing F1.

Escapes follow the Penn Treebank (``(`` is ``-LRB-``, ``)`` is ``-RRB-``); a newline token, which
the E2E texts end in, is written ``-NL-``, because a bracketed tree cannot hold white space. A word
that would read as another one, such as ``-LRB-`` itself, is in codes: ``-U002D-LRB-U002D-``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tasks.common.errors import UserError

#: wrappers around a whole tree that are no constituents
WRAPPERS = frozenset({"TOP", "S1", "ROOT", "VROOT", ""})
#: phrase labels of the treebank
PHRASES = (
    "ADJP", "ADVP", "CONJP", "FRAG", "INTJ", "LST", "NAC", "NML", "NP", "NX", "PP", "PRN", "PRT",
    "QP", "RRC", "S", "SBAR", "SBARQ", "SINV", "SQ", "TOP", "UCP", "VP", "WHADJP", "WHADVP",
    "WHNP", "WHPP", "X",
)  # fmt: skip
#: pre-terminals that EVALB's ``COLLINS.prm`` deletes
PUNCTUATION = frozenset({",", ":", "``", "''", ".", "-NONE-"})
NEWLINE = "-NL-"
_ESCAPES = {"(": "-LRB-", ")": "-RRB-", "\n": NEWLINE, "\t": "-TAB-", " ": "-SP-"}
_UNESCAPES = {code: char for char, code in _ESCAPES.items()}
_SPECIAL = re.compile(r"[()\s]")
_CODED = re.compile(r"[-()\s]")
_CODE = re.compile("|".join(re.escape(code) for code in _UNESCAPES) + r"|-U([0-9A-F]{4,6})-")
_TOKEN = re.compile(r"[()]|[^()\s]+")


def escape(word: str) -> str:
    """The word as a leaf: brackets and white space written out; an empty word is ``-SP-``."""
    leaf = _SPECIAL.sub(lambda m: _ESCAPES.get(m.group(), "-SP-"), word) or "-SP-"
    if word and "-" in leaf and unescape(leaf) != word:
        return _CODED.sub(lambda m: f"-U{ord(m.group()):04X}-", word)
    return leaf


def unescape(leaf: str) -> str:
    """The word of a leaf."""
    return _CODE.sub(_character, leaf)


def _character(code: re.Match[str]) -> str:
    if not code[1]:
        return _UNESCAPES[code.group()]
    number = int(code[1], 16)
    return chr(number) if number < 0xD800 or 0xDFFF < number < 0x110000 else code.group()


@dataclass(frozen=True)
class Nodes:
    """A tree taken apart. ``leaves``: (escaped word, pre-terminal) pairs. ``phrases``: (start,
    exclusive end, label) of every phrase in post-order, wrappers left out."""

    leaves: list[tuple[str, str]]
    phrases: list[tuple[int, int, str]]


def nodes(tree: str) -> Nodes:
    """Reads a bracketed tree. Raises ``UserError`` naming a malformed one.

    A leaf without a pre-terminal of its own gets the pre-terminal ``""``.
    """
    leaves: list[tuple[str, str]] = []
    phrases: list[tuple[int, int, str]] = []
    # label and first leaf of every open bracket
    stack: list[tuple[str, int]] = []
    tokens = _TOKEN.findall(tree)
    i, n, closed = 0, len(tokens), False
    while i < n:
        token = tokens[i]
        if closed:
            raise _malformed(tree, "text after the last bracket")
        if token == "(":
            label = ""
            if i + 1 < n and tokens[i + 1] not in "()":
                i += 1
                label = tokens[i]
            # "(TAG word)": the common case, without a push
            if i + 2 < n and tokens[i + 2] == ")" and tokens[i + 1] not in "()":
                leaves.append((tokens[i + 1], label))
                i += 2
                closed = not stack
            else:
                stack.append((label, len(leaves)))
        elif token == ")":
            if not stack:
                raise _malformed(tree, "a closing bracket too many")
            label, start = stack.pop()
            closed = not stack
            if label not in WRAPPERS and len(leaves) > start:
                phrases.append((start, len(leaves), label))
        elif stack:
            leaves.append((token, ""))
        else:
            raise _malformed(tree, "no opening bracket")
        i += 1
    if stack or not closed:
        raise _malformed(tree, "a closing bracket is missing" if stack else "it is empty")
    return Nodes(leaves, phrases)


def _malformed(tree: str, why: str) -> UserError:
    shown = tree if len(tree) <= 80 else tree[:77] + "..."
    return UserError(f"malformed tree {shown!r}: {why}")


def spans(tree: str) -> frozenset[tuple[int, int, str]]:
    """Labelled constituents (start, end, label), 0-based, ends inclusive, over words.

    Unary chains are one constituent whose labels are joined with ``::`` from the top
    (``S::VP``), as in benepar's label vocabulary; the wrapper TOP and pre-terminals are left out.
    The empty tree has none. Raises ``UserError`` for a malformed tree.
    """
    joined: dict[tuple[int, int], str] = {}
    for start, end, label in nodes(tree).phrases:
        place = (start, end - 1)
        # post-order: an enclosing phrase of the same extent comes later
        joined[place] = f"{label}::{joined[place]}" if place in joined else label
    return frozenset((start, end, label) for (start, end), label in joined.items())


def leaves(tree: str) -> tuple[str, ...]:
    """The words of the tree, unescaped."""
    return tuple(unescape(word) for word, _ in nodes(tree).leaves)


def preterminals(tree: str) -> tuple[str, ...]:
    """The pre-terminal labels of the tree, one a word."""
    return tuple(tag for _, tag in nodes(tree).leaves)


@dataclass(frozen=True)
class Bracketing:
    """Micro-averaged labelled precision, recall and F1, each in [0, 1]."""

    precision: float
    recall: float
    f1: float


def bracketing(
    gold: Sequence[str], predicted: Sequence[str], ignore_punctuation: bool = False
) -> Bracketing:
    """EVALB's labelled bracketing over a list of trees with equal numbers of words.

    Pre-terminals and the wrappers TOP/S1 do not count, every node of a unary chain does, and PRT
    equals ADVP. With ``ignore_punctuation`` the words that the *gold* tree tags as punctuation
    are taken out of both trees first (``COLLINS.prm``, the standard file for treebank scores);
    without, as in the evaluation of generated texts, all words count (reference notes 2.8).
    Raises ``UserError`` if two trees differ in their number of words.
    """
    matched = in_gold = in_predicted = 0
    for pair in zip(gold, predicted, strict=True):
        counts = brackets(*pair, ignore_punctuation)
        matched, in_gold, in_predicted = (
            matched + counts[0], in_gold + counts[1], in_predicted + counts[2]
        )  # fmt: skip
    precision = matched / in_predicted if in_predicted else float(not in_gold)
    recall = matched / in_gold if in_gold else float(not in_predicted)
    total = precision + recall
    return Bracketing(precision, recall, 2 * precision * recall / total if total else 0.0)


def brackets(gold: str, predicted: str, ignore_punctuation: bool = False) -> tuple[int, int, int]:
    """Labelled brackets that match, those of ``gold`` and those of ``predicted``, counted as
    :func:`bracketing` says. Raises ``UserError`` if the trees differ in their number of words."""
    a, b = nodes(gold), nodes(predicted)
    if len(a.leaves) != len(b.leaves):
        raise UserError(
            f"trees over {len(a.leaves)} and {len(b.leaves)} words cannot be compared: "
            f"{gold[:60]!r}"
        )
    drop = {i for i, (_, tag) in enumerate(a.leaves) if tag in PUNCTUATION}
    dropped = drop if ignore_punctuation else frozenset()
    left = Counter(_brackets(a.phrases, len(a.leaves), dropped))
    right = Counter(_brackets(b.phrases, len(b.leaves), dropped))
    return (left & right).total(), left.total(), right.total()


def _brackets(
    phrases: Iterable[tuple[int, int, str]], words: int, dropped: AbstractSet[int]
) -> Iterable[tuple[int, int, str]]:
    kept_before = [0]
    for i in range(words):
        kept_before.append(kept_before[-1] + (i not in dropped))
    for start, end, label in phrases:
        a, b = kept_before[start], kept_before[end]
        if a < b:
            yield a, b, "ADVP" if label == "PRT" else label


_LEAF = re.compile(r"\([^()\s]*\s+[^()\s]+\)")
_WRAPPED = re.compile(rf"\((?:{'|'.join(sorted(WRAPPERS - {''}))})?\s*(\(.*\))\s*\)", re.DOTALL)


def skeleton(tree: str) -> str:
    """The tree without its words: leaves ``*``, pre-terminals ``NN``, no wrapper around a single
    root, one space between brackets. Raises ``UserError`` for a malformed tree.

    >>> skeleton("(TOP (S (NP (PRP It)) (VP (VBZ works))))")
    '(S (NP (NN *)) (VP (NN *)))'
    """
    nodes(tree)
    bare = " ".join(_LEAF.sub("(NN *)", tree).replace(")", " ) ").replace("(", " (").split())
    bare = bare.replace(" )", ")")
    inner = _WRAPPED.fullmatch(bare)
    return inner[1] if inner and _single(inner[1]) else bare


def _single(brackets: str) -> bool:
    """Whether the first bracket closes at the end."""
    depth = 0
    for i, char in enumerate(brackets):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return i == len(brackets) - 1
    return False
