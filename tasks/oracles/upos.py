"""Universal part-of-speech tags (UD English) from Penn Treebank tags, words and their context."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: what the newline token of an E2E text is tagged: it is no word
NEWLINE_TAG = "SPACE"

_PLAIN = {
    "CC": "CCONJ", "CD": "NUM", "DT": "DET", "EX": "PRON", "FW": "X", "IN": "ADP", "JJ": "ADJ",
    "JJR": "ADJ", "JJS": "ADJ", "LS": "X", "MD": "AUX", "NN": "NOUN", "NNS": "NOUN",
    "NNP": "PROPN", "NNPS": "PROPN", "PDT": "DET", "POS": "PART", "PRP": "PRON", "PRP$": "PRON",
    "RB": "ADV", "RBR": "ADV", "RBS": "ADV", "RP": "ADP", "SYM": "SYM", "TO": "PART", "UH": "INTJ",
    "VB": "VERB", "VBD": "VERB", "VBG": "VERB", "VBN": "VERB", "VBP": "VERB", "VBZ": "VERB",
    "WDT": "PRON", "WP": "PRON", "WP$": "PRON", "WRB": "ADV", "$": "SYM", "#": "SYM",
    "HYPH": "PUNCT", "NFP": "PUNCT", "ADD": "X", "AFX": "X",
}  # fmt: skip
_MARKS = frozenset((".", ",", ":", "``", "''", "-LRB-", "-RRB-"))
_PUNCTUATION = re.compile(r"^[^\w\s£$€%&+=<>#@*°]+$")
_SYMBOLS = re.compile(r"^[£$€%+=<>#@*°]+$")
_NUMBER = re.compile(r"^[£$€]?\d+([.,:/-]\d+)*%?$")
_BE = frozenset(
    [
        "be",
        "am",
        "is",
        "are",
        "was",
        "were",
        "been",
        "being",
        "'s",
        "'re",
        "'m",
        "\u2019s",
        "\u2019re",
        "\u2019m",
    ]
)
_HAVE = frozenset(["have", "has", "had", "having", "'ve", "'d"])
_DO = frozenset(["do", "does", "did"])
#: words that open a finite clause, whatever the tagger says of prepositions
_CLAUSE = frozenset(
    [
        "if",
        "because",
        "although",
        "though",
        "whereas",
        "unless",
        "whether",
        "while",
        "whilst",
        "that",
    ]
)
#: prepositions that open a clause when a subject and a verb follow
_EITHER = frozenset(
    ["as", "since", "before", "after", "until", "till", "once", "so", "than", "like", "for", "in"]
)
_NOMINAL = frozenset(
    ["NN", "NNS", "NNP", "NNPS", "JJ", "JJR", "JJS", "CD", "VBG", "VBN", "DT", "PRP$", "$", "#"]
)
_FINITE = frozenset(["VBZ", "VBD", "VBP", "MD"])
_SUBJECT = frozenset(["NN", "NNS", "NNP", "NNPS", "DT", "PRP", "PRP$", "JJ", "CD", "EX", "POS"])
#: adjectives in -ly, which the form makes look like adverbs
_LY_ADJECTIVES = frozenset(
    [
        "friendly",
        "lovely",
        "lively",
        "costly",
        "elderly",
        "lonely",
        "silly",
        "ugly",
        "homely",
        "orderly",
        "timely",
        "worldly",
        "cowardly",
        "deadly",
        "heavenly",
        "leisurely",
        "likely",
        "unlikely",
    ]
)
#: adverbs that are adjectives before a noun
_FLAT_ADVERBS = frozenset(
    ["fast", "close", "cheap", "high", "low", "late", "early", "hard", "near", "wide", "fine"]
)
#: nationality adjectives are capitalised, but no names
_DEMONYM = re.compile(r"^[A-Z][a-z]+(ish|ese|ian|ench|reek|rab|wiss|utch)$")
_DEMONSTRATIVE = frozenset(
    [
        "this",
        "that",
        "these",
        "those",
        "all",
        "some",
        "any",
        "both",
        "each",
        "another",
        "many",
        "most",
        "either",
        "neither",
    ]
)


def universal(words: Sequence[str], tags: Sequence[str]) -> tuple[str, ...]:
    """One UPOS tag a word.

    The rules are those of the UD English guidelines: *be* is AUX (copula
    too) but VERB in *there is*, *have* and *do* are
    AUX with a verb to help; prepositions are SCONJ before a clause or a gerund; relative *that*,
    *which*, *who*, demonstratives without a noun and all possessive pronouns are PRON; *to* is
    PART before a verb and ADP otherwise; *not* and the possessive *'s* are PART; currency signs
    are SYM. A newline token is ``SPACE``.
    """
    return tuple(_one(words, tags, i) for i in range(len(words)))


def _one(words: Sequence[str], tags: Sequence[str], i: int) -> str:
    word, tag, lower = words[i], tags[i], words[i].lower()
    following = tags[i + 1] if i + 1 < len(tags) else ""
    if not word.strip():
        return NEWLINE_TAG
    if _NUMBER.match(word):
        return "NUM"
    if _SYMBOLS.match(word):
        return "SYM"
    if lower in {"&", "and", "or", "but", "nor"}:
        return "CCONJ"
    if word in {"-", "\u2013"} and _between_numbers(words, i):
        return "SYM"
    if _PUNCTUATION.match(word) and tag != "POS":
        return "PUNCT"
    if lower in {"not", "n't", "n\u2019t"}:
        return "PART"
    if lower == "to":
        return "PART" if following.startswith("VB") or following == "RB" else "ADP"
    if tag in {"POS", "PRP", "PRP$", "EX"}:
        return _PLAIN[tag]
    if tag.startswith("VB") or lower in {"'s", "\u2019s"}:
        return _verb(words, tags, i)
    if lower == "that" or tag == "WDT":
        return _that(words, tags, i)
    if tag == "IN":
        return _preposition(words, tags, i)
    if tag == "DT" and lower in _DEMONSTRATIVE and not _before_noun(tags, i):
        return "PRON"
    if lower in _LY_ADJECTIVES or (lower in _FLAT_ADVERBS and following in {"NN", "NNS"}):
        return "ADJ"
    if lower == "near" and tag != "VB" and (following in _SUBJECT or following == "$"):
        return "ADP"
    if tag.startswith("NNP") and _DEMONYM.match(word) and following in {"NN", "NNS", "JJ"}:
        return "ADJ"
    if lower == "please":
        return "INTJ"
    return _PLAIN.get(tag, "X" if tag.isalpha() else "PUNCT")


def _verb(words: Sequence[str], tags: Sequence[str], i: int) -> str:
    lower = words[i].lower()
    if lower in _BE:
        subject = [t for t in tags[max(0, i - 2) : i] if t not in {"RB", "MD"}]
        return "VERB" if subject and subject[-1] == "EX" else "AUX"
    if lower in _HAVE or lower in _DO:
        form = {"VBN", "VBD"} if lower in _HAVE else {"VB", "VBP"}
        for j in range(i + 1, min(i + 4, len(tags))):
            if words[j].lower() in {"not", "n't"} or tags[j] in {"RB", "PRP"}:
                continue
            return "AUX" if tags[j] in form else "VERB"
    return "VERB"


def _that(words: Sequence[str], tags: Sequence[str], i: int) -> str:
    """*that* and *which*: determiner before a noun, relative pronoun after one, else
    complementiser or demonstrative."""
    if words[i].lower() != "that":
        return "DET" if _before_noun(tags, i) and not _finite_next(tags, i) else "PRON"
    previous = tags[i - 1] if i else ""
    if tags[i] == "WDT" or (previous.startswith("NN") and _finite_next(tags, i)):
        return "PRON"
    if tags[i] == "IN":
        return "SCONJ"
    return "DET" if _before_noun(tags, i) else "PRON"


def _between_numbers(words: Sequence[str], i: int) -> bool:
    """Whether a dash is the sign of a range ("20 - 25", "£ 20 - £ 25")."""
    after = [w for w in words[i + 1 : i + 3] if not _SYMBOLS.match(w)]
    return i > 0 and bool(after) and bool(_NUMBER.match(words[i - 1]) and _NUMBER.match(after[0]))


def _finite_next(tags: Sequence[str], i: int) -> bool:
    rest = [t for t in tags[i + 1 : i + 3] if t != "RB"]
    return bool(rest) and rest[0] in _FINITE


def _before_noun(tags: Sequence[str], i: int) -> bool:
    """Whether a noun phrase goes on after word ``i``."""
    rest = [t for t in tags[i + 1 : i + 3] if t not in {"RB", "RBR", "RBS"}]
    return bool(rest) and rest[0] in _NOMINAL


def _preposition(words: Sequence[str], tags: Sequence[str], i: int) -> str:
    lower = words[i].lower()
    following = tags[i + 1] if i + 1 < len(tags) else ""
    if lower in _CLAUSE:
        return "SCONJ"
    if following == "VBG":
        # a gerund makes a clause, unless it modifies a noun ("in surrounding areas")
        after = tags[i + 2] if i + 2 < len(tags) else ""
        return "ADP" if after in {"NN", "NNS"} and lower in {"in", "at", "on"} else "SCONJ"
    return "SCONJ" if lower in _EITHER and _clause_follows(words, tags, i) else "ADP"


def _clause_follows(words: Sequence[str], tags: Sequence[str], i: int) -> bool:
    """A subject of nominal words and then a finite verb, with nothing else between."""
    for j in range(i + 1, min(i + 9, len(tags))):
        if tags[j] in _FINITE:
            return j > i + 1
        if tags[j] not in _SUBJECT:
            return False
    return False


def from_treebank(tag: str) -> str:
    """The universal tag that words of a treebank tag mostly have, whatever the word; the tag itself
    where it is none of the treebank's."""
    return "PUNCT" if tag in _MARKS else _PLAIN.get(tag, tag)
