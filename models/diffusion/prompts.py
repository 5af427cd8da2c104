"""Prompts: a control in linear form, as a fine-tuned language model reads it, in front of a text.

A prompt is a token that begins it, the control's tokens, and PAD up to a multiple of ``CUT``, which
networks do not see; the empty prompt is the token that begins it alone. Its tokens have ids of
their own behind the mask's, so that the prompt's ``NP`` or ``5`` is never the word of a text.
Shapes: B batch, P tokens of a prompt, L length of a text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from models.nets.recipes import Pairs
from tasks.base import Target, Task
from tasks.common.errors import UserError, unknown
from tasks.common.schema import read_json
from tasks.vocabulary import PAD, Vocabulary

PROMPTS = "prompts.json"
#: prompts are cut behind their longest at a multiple of this, in training as in decoding
CUT = 8


class _Stored(TypedDict):
    tokens: Annotated[list[str], Field(max_length=10**5)]
    longest: Annotated[int, Field(ge=CUT, le=10**4)]


@dataclass(frozen=True)
class Prompts:
    """The prompts of one network. ``mask``: the id before theirs; ``tokens``: what they consist of;
    ``longest``: how many ids the longest has."""

    mask: int
    tokens: tuple[str, ...]
    longest: int

    @classmethod
    def of(cls, task: Task, vocabulary: Vocabulary, texts: Any, pairs: Pairs) -> Prompts:
        """Those of a task on training ``texts``, of which ``pairs`` of a prompt and words come: as
        long as theirs, and as the task needs."""
        longest = max([task.least_sequence, *(1 + len(prompt) for prompt, _ in pairs)])
        tokens = tuple(dict.fromkeys(task.prompt_tokens(texts)))
        return cls(len(vocabulary), tokens, -(-longest // CUT) * CUT)

    @classmethod
    def load(cls, folder: Path, vocabulary: Vocabulary) -> Prompts:
        """Raises ``UserError`` for a file that is missing or damaged."""
        stored: Any = read_json(folder / PROMPTS, _Stored)
        return cls(len(vocabulary), tuple(stored["tokens"]), stored["longest"])

    def to_json(self) -> str:
        return json.dumps({"tokens": self.tokens, "longest": self.longest}, ensure_ascii=False)

    @property
    def ids(self) -> dict[str, int]:
        return {token: self.mask + 2 + i for i, token in enumerate(self.tokens)}

    def encode(self, prompts: Sequence[Sequence[str]]) -> list[list[int]]:
        """Ids of each. Raises ``UserError`` for a token that training did not have, or for one that
        is too long."""
        ids, out = self.ids, []
        for prompt in prompts:
            for token in prompt:
                if token not in ids:
                    raise unknown("prompt token", token, self.tokens)
            if len(prompt) >= self.longest:
                raise UserError(
                    f"a prompt of {len(prompt)} tokens; this network reads {self.longest - 1}"
                )
            one = [self.mask + 1, *(ids[token] for token in prompt)]
            out.append(one + [PAD] * (-len(one) % CUT))
        return out

    def fitting(self, pairs: Pairs, length: int) -> Pairs:
        """Those whose text, which has a word, fits whole into ``length`` ids, and whose prompt fits
        and has no other tokens, as those of held-out texts may."""
        known = set(self.tokens)
        return [
            (prompt, words)
            for prompt, words in pairs
            if 0 < len(words) <= length - 2 and len(prompt) < self.longest and known >= {*prompt}
        ]

    def tensor(self, prompts: Sequence[Sequence[str]]) -> Tensor:
        """(N, longest) int32: those of training texts, PAD behind each."""
        ids = torch.full((len(prompts), self.longest), PAD, dtype=torch.int32)
        for row, one in enumerate(self.encode(prompts)):
            ids[row, : len(one)] = torch.tensor(one, dtype=torch.int32)
        return ids


def emptied(ids: Tensor, rows: Tensor, mask: int) -> Tensor:
    """Prompts and texts ``ids`` (B, P + L), of which ``rows`` (B,) lose their prompts' tokens."""
    return torch.where(rows[:, None] & (ids > mask + 1), PAD, ids)


def cut(prompts: Tensor) -> Tensor:
    """Prompts (B, P) as int64, without what is PAD in all of them, at a multiple of ``CUT``."""
    used = int((prompts != PAD).any(0).nonzero()[-1]) + 1
    return prompts[:, : -(-used // CUT) * CUT].long()


def begins(ids: Iterable[int], mask: int) -> list[int]:
    """Where prompts that stand one behind the other begin."""
    return [i for i, one in enumerate(ids) if one == mask + 1]


class Prompted(Protocol):
    """A network that reads prompts."""

    @property
    def prompts(self) -> Prompts: ...


#: a target -> the ids of its prompts, one behind the other, in front of a text's
Front = Callable[[Target], list[int]]


def fronts(task: Task, networks: Sequence[Prompted]) -> Front:
    """The prompts of ``task``'s targets, one for each network, which is of one part of it."""

    def front(target: Target) -> list[int]:
        parts = zip(networks, task.split(target), strict=True)
        every = [
            network.prompts.encode([part.prompt(one.control)]) for network, (part, one) in parts
        ]
        return [token for (ids,) in every for token in ids]

    return front
