"""What a network's own p(word | x_t) says of a control: no classifier is trained (Gulrajani and
Hashimoto 2023, section 5, of words at or anywhere in a text; of lengths and tags likewise).

Positions are taken as independent of each other given x_t, as the network has them. Shapes: B
batch, L length, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from models.diffusion.latents.steering import LogProbOfWords
from models.nets.precision import by_token
from models.word_tags import Tags, tag_weights
from tasks.common.errors import UserError
from tasks.controls import Control, FieldValue, Length, TagSequence
from tasks.vocabulary import END, SPECIALS, START, Vocabulary

#: share of every word's uses that is spread over all tags alike
SMOOTHING = 0.01


def bounds(words: Tensor, ends: Tensor) -> Tensor:
    """log p(START first, END at ``ends`` (B,)), (B,), from log p(word) ``words`` (B, L, V)."""
    rows = torch.arange(len(words), device=words.device)
    return words[:, 0, START] + words[rows, ends, END]


def length(controls: Sequence[Control], device: torch.device) -> LogProbOfWords:
    """log p(START first, END right behind the last word)."""
    ends = []
    for control in controls:
        if not isinstance(control, Length):
            raise UserError(f"length control cannot read {control}")
        ends.append(control.words + 1)
    at = torch.tensor(ends, device=device)
    return lambda words: bounds(words, at)


def stated(
    controls: Sequence[Control], vocabulary: Vocabulary, device: torch.device
) -> LogProbOfWords:
    """log of the sum over places of p(the value's words stand there, one after the other)."""
    values = []
    for control in controls:
        if not isinstance(control, FieldValue):
            raise UserError(f"control of semantic content cannot read {control}")
        values.append(vocabulary.encode(control.words))
    longest = max(map(len, values))
    counts = torch.tensor([len(value) for value in values], device=device)
    ids = torch.tensor([value + [0] * (longest - len(value)) for value in values], device=device)

    def log_prob(words: Tensor) -> Tensor:
        room = words.shape[1] - 2  # START comes first and END last
        if longest > room:
            raise UserError(f"a value of {longest} words does not fit into the network's texts")
        every = words.gather(2, ids[:, None, :].expand(-1, words.shape[1], -1))
        sums = every.new_zeros(len(words), room)
        for k in range(longest):
            used = (k < counts)[:, None] & (torch.arange(room, device=device) + k < room)
            shifted = F.pad(every[:, 1 + k : 1 + room, k], (0, k))
            sums = sums + shifted.masked_fill(~used, 0)
        fits = torch.arange(room, device=device) + counts[:, None] <= room
        return sums.masked_fill(~fits, -torch.inf).logsumexp(1)

    return log_prob


class TagsOfWords:
    """Makes guides of tag sequences from how often words have tags."""

    def __init__(self, table: Tags, vocabulary: Vocabulary, device: torch.device) -> None:
        self.tags = tuple(sorted(table))
        real = torch.ones(len(vocabulary))
        real[: len(SPECIALS)] = 0
        even = real / max(1, len(self.tags))
        shares = [
            (1 - SMOOTHING) * one + SMOOTHING * even
            for one in tag_weights(self.tags, table, real, 0.0)
        ]
        #: p(tag | word), one row for each tag and one, of equal shares, for tags never seen
        self.table = torch.stack([*shares, SMOOTHING * even]).to(device)

    def __call__(self, controls: Sequence[Control]) -> LogProbOfWords:
        """log p(each word has its tag, START first, END behind the last)."""
        asked = []
        for control in controls:
            if not isinstance(control, TagSequence):
                raise UserError(f"control of parts of speech cannot read {control}")
            asked.append([self._index(tag) for tag in control.tags])
        device = self.table.device
        ends = torch.tensor([len(row) + 1 for row in asked], device=device)
        longest = max(map(len, asked))
        rows = torch.tensor([row + [0] * (longest - len(row)) for row in asked], device=device)
        used = torch.arange(longest, device=device) < (ends - 1)[:, None]

        def log_prob(words: Tensor) -> Tensor:
            chances = by_token(lambda p: p @ self.table.T, words[:, 1 : 1 + longest].exp())
            each = chances.gather(2, rows[..., None])[..., 0].clamp(min=1e-30).log()
            return bounds(words, ends) + each.masked_fill(~used, 0).sum(1)

        return log_prob

    def _index(self, tag: str) -> int:
        return self.tags.index(tag) if tag in self.tags else len(self.tags)
