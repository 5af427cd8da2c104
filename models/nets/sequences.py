"""Texts as sequences of ids that are all equally long."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tasks.base import Words
from tasks.common.errors import UserError
from tasks.vocabulary import END, PAD, START, Vocabulary


def encode(texts: Iterable[Words], vocabulary: Vocabulary, length: int, padding: str) -> Tensor:
    """Training sequences (N, length) of ids: START, the words, END.

    ``pad``: filled up with PAD; a longer text loses its end (and END), as in the reference code.
    ``block``: all texts in one row, cut every ``length`` tokens, the rest dropped.
    """
    rows = [[START, *vocabulary.encode(words), END] for words in texts]
    if padding == "pad":
        filled = [(row + [PAD] * length)[:length] for row in rows]
    else:
        flat = [i for row in rows for i in row]
        filled = [flat[i : i + length] for i in range(0, len(flat) - length + 1, length)]
    if not filled:
        raise UserError(f"no text fills a sequence of {length} tokens")
    return torch.tensor(filled, dtype=torch.long)
