"""A denoising network of words that reads prompts (:mod:`models.diffusion.prompts`) in front of its
texts.

Shapes: B batch, P tokens of a prompt, L length of a text, V ids of words and the mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from models.diffusion.prompts import Prompts, begins, cut
from models.diffusion.words.config import WordsConfig
from models.diffusion.words.frame import Texts, texts_of
from models.nets.artefact import load_network
from models.nets.encoder import WordEncoder
from models.nets.precision import matrix_dtype
from models.nets.recipes import Pairs
from tasks.common.errors import UserError
from tasks.vocabulary import PAD, START, Vocabulary

if TYPE_CHECKING:
    from models.diffusion.pinning import Row


def starts(ids: Sequence[int], mask: int) -> list[int]:
    """Where the prompts in front of a text begin, and last where the text does."""
    text = ids.index(START)
    return [*begins(ids[:text], mask), text]


@dataclass(frozen=True)
class PromptedTexts(Texts):
    """Texts, and their ``prompts`` (N, P)."""

    prompts: Tensor

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        ids, middle = super().batch(rows)
        assert middle is None
        return torch.cat([cut(self.prompts[rows]), ids], 1), None


def prompted(pairs: Pairs, prompts: Prompts, vocabulary: Vocabulary, length: int) -> PromptedTexts:
    """Those whose text fits whole and has a word. Raises ``UserError`` where none does."""
    fits = prompts.fitting(pairs, length)
    texts = texts_of([words for _, words in fits], vocabulary, length)
    return PromptedTexts(texts.ids, None, prompts.tensor([prompt for prompt, _ in fits]))


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


def behind(front: Sequence[int], row: Row) -> Row:
    """``row`` behind the prompts ``front``."""
    count = len(front)
    return type(row)((*front, *row.ids), count + row.start, count + row.stop)
