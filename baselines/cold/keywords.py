"""The keywords of COLD's overlap term: what the right context says that the left one does not."""

from __future__ import annotations

from tasks.base import Words

#: English function words, with the pieces that a tokenizer leaves of contractions
FUNCTION_WORDS = """
a about above after again against ain all almost also although always am an and any are aren
as at away back be because been before being below between both but by ca can cannot could
couldn d did didn do does doesn doing don down during each either else even ever every few for
from further gon had hadn has hasn have haven having he her here hers herself him himself his
how however i if in into is isn it its itself just ll m may me might mightn more most much must
mustn my myself n't na nearly need needn neither never no nor not now o of off on once one only
onto or other our ours ourselves out over own quite rather re s same shall shan she should
shouldn so some soon such t than that the their theirs them themselves then there these they
this those though through to too under until up upon us ve very was wasn we were weren what
when where whether which while who whom whose why will with within without wo won would
wouldn y yet you your yours yourself yourselves 's 're 've 'll 'd 'm ' unk
"""
STOP_WORDS = frozenset(FUNCTION_WORDS.split())


def keywords(left: Words, right: Words) -> Words:
    """The distinct words of ``right`` that hold a letter or digit, are no function words and stand
    nowhere in ``left`` (case aside), in order. A heuristic: the released code's word lists come
    from NLTK."""
    known = {word.lower() for word in left} | STOP_WORDS
    spellings: dict[str, str] = {}
    for word in right:
        low = word.lower()
        if low not in known and any(map(str.isalnum, word)):
            spellings.setdefault(low, word)
    return tuple(spellings.values())
