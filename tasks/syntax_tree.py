"""Syntax tree: the parse of the text has a given shape and given labels.

Paper section 6.1; success as in the reference notes 2.8: EVALB's labelled bracketing F1 over all
samples of a target together, every pre-terminal renamed NN, so that punctuation counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tasks.base import Annotation, Corpus, Score, Target, Task, Text, Words
from tasks.common import draws
from tasks.common.errors import UserError
from tasks.controls import Control, ParseTree
from tasks.marks import Marks, State, lacking, unmarked
from tasks.oracles.trees import PHRASES, brackets, nodes, skeleton
from tasks.targets import MAX_WORDS, NoReleasedList, take, within
from tasks.typed import Known, known_phrase, malformed

#: what stands for a newline, and for a missing word, when a sample is parsed
FILLER = "."
#: a word of a tree as it is typed
_STAR = re.compile(r"(?<!\S)\*(?=[\s)])")


class SyntaxTree(Task):
    """There is no released list."""

    name = "syntax_tree"
    control = ParseTree
    label, rank, example_table = "Syntax Tree", 2, "table3"
    #: the reference code's length for this task, whose prompts are longer than the others' 128
    #: (reference notes 2.11)
    least_sequence = 256
    needs = frozenset({"tree"})
    metrics: Mapping[str, str] = {
        "tree_f1": "labelled bracketing F1 of the samples of a target together",
        "tree_f1_mean": "mean of each sample's own labelled bracketing F1",
    }
    paper_metric = "tree_f1"

    def targets(self, corpus: Corpus, n: int, source: str, seed: int) -> list[Target]:
        """``"validation"``: the trees of random validation texts of at most 62 words, each text
        drawn once. ``"released"`` raises ``NoReleasedList``: the authors' trees were not released.
        ``"auto"``: see :func:`tasks.targets.take`."""
        return take(n, source, _released, lambda: _drawn(corpus, seed))

    def examples(self, texts: Iterable[Text], seed: int) -> Iterator[tuple[Control, Words]]:
        """Every text of at most 62 words with its tree."""
        for text in texts:
            if 0 < len(text.words) <= MAX_WORDS:
                yield ParseTree(skeleton(_tree(text))), text.words

    def typed(self, text: str, known: Known) -> Control:
        """``(S (NP * *) (VP *))``, a ``*`` for each word; or a tree with words and their tags,
        ``(S (NP (DT The) (NN mill)) ...)``, of which the shape and the labels count."""
        bare = "*" in text.split() or "*)" in text
        full = text if not bare or "(NN *)" in text else _STAR.sub("(NN *)", text)
        read = nodes(full)
        if not read.phrases or not all(tag for _, tag in read.leaves):
            raise malformed(text, 'a tree whose words are *, as control="(S (NP * *) (VP *))"')
        for *_, label in read.phrases:
            known_phrase(label, known.texts)
        within(len(read.leaves), text)
        return ParseTree(skeleton(full))

    def prompt(self, control: Control) -> list[str]:
        """The bracketed tree without pre-terminals: ``["(S", "(NP", "*", ")", ..., ")"]``."""
        bare = _asked(control).replace("(NN *)", "*")
        return bare.replace(")", " )").split()

    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        """``*``, ``)`` and an opening bracket for each label of the treebank or of the texts."""
        labels = {label for text in texts for *_, label in nodes(_tree(text)).phrases}
        return ["*", ")", *(f"({label}" for label in sorted(labels | set(PHRASES)))]

    def view(self, target: Target, words: Words) -> Words:
        """As long as the target's tree: cut, or filled up with full stops; so are newlines."""
        length = target.control.needed_words
        shown = [FILLER if word == "\n" else word for word in words[:length]]
        return (*shown, *[FILLER] * (length - len(shown)))

    def score(self, target: Target, annotation: Annotation) -> dict[str, Score]:
        """Twice the matching brackets over all brackets of both trees. Raises ``UserError`` if the
        annotation has no parse, or one of another length than the target's."""
        if annotation.tree is None:
            raise UserError(f"target {target.id} cannot be scored: the sample has no parse")
        matched, asked, predicted = brackets(_asked(target.control), annotation.tree)
        both = 2.0 * matched, float(asked + predicted)
        return {"tree_f1": both, "tree_f1_mean": both[0] / both[1]}

    def marks(self, control: Control, words: Words, reading: Mapping[str, Any]) -> Marks:
        """Words of asked-for constituents that the parse lacks and that hold no smaller such one;
        none without a parse."""
        wanted, tree = _asked(control), reading.get("tree")
        if tree is None:
            return unmarked(words)
        gold, predicted = Counter(nodes(wanted).phrases), Counter(nodes(tree).phrases)
        failed = list((gold - predicted).elements())
        least = [
            (a, b)
            for a, b, _ in failed
            if not any((c, d) != (a, b) and a <= c and d <= b for c, d, _ in failed)
        ]
        states: tuple[State, ...] = tuple(
            "bad" if any(a <= i < b for a, b in least) else "" for i in range(len(words))
        )
        return Marks(states, lacking(len(nodes(wanted).leaves) - len(words), "word"))


def _asked(control: Control) -> str:
    if not isinstance(control, ParseTree):
        raise TypeError(f"not a parse tree: {control!r}")
    return control.tree


def _tree(text: Text) -> str:
    if text.tree is None:
        shown = " ".join(text.words)[:60]
        raise UserError(f"syntax_tree needs a parse of every text: {shown!r} has none")
    return text.tree


def _released() -> list[Target]:
    raise NoReleasedList(
        "there is no released list for syntax_tree: the trees of the paper's 200 targets were not "
        "released; use source=validation"
    )


def _drawn(corpus: Corpus, seed: int) -> Iterator[Target]:
    for row in draws.rng(seed, 7).permutation(len(corpus.valid)):
        text = corpus.valid[row]
        # a tree without a constituent asks for nothing
        if 0 < len(text.words) <= MAX_WORDS and nodes(_tree(text)).phrases:
            yield Target(f"valid-{row:05d}", ParseTree(skeleton(_tree(text))), text.words)
