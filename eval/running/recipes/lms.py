"""Recipes of the causal language models."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from eval.running.inputs import read_corpus
from eval.running.recipes.base import LENGTHS, VALID, Folders, settings, vocabulary_of
from eval.running.recipes.oracles import OraclePlan
from eval.running.store import Recipe, recipe
from tasks.base import Text, Words
from tasks.common.progress import Progress
from tasks.infilling import middle_lengths, reordered
from tasks.vocabulary import Vocabulary

if TYPE_CHECKING:
    from models.nets.codec import Codec
    from models.nets.config import LMConfig


class LanguagePlan(OraclePlan):
    """Adds the language models that read a text, or a story's sentences, in one order or another,
    and how long middle sentences are."""

    @cached_property
    def lm(self) -> Recipe:
        return self._plain_lm("lm", "train the language model", self.config.lm, 0, self.seen)

    @cached_property
    def teacher(self) -> Recipe:
        """Judges fluency; with another seed than any language model that it judges."""
        title = "train the teacher of lm-score"
        return self._plain_lm("teacher", title, self.config.teacher, 1, self.seen)

    def _backward_lm(self) -> Recipe:
        """Reads texts from right to left (COLD)."""

        def backwards(texts: Iterable[Text]) -> list[Words]:
            return [words[::-1] for words in self.seen(texts)]

        title = "train the right-to-left language model"
        return self._plain_lm("backward_lm", title, self.config.lm, 2, backwards, reverse=True)

    def _reordered_lm(self) -> Recipe:
        """Reads left context, right context, middle (AR-infilling)."""

        def middles_last(texts: Iterable[Text]) -> list[Words]:
            return [reordered(triple) for triple in self.seen_triples(texts)]

        title = "train the language model of reordered stories"
        return self._plain_lm("reordered_lm", title, self.config.lm.fresh, 0, middles_last)

    def _lengths(self) -> Recipe:
        """How many words the middle sentences of stories have."""

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            counts = middle_lengths(list(read_corpus(deps["corpus"]).train))
            record = {"counts": {str(n): counts[n] for n in sorted(counts)}}
            (folder / LENGTHS).write_text(json.dumps(record), encoding="utf-8")

        title = "count the words of middle sentences"
        return recipe("lengths", title, build, {}, deps={"corpus": self.corpus})

    def _plain_lm(
        self,
        kind: str,
        title: str,
        config: LMConfig,
        offset: int,
        read: Callable[[Iterable[Text]], list[Words]],
        reverse: bool = False,
    ) -> Recipe:
        """``read``: the sequences that it is trained on; ``reverse``: they are from right to
        left."""
        seed = self.config.train_seed + offset

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from models.nets.causal import adopt_lm, train_lm

            codec = make_codec(config, vocabulary_of(deps), reverse)
            if config.zero_shot and not reverse:
                adopt_lm(folder, codec, config)
                return
            corpus = read_corpus(deps["corpus"])
            train, valid = (
                [((), words) for words in read(texts)]
                for texts in (corpus.train, corpus.valid[:VALID])
            )
            train_lm(folder, train, valid, codec, config.fresh, seed, self.device, progress)

        return recipe(
            kind,
            title,
            build,
            settings(config, seed=seed) | self._window,
            deps={"corpus": self.corpus, "vocabulary": self.vocabulary},
        )


def make_codec(config: LMConfig, vocabulary: Vocabulary, reverse: bool = False) -> Codec:
    """``reverse``: of a model that reads from right to left, where that makes a difference."""
    from models.nets.codec import PlainCodec, TokenizerCodec, WordCodec

    if config.zero_shot:
        return PlainCodec.from_pretrained(config.pretrained, vocabulary, reverse)
    if config.pretrained:
        return TokenizerCodec.from_pretrained(config.pretrained, vocabulary)
    return WordCodec(vocabulary)
