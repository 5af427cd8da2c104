"""Prompts: a control in linear form, as a fine-tuned language model reads it, in front of a text.

A prompt is a token that begins it, the control's tokens, and PAD up to a multiple of ``CUT``, which
networks do not see; the empty prompt is the token that begins it alone. Its tokens have ids of
their own behind the mask's, so that the prompt's ``NP`` or ``5`` is never the word of a text.
Shapes: B batch, P tokens of a prompt, L length of a text, V ids of words and the mask.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import TypedDict

from models.diffusion.words.config import WordsConfig
from models.diffusion.words.frame import CUT, Texts, texts_of
from models.nets.artefact import load_network
from models.nets.encoder import WordEncoder
from models.nets.precision import matrix_dtype
from models.nets.recipes import Pairs
from tasks.base import Target, Task
from tasks.common.errors import UserError, unknown
from tasks.common.schema import read_json
from tasks.vocabulary import PAD, START, Vocabulary

if TYPE_CHECKING:
    from models.diffusion.pinning import Row

PROMPTS = "prompts.json"


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


def emptied(ids: Tensor, rows: Tensor, mask: int) -> Tensor:
    """Prompts and texts ``ids`` (B, P + L), of which ``rows`` (B,) lose their prompts' tokens."""
    return torch.where(rows[:, None] & (ids > mask + 1), PAD, ids)


def starts(ids: Sequence[int], mask: int) -> list[int]:
    """Where the prompts in front of a text begin, and last where the text does."""
    text = ids.index(START)
    return [*(i for i, one in enumerate(ids[:text]) if one == mask + 1), text]


@dataclass(frozen=True)
class PromptedTexts(Texts):
    """Texts, and their ``prompts`` (N, P)."""

    prompts: Tensor

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        ids, middle = super().batch(rows)
        assert middle is None
        prompts = self.prompts[rows].long()
        used = int((prompts != PAD).any(0).nonzero()[-1]) + 1
        return torch.cat([prompts[:, : -(-used // CUT) * CUT], ids], 1), None


def prompted(pairs: Pairs, prompts: Prompts, vocabulary: Vocabulary, length: int) -> PromptedTexts:
    """Those whose text fits whole and has a word. Raises ``UserError`` where none does."""
    fits = [
        (prompt, words)
        for prompt, words in pairs
        if 0 < len(words) <= length - 2 and len(prompt) < prompts.longest
    ]
    texts = texts_of([words for _, words in fits], vocabulary, length)
    ids = torch.full((len(fits), prompts.longest), PAD, dtype=torch.int32)
    for row, one in enumerate(prompts.encode([prompt for prompt, _ in fits])):
        ids[row, : len(one)] = torch.tensor(one, dtype=torch.int32)
    return PromptedTexts(texts.ids, None, ids)


class PromptedEncoder(WordEncoder):
    """Logits of a word at every position of a text from its words and from the prompt in front of
    it. Positions of texts count from START on, those of prompts from their own beginning."""

    def __init__(self, config: WordsConfig, prompts: Prompts) -> None:
        super().__init__(
            config.network, config.length + prompts.longest, prompts.mask + 1, config.time,
            norm_first=not config.init_pretrained,
        )  # fmt: skip
        self.length, self.mask, self.prompts = config.length, prompts.mask, prompts
        #: PAD, what begins a prompt, and its tokens
        self.prompt_embedding = nn.Embedding(2 + len(prompts.tokens), config.network.width)
        with torch.no_grad():
            self.prompt_embedding.weight *= config.network.width**-0.5

    def forward(self, ids: Tensor, time: Tensor | None = None, at: Tensor | None = None) -> Tensor:
        """``ids`` (B, P + L): prompts, all as long, and texts; else as of a text alone."""
        text = starts(ids[0].tolist(), self.mask)[-1]
        prompt = ids[:, :text]
        own = self.position_embedding.weight[self.length :][:text]
        told = self.prompt_embedding((prompt - self.mask).clamp(min=0)) + own
        seen = torch.cat([prompt != PAD, torch.ones_like(ids[:, text:], dtype=torch.bool)], 1)
        hidden = self.states(torch.cat([told, self.embed(ids[:, text:], time)], 1), seen)
        return self.said(hidden if at is None else hidden[at])


#: (config, vocabulary, prompts) -> a fresh network, and what its file must agree with
Build = Callable[[Any, Vocabulary, Prompts], tuple[Any, dict[str, Any]]]


def load_prompted(
    folders: Sequence[Path], Config: type[WordsConfig], build: Build, device: torch.device
) -> tuple[list[PromptedEncoder], Vocabulary]:
    """The networks in ``folders``, in the fastest dtype of ``device``, and their vocabulary. Raises
    ``UserError`` where they differ in it or in the length of their texts, or are damaged."""
    networks, words = [], []
    for folder in folders:

        def make(config: WordsConfig, vocabulary: Vocabulary, folder: Path = folder) -> Any:
            return build(config, vocabulary, Prompts.load(folder, vocabulary))

        read = ("vocabulary", Vocabulary.load)
        network, _, vocabulary = load_network(folder, Config, make, words=read)
        networks.append(network.to(device, matrix_dtype(device)))
        words.append(vocabulary)
    for folder, network, vocabulary in zip(folders, networks, words, strict=True):
        if (vocabulary.digest, network.length) != (words[0].digest, networks[0].length):
            raise UserError(
                f"the networks in {folders[0]} and {folder} were trained on different "
                "vocabularies or lengths"
            )
    return networks, words[0]


#: a target -> the ids of its prompts, one behind the other, in front of a text's
Front = Callable[[Target], list[int]]


def fronts(task: Task, networks: Sequence[PromptedEncoder]) -> Front:
    """The prompts of ``task``'s targets, one for each network, which is of one part of it."""

    def front(target: Target) -> list[int]:
        parts = zip(networks, task.split(target), strict=True)
        every = [
            network.prompts.encode([part.prompt(one.control)]) for network, (part, one) in parts
        ]
        return [token for (ids,) in every for token in ids]

    return front


def behind(front: Sequence[int], row: Row) -> Row:
    """``row`` behind the prompts ``front``."""
    count = len(front)
    return type(row)((*front, *row.ids), count + row.start, count + row.stop)
