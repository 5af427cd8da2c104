"""A small probabilistic grammar whose productions may ask about, and use up, facts of a world.

A grammar is plain text. A line without indentation opens a symbol, ``NAME:``; each indented line
below it is one production::

    KIND:
        3 (NP DT:a $ADJ NN:pub)            ; kind=pub
        1 (NP DT:a JJ:good/fine NN:place)  ; +rating rating!=low

- a weight, then the tree: ``(LABEL ...)``, leaves ``TAG:word``, slots ``$NAME``, ``-`` for
  nothing, ``,`` and ``.`` for themselves. ``good/fine`` stands for either word at equal odds, and
  ``_`` joins several leaves of one tag (``NNP:Blue_Heron``). ``TAG=UPOS:word`` overrides the UPOS
  tag that the PTB tag has by default.
- after ``;`` the conditions: ``+key`` holds if the fact has not been told yet, and marks it as
  told; ``*key`` marks it as told and always holds; ``key=a|b`` and ``key!=a|b`` ask about its
  value.
- a line ending in a backslash goes on in the next one; a line that begins with ``#`` is a comment.
- a symbol ending in ``#`` stands for two, ``NAMEs`` and ``NAMEp`` (singular and plural): inside,
  ``$OTHER#`` follows suit, ``V:serve`` becomes ``VBZ:serves`` or ``VBP:serve``, and ``<its|their>``
  its first or its second part.

Expansion is leftmost first and depends on the ``random()`` of the generator alone, so that a seed
gives the same texts on every machine and Python version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from tasks.texts import Text

#: PTB tag -> UPOS, where a leaf does not say otherwise
UPOS = {
    "CC": "CCONJ", "CD": "NUM", "DT": "DET", "EX": "PRON", "IN": "ADP", "JJ": "ADJ",
    "JJR": "ADJ", "JJS": "ADJ", "MD": "AUX", "NN": "NOUN", "NNS": "NOUN", "NNP": "PROPN",
    "NNPS": "PROPN", "PDT": "DET", "POS": "PART", "PRP": "PRON", "PRP$": "PRON", "RB": "ADV",
    "RBR": "ADV", "RBS": "ADV", "RP": "ADP", "TO": "PART", "VB": "VERB", "VBD": "VERB",
    "VBG": "VERB", "VBN": "VERB", "VBP": "VERB", "VBZ": "VERB", "WDT": "PRON", "WP": "PRON",
    "WRB": "ADV", "HYPH": "PUNCT", ",": "PUNCT", ".": "PUNCT",
}  # fmt: skip
_BE = {"is", "are", "was", "were", "be", "been", "being"}
_IRREGULAR = {"be": ("is", "are"), "have": ("has", "have"), "do": ("does", "do")}
#: words with a vowel letter and a consonant sound
_CONSONANT = ("uni", "use", "one", "eu")
_TOKENS = re.compile(r"\([^\s()]+|\)|[^\s()]+")
_CONTINUED = re.compile(r" \\\n\s+")
_AGREE = re.compile(r"<([^|>]*)\|([^|>]*)>")


class DeadEnd(Exception):
    """No production of a symbol fits the facts that are left."""


@dataclass(frozen=True)
class Leaf:
    """A word with its PTB and UPOS tags."""

    tag: str
    upos: str
    word: str


#: ``(LABEL``, ``)`` or ``$SLOT``; one leaf; or a choice between groups of leaves
Item = str | Leaf | tuple[tuple[Leaf, ...], ...]


@dataclass(frozen=True)
class Production:
    """One way to expand a symbol; see the module's text for the meaning of the parts."""

    weight: float
    items: tuple[Item, ...]
    fresh: tuple[str, ...]
    told: tuple[str, ...]
    values: tuple[tuple[str, bool, frozenset[str]], ...]

    def fits(self, world: Mapping[str, str], told: set[str]) -> bool:
        """Whether the conditions hold, given the keys that the text has told so far."""
        return told.isdisjoint(self.fresh) and all(
            (world[key] in values) is wanted for key, wanted, values in self.values
        )


