"""How a text becomes sentences for a parser, and how their trees become the text's tree.

A treebank parser knows single sentences; a text of a corpus may hold several, and a newline token
at its end. Sentences end at a final ``.``, ``!`` or ``?`` (with closing quotes and brackets) and
at newline tokens. The trees of several sentences become the children of one ``S``, as in a parser
that has to put one root over them. Their final punctuation stands beside them, ``(S (S ...) (. .)
(S ...) (. .))``: in the treebank it is always the root's child, and so is what separates
coordinated main clauses (``(S (S ...) (: ;) (S ...) (. .))``). Newline tokens, which are no part
of any sentence, become children of the root, tagged ``_SP``; in a text of one sentence they are
appended to that sentence's root node.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.oracles.trees import NEWLINE

FINAL = frozenset({".", "!", "?"})
CLOSING = frozenset({"''", '"', ")", "-RRB-", "'", "\u201d", "\u2019"})
NEWLINE_LEAF = f"(_SP {NEWLINE})"


@dataclass(frozen=True)
class Segment:
    """One sentence, or one newline token."""

    words: tuple[str, ...]
    newline: bool = False


def segment(words: Sequence[str], max_words: int, split: bool = True) -> list[Segment]:
    """Cuts a text into segments that join to exactly its words.

    Without ``split`` only newline tokens cut. A sentence longer than ``max_words`` is cut into
    pieces of that length.
    """
    parts: list[Segment] = []
    current: list[str] = []

    def flush() -> None:
        for i in range(0, len(current), max_words):
            parts.append(Segment(tuple(current[i : i + max_words])))
        current.clear()

    for i, word in enumerate(words):
        if word == "\n":
            flush()
            parts.append(Segment((word,), newline=True))
            continue
        current.append(word)
        following = words[i + 1] if i + 1 < len(words) else "\n"
        if split and following not in FINAL and following not in CLOSING and _ended(current):
            flush()
    flush()
    return parts


def _ended(words: Sequence[str]) -> bool:
    """Whether the last word but closing quotes and brackets ends a sentence."""
    for word in reversed(words):
        if word not in CLOSING:
            return word in FINAL
    return False


def join(trees: Sequence[str | None]) -> str:
    """One tree from the trees of the segments, in order; None stands for a newline token."""
    sentences = [tree for tree in trees if tree is not None]
    if not trees:
        return "(TOP )"
    if len(sentences) == 1:
        at = trees.index(sentences[0])
        before = " ".join([NEWLINE_LEAF] * at)
        after = " ".join([NEWLINE_LEAF] * (len(trees) - at - 1))
        tree = sentences[0]
        label, rest = tree[1:].split(" ", 1)
        if before:
            rest = f"{before} {rest}"
        if after:
            rest = f"{rest[:-1]} {after})"
        return f"({label} {rest}"
    return f"(S {' '.join(NEWLINE_LEAF if tree is None else _beside(tree) for tree in trees)})"


#: the final punctuation of a tree whose root has other children
_FINAL = re.compile(r"(.*?\))((?: \([^() ]+ (?:[.!?]|''|\"|'|\u201d|\u2019|-RRB-)\))+)\)")


def _beside(tree: str) -> str:
    """A sentence's tree followed by its final punctuation, taken out of the root."""
    match = _FINAL.fullmatch(tree)
    return f"{match[1]}){match[2]}" if match else tree
