"""What a language model is told: controls in words, and examples of texts that satisfy theirs.

The words of a control are its own (``Control.say``), so that they are written in one place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from models.base import stream_seed
from tasks.base import Corpus, Target, Task, Text, Words
from tasks.controls import Control
from tasks.corpora import CORPORA, joiner, tokenizer
from tasks.metrics.text import detokenize

#: training texts among which examples are looked for
POOL = 256
#: texts by which it is told how a corpus of the user's own is split into words
TRIED = 50
ASK = (
    "Write one text that satisfies a condition{like}. Punctuation marks count as words. Answer "
    "with the text alone, in one line, and say nothing about it."
)
CONDITION, TEXT = "Condition: {}", "Text:"
_LABEL = re.compile(r"^[*_#\s]{0,5}(?:text|answer|output)[*_\s]{0,5}:[*_\s]*", re.IGNORECASE)
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "`": "`", "*": "*"}

Role = Literal["user", "assistant"]
#: who says what, in turns
Messages = list[tuple[Role, str]]


@dataclass(frozen=True)
class Writing:
    """How the texts of a corpus are written. ``split``: a string into its words, with the token
    that ends each text, where there is one; ``join``: words as people write them."""

    split: Callable[[str], Words]
    join: Callable[[Sequence[str]], str]

    def answer(self, said: str, longest: int) -> Words:
        """One text of at most ``longest`` words from what a model answered: its first line that
        is not empty, without a heading or quotation marks around it."""
        text = said.encode("utf-8", "replace").decode("utf-8")
        line = next((one.strip() for one in text.splitlines() if one.strip()), "")
        line = _LABEL.sub("", line).strip()
        while len(line) > 1 and _QUOTES.get(line[0]) == line[-1]:
            line = line[1:-1].strip()
        words, closing = self.split(line), self.split("")
        if len(words) > longest:
            words = (*words[: longest - len(closing)], *closing)
        return words


def writing(corpus: Corpus) -> Writing:
    """Of a corpus of the user's own, which a name does not tell, by its texts: as spaCy splits
    plain text where that gives most of them back, else at white space."""
    if corpus.name in CORPORA:
        return Writing(tokenizer(corpus.name), joiner(corpus.name))
    plain, some = tokenizer("rocstories"), corpus.train[:TRIED]
    same = sum(plain(detokenize(text.words)) == text.words for text in some)
    if 2 * same > len(some):
        return Writing(plain, detokenize)
    return Writing(lambda text: tuple(text.split()), " ".join)


@dataclass(frozen=True)
class Example:
    control: Control
    words: Words


class Shots:
    """Examples from a draw of training ``texts`` of at most ``longest`` words, the same for equal
    seeds: each text with a control that it satisfies, all of a composition's at once."""

    def __init__(self, task: Task, texts: Sequence[Text], longest: int, seed: int) -> None:
        self.task, self.seed, self.pool = task, seed, list[Example]()
        fitting = [text for text in texts if 0 < len(text.words) <= longest]
        rng = Random(stream_seed(seed, "prompted", "pool"))
        for text in rng.sample(fitting, min(POOL, len(fitting))):
            control = task.of_text(text, rng.getrandbits(31))
            if control is not None:
                self.pool.append(Example(control, text.words))
        self._tokens = [Counter(task.prompt(one.control)) for one in self.pool]

    def of(self, target: Target, count: int, pick: Literal["nearest", "random"]) -> list[Example]:
        """At most ``count`` for ``target``, the nearest last: by the share of the tokens of both
        controls' linear forms that they have in common, then by the words that they need."""
        rng = Random(stream_seed(self.seed, "prompted", "shots", target.id))
        order = rng.sample(range(len(self.pool)), len(self.pool))
        if pick == "nearest":
            asked, words = Counter(self.task.prompt(target.control)), target.control.needed_words

            def far(i: int) -> tuple[float, int]:
                tokens = self._tokens[i]
                common = 2 * (asked & tokens).total() / max(1, asked.total() + tokens.total())
                return -common, abs(self.pool[i].control.needed_words - words)

            order.sort(key=far)
        return [self.pool[i] for i in reversed(order[:count])]


def turns(control: Control, examples: Sequence[Example], join: Callable[[Words], str]) -> Messages:
    """The prompt as a conversation, which ends where the model is to speak."""
    messages: Messages = []
    ask = ASK.format(like=", like those of the examples" if examples else "") + "\n\n"
    for one in examples:
        messages.append(("user", f"{ask}{CONDITION.format(one.control.say())}\n{TEXT}"))
        messages.append(("assistant", join(one.words)))
        ask = ""
    return [*messages, ("user", f"{ask}{CONDITION.format(control.say())}\n{TEXT}")]


def as_text(messages: Messages) -> str:
    """The same for a model without a chat template: one text, which the model goes on with."""
    return "".join(f" {said}\n\n" if role == "assistant" else said for role, said in messages)