class Grammar:
    """A compiled grammar. ``ValueError`` names a malformed line or an undefined slot."""

    def __init__(self, source: str) -> None:
        self.productions: dict[str, list[Production]] = {}
        heads: list[tuple[str, int]] = []
        for line in _CONTINUED.sub(" ", source).splitlines():
            body = line.rstrip()
            if not body or body[0] == "#":
                continue
            if not body[0].isspace():
                name = body.removesuffix(":")
                both = [(f"{name[:-1]}s", 0), (f"{name[:-1]}p", 1)]
                heads = both if name.endswith("#") else [(name, 0)]
                for head, _ in heads:
                    self.productions[head] = []
                continue
            for head, number in heads:
                self.productions[head].append(_production(body, number))
        for head, productions in self.productions.items():
            for item in (item for production in productions for item in production.items):
                if isinstance(item, str) and item[0] == "$" and item[1:] not in self.productions:
                    raise ValueError(f"{head} uses {item}, which has no productions")

    def expand(self, start: str, world: Mapping[str, str], rng: Random) -> tuple[Text, set[str]]:
        """A text from the symbol ``start``, and the keys of ``world`` that it tells.

        Its ``tree`` and ``tags`` are filled, its ``fields`` are not. Raises ``DeadEnd``.
        """
        out: list[str | Leaf] = []
        told: set[str] = set()
        self._expand(start, world, told, rng, out)
        return _finish(out), told

    def _expand(
        self,
        symbol: str,
        world: Mapping[str, str],
        told: set[str],
        rng: Random,
        out: list[str | Leaf],
    ) -> None:
        fitting = [p for p in self.productions[symbol] if p.fits(world, told)]
        if not fitting:
            raise DeadEnd(symbol)
        total = 0.0
        for production in fitting:  # not sum(): its rounding differs between Python versions
            total += production.weight
        draw = rng.random() * total
        chosen = fitting[-1]
        for production in fitting:
            draw -= production.weight
            if draw < 0:
                chosen = production
                break
        told.update(chosen.fresh, chosen.told)
        for item in chosen.items:
            if isinstance(item, tuple):
                out.extend(item[int(rng.random() * len(item))])
            elif isinstance(item, str) and item[0] == "$":
                self._expand(item[1:], world, told, rng, out)
            else:
                out.append(item)


def _production(line: str, number: int) -> Production:
    line = _AGREE.sub(lambda m: m.group(number + 1), line)
    body, _, tail = line.partition(" ; ")
    weight, _, template = body.strip().partition(" ")
    fresh, told, values = [], [], []
    for condition in tail.split():
        if condition[0] == "+":
            fresh.append(condition[1:])
        elif condition[0] == "*":
            told.append(condition[1:])
        else:
            key, equals, value = condition.partition("=")
            if not equals:
                raise ValueError(f"malformed condition {condition!r} in {line!r}")
            wanted = not key.endswith("!")
            choice = frozenset(value.replace("_", " ").split("|"))
            values.append((key.removesuffix("!"), wanted, choice))
    items: list[Item] = []
    for token in _TOKENS.findall(template):
        if token == "-":
            continue
        if token[0] == "$":
            items.append(token[:-1] + "sp"[number] if token.endswith("#") else token)
        elif token[0] in "()" or token in ",.":
            items.append(Leaf(token, "PUNCT", token) if token in ",." else token)
        else:
            items.append(_leaves(token, number, line))
    if template.count("(") != template.count(")"):
        raise ValueError(f"unbalanced brackets in {line!r}")
    return Production(float(weight), tuple(items), tuple(fresh), tuple(told), tuple(values))


def _leaves(token: str, number: int, line: str) -> Item:
    tag, colon, words = token.partition(":")
    tag, _, upos = tag.partition("=")
    if not colon or (tag not in UPOS and tag != "V"):
        raise ValueError(f"malformed leaf {token!r} in {line!r}")
    choices = []
    for choice in words.split("/"):
        group = []
        for word in choice.split("_"):
            ptb, form = tag, word
            if tag == "V":
                ptb, form = ("VBZ", "VBP")[number], _inflect(word, number)
            default = "AUX" if form in _BE and ptb.startswith("V") else UPOS[ptb]
            group.append(Leaf(ptb, upos or default, form))
        choices.append(tuple(group))
    return choices[0][0] if len(choices) == len(choices[0]) == 1 else tuple(choices)


def _inflect(verb: str, number: int) -> str:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb][number]
    if number == 1:
        return verb
    if verb.endswith(("s", "sh", "ch", "x", "o")):
        return verb + "es"
    return verb[:-1] + "ies" if verb.endswith("y") and verb[-2] not in "aeiou" else verb + "s"


def _finish(out: Sequence[str | Leaf]) -> Text:
    """The tree as a string and its leaves, articles and capitals set right."""
    at = [i for i, item in enumerate(out) if isinstance(item, Leaf)]
    leaves = [item for item in out if isinstance(item, Leaf)]
    words = []
    for i, leaf in enumerate(leaves):
        word = leaf.word
        if word == "a" and leaf.tag == "DT":
            following = leaves[i + 1].word.lower()
            if following[0] in "aeiou" and not following.startswith(_CONSONANT):
                word = "an"
        if i == 0 or leaves[i - 1].tag == ".":
            word = word[0].upper() + word[1:]
        words.append(word)
    pieces = [item if isinstance(item, str) else "" for item in out]
    for i, leaf, word in zip(at, leaves, words, strict=True):
        pieces[i] = f"({leaf.tag} {word})"
    tree = " ".join(pieces).replace(" )", ")")
    return Text(tuple(words), tree, tuple(leaf.upos for leaf in leaves))
