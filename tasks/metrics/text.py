"""Words back to plain text, and plain text to the tokens of COCO's metrics.

Hypotheses and references are both words of spaCy's tokenizer here, and both take the same way, so
that neither gains from its spacing (reference notes 3.1). What each metric sees:

=================  =================================================================
BLEU               ``detokenize``; sacrebleu's 13a tokenizer and lower case do the rest
COCO ROUGE-L,      ``ptb`` of ``detokenize``: Penn Treebank tokens, lower-cased, without
CIDEr-D            punctuation
Google's ROUGE-L   ``detokenize``; its own tokenizer keeps lower-cased letters and digits
BERTScore          ``detokenize``; the network's own tokenizer, case kept
sentence BLEU of   the words themselves, lower-cased
candidates (MBR)
=================  =================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

from tasks.texts import Words

#: tokens that stand right after the word before them
_SUFFIX = re.compile(
    r"n['\u2019]?t|['\u2019](?:s|re|ve|ll|d|m)|[.,!?;:%)\]}\u2026\u201d]+", re.IGNORECASE
)
#: tokens that stand right before the word after them
_PREFIX = frozenset("([{$£€#\u201c\u2018")
#: tokens between two halves of one word
_INNER = frozenset("-/")
#: what spaCy's rules cut in two
_HALVES = frozenset({("gon", "na"), ("got", "ta")})
#: curly quotes to straight ones
_STRAIGHT = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
#: how the end of a sentence within a text is told from an abbreviation
_STOP = re.compile(r"(\S+?)(\.+|[?!]+\.*)(?=\s|[\"')]+\s|$)")
_ABBREVIATIONS = frozenset(
    ["mr", "mrs", "ms", "dr", "st", "jr", "sr", "prof", "rev", "gen", "sgt", "lt", "col", "capt"]
) | {"vs", "etc", "inc", "co", "ltd", "corp"}
PTB_NAME = "Treebank tokens, lower-cased, without COCO's punctuation"


def detokenize(words: Sequence[str]) -> str:
    """Plain text of spaCy's tokens: ``did n't go .`` gives ``didn't go.``

    Exact but for what the tokens do not tell, such as the spaces around a hyphen (none are put)
    and ``cannot`` (``can not``); tokens of white space are dropped.
    """
    words = visible_words(words)
    text, glued, quotes = "", True, {'"': False, "'": False}
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        after = words[i + 1] if i + 1 < len(words) else ""
        joins = False
        if word in quotes:
            # an apostrophe after an s and outside quotes is a possessive
            closes = quotes[word] or (word == "'" and before[-1:].lower() == "s")
            quotes[word] = not closes
            attached, joins = closes, not closes
        elif word in _INNER and before[-1:].isalnum() and after[:1].isalnum():
            attached = joins = True
        else:
            attached = bool(_SUFFIX.fullmatch(word)) or _halves(before, word)
            joins = word in _PREFIX
        text += word if attached or glued else " " + word
        glued = joins
    return text


def visible_words(words: Sequence[str]) -> list[str]:
    """The words and punctuation marks of a text, without tokens of white space."""
    return [word for word in words if word.strip()]


def _halves(before: str, word: str) -> bool:
    return (before.lower(), word.lower()) in _HALVES


@lru_cache(maxsize=1 << 16)  # a reference is read once for each metric and method
def ptb(text: str) -> Words:
    """The tokens that COCO's ROUGE-L and CIDEr count, without Java.

    NLTK's Penn Treebank tokenizer in place of Stanford's, lower case, and the punctuation dropped
    that COCO drops. On the 7,252 reference middles of aNLG's development set, 5 come out otherwise
    than from COCO's own jar.
    """
    tokenize, punctuation = _treebank()
    split = _STOP.sub(_sentence_end, text.lower().translate(_STRAIGHT))
    # Stanford's -lrb- and -rrb- escape COCO's list of punctuation, which has them in capitals
    tokens = [token.lower() for token in tokenize(split, convert_parentheses=True)]
    return tuple(t for t in tokens if t not in punctuation and t.strip(".?!"))


def _sentence_end(match: re.Match[str]) -> str:
    word, marks = match[1].lstrip("\"'("), match[2]
    abbreviated = word in _ABBREVIATIONS or "." in word or (len(word) == 1 and word.isalpha())
    return match[0] if marks == "." and abbreviated else f"{match[1]} {marks} "


@cache
def _treebank() -> tuple[Callable[..., list[str]], frozenset[str]]:
    from nltk.tokenize.treebank import TreebankWordTokenizer
    from pycocoevalcap.tokenizer.ptbtokenizer import (  # type: ignore[import-untyped]
        PUNCTUATIONS,
    )

    return TreebankWordTokenizer().tokenize, frozenset(PUNCTUATIONS)
