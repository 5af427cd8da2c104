"""Penn Treebank trees of the 1990s rewritten to the guidelines that later English treebanks follow.

OntoNotes, the English Web Treebank and the revised Penn Treebank, on which ``benepar_en3`` was
trained, and the tokenizers of today differ from the first release of the treebank in ways that a
rule can follow (Warner et al. 2004, "Addendum to the Penn Treebank II Style Bracketing
Guidelines"; Bies et al. 2012, "English Web Treebank"):

- Words are split at hyphens: ``four-year`` becomes ``four - year``, the hyphen tagged HYPH and a
  bound prefix AFX. A compound modifier is a phrase of its own, ADJP if an adjective or participle
  heads it (``user - friendly``), NML if a noun does (``four - year``), QP if it is a number. The
  head of a phrase, or a phrase's only word, is split in place.
- A name before a compound's first part belongs to it: ``New York-based`` becomes
  ``(ADJP (NML New York) - based)``.
- NML marks what is a unit before the head of a noun phrase: names of several words, coordinated
  modifiers (ADJP for adjectives). NAC becomes NML.
- Tokens are those of raw text: ``"``, ``/`` and ``£`` (in the first release ``#``).

Left as it was is what needs a human eye: which of several common nouns belong together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from nltk import Tree

#: how often a word has a tag
Lexicon = Mapping[str, Counter[str]]

#: where words are split: before a letter, or between the numbers of a range
HYPHEN = re.compile(r"(?<=[^\W_]|\.)-(?=[^\W\d_])|(?<=\d)-(?=\d)")
_PREFIXES = frozenset(
    [
        "anti", "bi", "bio", "co", "counter", "cross", "de", "e", "eco", "ex", "extra", "inter",
        "intra", "macro", "mega", "micro", "mid", "mini", "multi", "neo", "non", "over", "pan",
        "para", "post", "pre", "pro", "pseudo", "quasi", "re", "semi", "sub", "super", "tri",
        "ultra", "un", "under", "uni", "vice",
    ]
)  # fmt: skip
_RAW = {"``": '"', "''": '"', "`": "'", "-LCB-": "{", "-RCB-": "}"}
_NOUNS = frozenset({"NN", "NNS", "NNP", "NNPS"})
_NAMES = frozenset({"NNP", "NNPS"})
_ADJECTIVES = frozenset({"JJ", "JJR", "JJS", "VBN", "VBG"})
#: tags of a compound's last part by the tag of the whole
_LAST = {
    "JJ": frozenset({"NN", "NNS", "RB", "IN", "RP", "CD", "DT"}) | _ADJECTIVES,
    "NN": frozenset({"NN", "VBG", "RB", "RP", "IN"}),
    "NNS": frozenset({"NNS", "RB", "RP", "IN"}),
}
#: tags of the parts before it, where its own words do not say more
_EARLIER = _ADJECTIVES | _NOUNS | {"RB", "RBR", "RBS", "IN", "TO", "CC", "DT", "CD", "PRP", "VB"}
_MODIFIED = frozenset({"NP", "NX", "NML", "NAC", "UCP", "ADJP"})
_ADJECTIVE = re.compile(r"(able|ible|al|ic|ous|ive|ful|less|ary|ish|like|wide|free|prone)$")


def lexicon(trees: Iterable[Tree]) -> Lexicon:
    """The tags of the words of ``trees``."""
    counts: dict[str, Counter[str]] = {}
    for tree in trees:
        for word, tag in tree.pos():
            counts.setdefault(word, Counter())[tag] += 1
    return counts


def modernise(tree: Tree, words: Lexicon) -> Tree:
    """``tree``, without traces and function tags, under the newer guidelines (module docstring).

    ``words`` gives the parts of split words their tags. Yields a new tree over the same text.
    """
    from nltk import Tree

    if _is_leaf(tree):
        return Tree(tree.label(), [_raw(tree[0], tree.label())])
    label = "NML" if tree.label() == "NAC" else tree.label()
    children: list[Tree] = []
    for i, child in enumerate(tree):
        if not _is_leaf(child):
            children.append(modernise(child, words))
            continue
        parts = HYPHEN.split(child[0])
        if len(parts) == 1:
            children.append(Tree(child.label(), [_raw(child[0], child.label())]))
            continue
        split = _split(parts, child.label(), words)
        head = i == len(tree) - 1 and child.label() in _NOUNS
        alone = len(tree) == 1 and child.label() != "CD"
        if alone or head or label not in _MODIFIED:
            children.extend(split)
            continue
        names = _names_before(children) if split[0].label() in _NAMES else 0
        if names and child.label().startswith("JJ"):
            split[:1] = [Tree("NML", [*children[-names:], split[0]])]
            del children[-names:]
            if label == "ADJP" and not children and i == len(tree) - 1:
                children = split
                continue
        children.append(Tree(_compound(split, child.label()), split))
    if label in {"NP", "NX", "NML"}:
        children = _names(_coordinated(children))
    return Tree(label, children)


def drop_hyphens(tree: Tree, rng: np.random.Generator, rate: float) -> Tree:
    """``tree`` without a share of its hyphens, as informal writers leave them out of compounds;
    the phrases stay. Hyphens between numbers, which mean "to", are kept."""
    from nltk import Tree

    if _is_leaf(tree):
        return tree
    labels = [child.label() for child in tree]
    kept = [
        drop_hyphens(child, rng, rate)
        for i, child in enumerate(tree)
        if labels[i] != "HYPH" or labels[i - 1 : i + 2 : 2] == ["CD", "CD"] or rng.random() >= rate
    ]
    return Tree(tree.label(), kept)


def pieces(words: Sequence[str]) -> list[int]:
    """For every token of the split ``words``, in order, the index of the word it comes from."""
    return [i for i, word in enumerate(words) for _ in range(2 * len(HYPHEN.split(word)) - 1)]


def traditional(tree: Tree, origin: Sequence[int], words: Sequence[str]) -> Tree:
    """A newer tree brought back to the ``words`` of the first release, for a comparison.

    ``origin`` is :func:`pieces` of ``words``. A split word becomes one leaf again, tagged like its
    last part; NML, and phrases made of one split modifier, go.
    """
    from nltk import Tree

    place = iter(range(len(origin)))

    def build(node: Tree, parent: str) -> list[Tree]:
        if _is_leaf(node):
            at = next(place)
            whole = at + 1 == len(origin) or origin[at + 1] != origin[at]
            return [Tree(node.label(), [words[origin[at]]])] if whole else []
        children = [one for child in node for one in build(child, node.label())]
        single = len(children) == 1 < len(node) and node.label() in {"ADJP", "QP"}
        modifier = single and parent in _MODIFIED
        if not children or node.label() == "NML" or modifier:
            return children
        return [Tree(node.label(), children)]

    built = build(tree, "")
    return built[0] if len(built) == 1 else Tree("S", built)


def _is_leaf(tree: Tree) -> bool:
    return len(tree) == 1 and isinstance(tree[0], str)


def _raw(word: str, tag: str) -> str:
    if word == "#" == tag:
        return "£"
    return _RAW.get(word, word.replace("\\/", "/").replace("\\*", "*"))


def _split(parts: Sequence[str], tag: str, words: Lexicon) -> list[Tree]:
    from nltk import Tree

    tags = [_earlier(part, tag, words) for part in parts[:-1]]
    tags.append(_last(parts[-1], tag, words))
    leaves = [Tree(inner, [_raw(part, inner)]) for inner, part in zip(tags, parts, strict=True)]
    spread = [leaf for one in leaves for leaf in (Tree("HYPH", ["-"]), one)]
    return spread[1:]


def _commonest(word: str, allowed: frozenset[str], words: Lexicon) -> str | None:
    """The commonest of the allowed tags of a word or, failing that, of its lower case."""
    for form in dict.fromkeys((word, word.lower())):
        tags = [(n, tag) for tag, n in words.get(form, {}).items() if tag in allowed]
        if tags:
            return max(tags)[1]
    return None


def _earlier(part: str, tag: str, words: Lexicon) -> str:
    if tag in _NAMES:
        return "NNP"
    if part[0].isdigit():
        return "CD"
    if part.lower() in _PREFIXES:
        return "AFX"
    known = _commonest(part, _EARLIER, words)
    if known:
        return known
    return "NNP" if part[0].isupper() else "RB" if part.endswith("ly") else "NN"


def _last(part: str, tag: str, words: Lexicon) -> str:
    if tag not in _LAST:
        return tag
    if part[0].isdigit():
        return "CD"
    known = _commonest(part, _LAST[tag], words)
    if known:
        return known
    if tag != "JJ":
        return tag
    if part.endswith(("ed", "ing")):
        return "VBN" if part.endswith("ed") else "VBG"
    return "JJ" if _ADJECTIVE.search(part) else "NNS" if part.endswith("s") else "NN"


def _compound(split: Sequence[Tree], tag: str) -> str:
    """The label of a compound modifier whose whole was tagged ``tag``."""
    last = split[-1].label()
    if tag == "CD" and last == "CD":
        return "QP"
    if last in _NOUNS or last == "CD":
        # a prefix makes a noun an adjective: "non-profit"
        return "ADJP" if split[0].label() == "AFX" and tag.startswith("JJ") else "NML"
    return "ADJP" if tag.startswith("JJ") else "NML"


def _names_before(children: Sequence[Tree]) -> int:
    """How many capitalised words end the list: the rest of a name that a compound cut off."""
    n = 0
    while n < len(children):
        child = children[-1 - n]
        named = child.label() in _NAMES or child.label() == "JJ"
        if not (_is_leaf(child) and named and child[0][:1].isupper()):
            break
        n += 1
    return n


def _names(children: list[Tree]) -> list[Tree]:
    """NML over names of two and more words right before a common noun, the phrase's last word."""
    from nltk import Tree

    end = len(children)
    while end and children[end - 1].label() in {"NN", "NNS"}:
        end -= 1
    start = end
    while start and _is_leaf(children[start - 1]) and children[start - 1].label() in _NAMES:
        start -= 1
    if end == len(children) or end - start < 2:
        return children
    return [*children[:start], Tree("NML", children[start:end]), *children[end:]]


def _coordinated(children: list[Tree]) -> list[Tree]:
    """A node over single modifiers of one kind that a conjunction joins before the head noun."""
    from nltk import Tree

    tags = [child.label() if _is_leaf(child) else "" for child in children]
    for at, tag in enumerate(tags):
        if tag != "CC" or not 0 < at < len(tags) - 2 or tags.count("CC") > 1:
            continue
        kind = next((k for k in (_ADJECTIVES, _NAMES, _NOUNS - _NAMES) if tags[at + 1] in k), None)
        # "chairmen and company officers": nouns of unequal number are seldom joined
        if kind is None or tags[at - 1] != tags[at + 1]:
            continue
        # further conjuncts, with commas between
        start = at - 1
        while start >= 2 and tags[start - 1] == "," and tags[start - 2] in kind:
            start -= 2
        # a noun before or other nouns after might belong to a conjunct
        alone = start == 0 or tags[start - 1] not in kind
        if not alone or at + 3 != len(tags) or tags[-1] not in _NOUNS - (kind & _NAMES):
            continue
        node = Tree("ADJP" if kind is _ADJECTIVES else "NML", children[start : at + 2])
        return [*children[:start], node, *children[at + 2 :]]
    return children
