"""Where revisions begin: nothing, random words, a draft of the language model, a stored text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from models.base import sample_rng
from models.diffuser.edits import Ids
from models.diffusion.words.frame import FRAME
from models.nets.causal import load_lm
from models.nets.decoding import sample
from tasks.base import Words
from tasks.common.errors import UserError
from tasks.vocabulary import UNK

#: what a sentence ends with
ENDS = (".", "!", "?")


class Stored(TypedDict):
    """What is read of a line of ``samples.jsonl``."""

    target: str
    index: int
    words: list[str]


def read_stored(path: Path) -> dict[tuple[str, int], Words]:
    """(target, index) -> words. Raises ``UserError`` for a file that is missing or damaged."""
    line, found, number = TypeAdapter(Stored), dict[tuple[str, int], Words](), 0
    try:
        for text in path.read_text(encoding="utf-8").splitlines():
            number += 1
            one = line.validate_json(text)
            found[one["target"], one["index"]] = tuple(one["words"])
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (ValidationError, UnicodeDecodeError):
        raise UserError(f"cannot read {path}: line {number} is no sample") from None
    return found


def stored(texts: Mapping[tuple[str, int], Words], target: str, index: int) -> Words:
    """Raises ``UserError`` where there is no such sample."""
    if (target, index) not in texts:
        raise UserError(f"the samples that are edited have no sample {index} of target {target}")
    return texts[target, index]


def random_words(count: int, words: Sequence[int], rng: torch.Generator) -> Ids:
    """``count`` of the ids ``words``, each as likely."""
    return tuple(words[i] for i in torch.randint(len(words), (count,), generator=rng).tolist())


def known(ids: Sequence[int], room: int) -> Ids:
    """Those that are words that a text may have, as many as there is room for."""
    return tuple(i for i in ids if i not in FRAME and i != UNK)[:room]


class Drafts:
    """Texts that the language model draws behind a left context."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.model, self.codec, _ = load_lm(folder, device)

    def of(
        self, asked: Sequence[tuple[str, int, Words]], seed: int, method: str, room: int
    ) -> list[tuple[Words, int]]:
        """For each (target, index, left context) words, the first sentence of them where there is a
        context, and how many tokens they took."""
        heads = [(*self.codec.head(()), *self.codec.encode(left)) for _, _, left in asked]
        out: dict[int, tuple[Words, int]] = {}
        order = sorted(range(len(asked)), key=lambda i: len(heads[i]))
        for size, group in groupby(order, key=lambda i: len(heads[i])):
            rows = list(group)
            limit = min(self.codec.limit(room), self.model.positions - size)
            streams = [sample_rng(seed, method, *asked[i][:2], "draft") for i in rows]
            u = torch.stack([torch.rand(limit, dtype=torch.float64, generator=r) for r in streams])
            made = sample(
                self.model, [heads[i] for i in rows], u, self.codec.eos, self.codec.forbidden
            )
            for i, ids in zip(rows, made, strict=True):
                words = self.codec.words(ids)
                if asked[i][2]:
                    ends = [k for k, word in enumerate(words) if word in ENDS]
                    words = words[: ends[0] + 1] if ends else words
                out[i] = words, len(ids)
        return [out[i] for i in range(len(asked))]
