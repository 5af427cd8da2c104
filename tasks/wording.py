"""What labels and fields are in English, for the sentences that controls say."""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: treebank labels in English
LABELS = {
    "ADJP": "an adjective phrase", "ADVP": "an adverb phrase", "CONJP": "a conjunction phrase",
    "FRAG": "a fragment", "INTJ": "an interjection", "LST": "a list marker",
    "NML": "a nominal modifier", "NP": "a noun phrase", "PP": "a prepositional phrase",
    "PRN": "a parenthetical", "PRT": "a particle", "QP": "a quantifier phrase",
    "RRC": "a reduced relative clause", "S": "a clause", "SBAR": "a subordinate clause",
    "SBARQ": "a question", "SINV": "an inverted clause", "SQ": "a yes-no question",
    "UCP": "a coordination of unlike phrases", "VP": "a verb phrase",
    "WHADJP": "a wh-adjective phrase", "WHADVP": "a wh-adverb phrase", "WHNP": "a wh-noun phrase",
    "WHPP": "a wh-prepositional phrase",
}  # fmt: skip
#: fields whose values want a sentence of their own
SENTENCES: Mapping[str, Callable[[str], str]] = {
    "near": lambda value: f"it is near {value}",
    "family friendly": lambda value: {
        "yes": "it is family friendly",
        "no": "it is not family friendly",
    }.get(value, f"its being family friendly is {value}"),
}


def named(label: str) -> str:
    """A constituent's label in English: ``a noun phrase``; of a unary chain, ``a clause made of a
    verb phrase alone``."""
    names = [LABELS.get(one, f"a constituent {one}") for one in label.split("::")]
    return " made of ".join(names) + (" alone" if len(names) > 1 else "")
