"""How often each word has each tag in training texts: an artefact that needs no training, free of
torch until it is read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from models.base import Plan, Role
from tasks.common.errors import UserError
from tasks.common.files import write_text
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe
from tasks.corpora.stored import read_corpus, read_vocabulary

if TYPE_CHECKING:
    from torch import Tensor

NAME = "word_tags"
TABLE = "tags.json"
#: tag -> one count for each id of the vocabulary
Tags = Mapping[str, Sequence[int]]


def word_tags(plan: Plan, task: str) -> Recipe:
    """How often each word of the vocabulary has each tag in training texts: tag -> one count for
    each id."""

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        vocabulary = read_vocabulary(deps["vocabulary"])
        counts: Counter[tuple[str, int]] = Counter()
        for text in read_corpus(deps["texts"]).train:
            counts.update(zip(text.tags or (), vocabulary.encode(text.words)))
        tags = sorted({tag for tag, _ in counts})
        table = {tag: [counts[tag, word] for word in range(len(vocabulary))] for tag in tags}
        write_text(folder / TABLE, json.dumps(table))

    deps = {"texts": plan.texts_for(task), "vocabulary": plan.role("vocabulary")}
    return recipe(NAME, "count the tags of words", build, {}, deps=deps, cheap=True)


WORD_TAGS = Role(NAME, "models.word_tags:word_tags", title="tags of words", per_task=True)


def read_tags(folder: Path, ids: int) -> Tags:
    """The table of an artefact. Raises ``UserError`` for one of another number of ``ids``."""
    from tasks.common.schema import read_json

    table: Tags = read_json(folder / TABLE, dict[str, list[int]])
    for tag, counts in table.items():
        if len(counts) != ids:
            raise UserError(
                f"{folder / TABLE} was made for {len(counts)} words, not {ids}: tag {tag}"
            )
    return table


def tag_weights(tags: Sequence[str], table: Tags, words: Tensor, rare: float) -> list[Tensor]:
    """p(tag | word) for each of ``tags``, (V,) each, 0 below ``rare`` and for ids that are no
    ``words`` (V,)."""
    import torch

    counts = {tag: words.new_tensor(row) for tag, row in table.items()}
    none = torch.zeros_like(words)
    total = torch.stack([*counts.values(), none]).sum(0).clamp(min=1)
    shares = {tag: counts.get(tag, none) / total * words for tag in set(tags)}
    return [torch.where(shares[tag] < rare, 0.0, shares[tag]) for tag in tags]
