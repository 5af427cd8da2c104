"""Ctrl-G: a language model that looks ahead through a hidden Markov model (Zhang et al. 2024).

    p(v | x_<t, control)  ~  p_LM(v | x_<t)  p_HMM(control | x_<t, v)^weight

The control is an automaton over words: the hidden Markov model, distilled from texts of the
language model itself, tells exactly how probable it is that the rest of a text satisfies it. With
weight 1, where the two models are one, texts are drawn from p_LM(x | control). Nothing is trained
on a control; the automata know the rules that samples are measured by:

    length               the number of words
    semantic content     the value is a substring of the text, as the headline metric has it
    parts of speech      as many words as tags, and word i has tag i

A text alone does not tell its tags. Word i counts with p(tag i | word) of the tagged training texts
instead, readings below ``rare`` being left out, as if a word's tag did not depend on its
neighbours: exact for words that have one tag, a guess for others. Words outside the vocabulary
count together, as UNK. Controls of a composition multiply their automata.

A control that no text of the vocabulary can satisfy leaves the language model as it is. Paper and
code search with a beam and keep the likeliest; here texts are sampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from baselines.autoregressive import Decoded, Heads, check_vocabularies, split, uniforms
from baselines.ctrl_g.automata import Automaton, Chain, Product, Stated
from baselines.ctrl_g.card import CARD, HMM
from baselines.ctrl_g.lookahead import LookAhead, Model, Table
from baselines.ctrl_g.training import load_hmm
from baselines.steering import Steered, SteeringCard
from models.jobs import Job
from models.nets.causal import load_lm
from models.word_tags import WORD_TAGS, Tags, read_tags, tag_weights
from tasks.base import Task
from tasks.controls import Control, FieldValue, Length, TagSequence


class CtrlG(Steered):
    """Network evaluations: one of the language model a token; the hidden Markov model is no
    network, and its time is part of a sample's seconds."""

    card: ClassVar[SteeringCard] = CARD

    def __init__(
        self, lm: tuple[Any, Any], hmm: Any, tags: Sequence[Tags], task: Task, settings: Any
    ) -> None:
        super().__init__(*lm, [], [], task, settings)
        self.hmm, self.tags = Model(hmm), tags
        self._tables: dict[tuple[str, int], Table] = {}

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        """Raises ``UserError`` where the two models are of different vocabularies."""
        model, codec, _ = load_lm(folders["lm"], device)
        hmm, other = load_hmm(folders[HMM])
        check_vocabularies([folders["lm"], folders[HMM]], [codec, other])
        roles = [role for role in cls.card.needs(task, settings) if role.startswith(WORD_TAGS.name)]
        tags = [read_tags(folders[role], codec.text_size) for role in roles]
        return cls((model, codec), hmm, tags, task, settings)

    def automaton(self, control: Control) -> Automaton:
        """What a text must be read by to tell whether it satisfies ``control``."""
        tables = iter(self.tags)
        parts = [self._single(part, tables) for _, part in split(self.task, control)]
        return parts[0] if len(parts) == 1 else Product(parts)

    def _single(self, control: Control, tables: Any) -> Automaton:
        if isinstance(control, Length):
            return Chain([self._words] * control.words)
        if isinstance(control, FieldValue):
            is_word = self._words.bool().tolist()
            shown = self.codec.vocabulary.words
            return Stated(control.value, [w if k else None for w, k in zip(shown, is_word)])
        assert isinstance(control, TagSequence)
        return Chain(tag_weights(control.tags, next(tables), self._words, self.settings.rare))

    @property
    def _words(self) -> Tensor:
        """1 for ids that are words, (V,)."""
        weights = torch.ones(self.codec.text_size, dtype=torch.float64)
        weights[[self.codec.eos, *(i for i in self.codec.forbidden if i < len(weights))]] = 0.0
        return weights

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        u = uniforms(self.name, jobs, seed, limit)
        steered = None
        if self.settings.weight:
            asked = {(job.target.id, limit): job.target.control for job in jobs}
            known, eos = self._tables, self.codec.eos
            self._tables = {
                key: known.get(key) or Table(self.hmm, self.automaton(control), eos, limit)
                for key, control in asked.items()
            }
            tables = [self._tables[job.target.id, limit] for job in jobs]
            steered = LookAhead(tables, self.settings.weight)
        heads = [job.given.head for job in jobs]
        texts = self.sampled(self.model, self.codec, heads, u, steered)
        return [(ids, float(len(ids))) for ids in texts]
