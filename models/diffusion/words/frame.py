"""The frame of a text: START, as many words as it has, END, PAD. It is given; the words are not.

Shapes: B batch, L length.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.diffusion.pinning import Row, draw_slots, read_lengths
from tasks.base import Words
from tasks.common.errors import UserError
from tasks.controls import Control
from tasks.vocabulary import END, PAD, START, Vocabulary

LENGTHS = "lengths.json"
#: sequences are cut behind their END at a multiple of this, in training as in decoding
CUT = 8
#: ids that are no words; they are never noised, and never drawn
FRAME = (START, END, PAD)


def cut(tokens: int, longest: int) -> int:
    """The length of a sequence of so many tokens, PAD included."""
    return min(longest, -(-tokens // CUT) * CUT)


@dataclass(frozen=True)
class Texts:
    """Training or held-out texts: ``ids`` (N, L), ``middle`` (N, L) where the middles of stories
    are, or None; ``words`` (N,) how many words each has."""

    ids: Tensor
    middle: Tensor | None

    @property
    def words(self) -> Tensor:
        return words_of(self.ids).sum(1)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """Ids (B, L') and middles of ``rows``, cut behind the longest."""
        ids = self.ids[rows]
        length = cut(int((ids != PAD).sum(1).max()), ids.shape[1])
        return ids[:, :length], None if self.middle is None else self.middle[rows, :length]


def word_ids(vocabulary: int) -> Tensor:
    """The ids of words, (W,), of a vocabulary of so many ids."""
    return torch.tensor([i for i in range(vocabulary) if i not in FRAME])


def words_of(ids: Tensor) -> Tensor:
    """Which tokens are words."""
    return ~torch.isin(ids, torch.tensor(FRAME, device=ids.device))


def texts_of(
    texts: Sequence[Words],
    vocabulary: Vocabulary,
    length: int,
    middles: Sequence[tuple[int, int]] | None = None,
) -> Texts:
    """Those that fit whole and have a word. ``middles``: (start, stop) of each one's middle.
    Raises ``UserError`` where none does."""
    fits = [i for i, words in enumerate(texts) if 0 < len(words) <= length - 2]
    if not fits:
        raise UserError(f"no text of 1 to {length - 2} words")
    ids = torch.full((len(fits), length), PAD)
    middle = torch.zeros(len(fits), length, dtype=torch.bool)
    for row, i in enumerate(fits):
        tokens = [START, *vocabulary.encode(texts[i]), END]
        ids[row, : len(tokens)] = torch.tensor(tokens)
        if middles is not None:
            start, stop = middles[i]
            middle[row, start + 1 : stop + 1] = True
    return Texts(ids, middle if middles is not None else None)


def count_lengths(texts: Iterable[Words]) -> str:
    """``lengths.json``: how often texts have each number of words."""
    counts = Counter(len(words) for words in texts)
    return json.dumps({"counts": {str(n): counts[n] for n in sorted(counts)}})


class Frames:
    """The frames of a network's samples."""

    def __init__(self, folder: Path, vocabulary: Vocabulary, longest: int) -> None:
        self.vocabulary, self.longest = vocabulary, longest
        self.lengths = read_lengths(folder)

    def of(self, control: Control, target: str, rng: torch.Generator) -> Row:
        """A text's number of words is the control's, or drawn from those of the training texts
        that are long enough. Raises ``UserError`` for a control that needs more words than fit."""
        words, least, room = control.exact_words, control.needed_words, self.longest - 2
        if (words or least) > room:
            raise UserError(
                f"target {target} needs {words or least} words; this network has {room}"
            )
        if words is None:
            enough = {n: often for n, often in self.lengths.items() if least <= n <= room}
            words = draw_slots(enough, room, rng) if enough else least
        return self._row((), words, ())

    def between(
        self, left: Words, right: Words, lengths: Mapping[int, int], target: str,
        rng: torch.Generator,
    ) -> Row:  # fmt: skip
        """A middle of a drawn number of words between two contexts, as above."""
        room = self.longest - 2 - len(left) - len(right)
        if room < min(lengths):
            raise UserError(
                f"target {target}: {len(left) + len(right)} words around the middle leave no room "
                f"for one; this network has {self.longest - 2}"
            )
        return self._row(left, draw_slots(lengths, room, rng), right)

    def _row(self, left: Words, words: int, right: Words) -> Row:
        before, after = map(self.vocabulary.encode, (left, right))
        ids = [START, *before, *[PAD] * words, *after, END]
        ids += [PAD] * (cut(len(ids), self.longest) - len(ids))
        return Row(tuple(ids), 1 + len(before), 1 + len(before) + words)
