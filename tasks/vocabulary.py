"""The word-level vocabulary of the reference code (reference notes 2.1)."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tasks.common.errors import UserError
from tasks.common.files import write_text

SPECIALS = ("START", "END", "UNK", "PAD")
START, END, UNK, PAD = range(4)
UNKNOWN = SPECIALS[UNK]
ENDED = SPECIALS[END]


def to_end(words: Sequence[str]) -> tuple[str, ...]:
    """What judges read of a text: all before its first END."""
    read = tuple(words)
    return read[: read.index(ENDED)] if ENDED in read else read


class Vocabulary:
    """Words and their ids; ids 0-3 are START, END, UNK, PAD."""

    def __init__(self, words: Sequence[str]) -> None:
        if tuple(words[:4]) != SPECIALS:
            raise UserError(f"a vocabulary starts with {SPECIALS}, not {tuple(words[:4])}")
        self.words = tuple(words)
        self.ids = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.words).encode()).hexdigest()[:16]

    @classmethod
    def build(cls, texts: Iterable[Sequence[str]], above: int = 10) -> Vocabulary:
        """Words counted more than ``above`` times (strictly), in order of first occurrence,
        after the four specials: 821 entries on the E2E training set."""
        counts = Counter(word for words in texts for word in words)
        kept = [w for w, c in counts.items() if c > above and w not in SPECIALS]
        return cls([*SPECIALS, *kept])

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Raises ``UserError`` for a file that is missing, or no list of words."""
        from tasks.common.schema import read_json

        return cls(read_json(path, list[str], "vocabulary"))

    def save(self, path: Path) -> None:
        write_text(path, json.dumps(self.words, ensure_ascii=False))

    def encode(self, words: Iterable[str]) -> list[int]:
        """Ids of the words; words outside the vocabulary become UNK. No START or END added."""
        return [self.ids.get(word, UNK) for word in words]

    def decode(self, ids: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.words[i] for i in ids)

    def strip(self, tokens: Sequence[str]) -> tuple[str, ...]:
        """Words of a raw output: every PAD dropped, then one leading START and one trailing END,
        as the reference evaluation does. Words after an END in the middle are kept."""
        words = [token for token in tokens if token != "PAD"]
        if words and words[0] == "START":
            words = words[1:]
        if words and words[-1] == "END":
            words = words[:-1]
        return tuple(words)
