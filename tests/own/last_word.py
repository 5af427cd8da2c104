"""A task in a file of its own: a text that ends in a given word."""

from dataclasses import dataclass
from typing import ClassVar

from tasks.base import Target, Task
from tasks.controls import Control
from tasks.marks import Marks


@dataclass(frozen=True)
class OwnLastWord(Control, kind="own_last_word"):
    word: str


class OwnLastWordTask(Task):
    name = "own_last_word"
    label = "Last word"
    metrics: ClassVar = {"ends_right": "the last word before the full stop is the one asked for"}

    def targets(self, corpus, n, source, seed):
        words = [text.words for text in corpus.valid if len(text.words) > 1][:n]
        return [Target(f"valid-{i}", OwnLastWord(w[-2]), w) for i, w in enumerate(words)]

    def examples(self, texts, seed):
        return ((OwnLastWord(t.words[-2]), t.words) for t in texts if len(t.words) > 1)

    def prompt(self, control):
        return [control.word]

    def prompt_tokens(self, texts):
        return sorted({t.words[-2] for t in texts if len(t.words) > 1})

    def score(self, target, annotation):
        return {"ends_right": float(annotation.words[-2:-1] == (target.control.word,))}

    def marks(self, control, words, reading):
        return Marks(tuple("good" if word == control.word else "" for word in words))
