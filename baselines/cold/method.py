"""COLD: a middle sampled from an energy by Langevin dynamics over its logits, then rounded.

Qin et al. 2022, abductive form (reference notes, section 2.12). The ``length`` first words of a
middle are logits that start as the left-to-right language model's own, descend the energy of
:mod:`baselines.cold.energy` by Adam under noise, and are rounded among the words that the language
model proposes; it then goes on greedily up to the end of the sentence
(:mod:`baselines.cold.rounding`). Unlike the original, which runs the chains of one item at a time,
chains of many items go together (:mod:`baselines.cold.reader`). The original's ranking of
candidates is not released; the language model ranks them (:class:`baselines.candidates.LMRanking`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import torch

from baselines.autoregressive import check_vocabularies
from baselines.candidates import (
    MARKS,
    LMRanking,
    Ranking,
    best,
    continuation,
    excluded,
    first_sentence,
)
from baselines.cold.card import CARD
from baselines.cold.energy import Energy, Group
from baselines.cold.keywords import keywords
from baselines.cold.langevin import langevin
from baselines.cold.reader import NONE, Reader, after, before
from baselines.cold.rounding import initial, round_off
from baselines.cold.settings import ColdSettings
from baselines.soft import SoftReader
from models.base import Card, Generator, TargetSamples, sample_rng
from models.infilling import infill
from models.jobs import Job, Made, run
from models.nets.backbones import CausalLM
from models.nets.causal import load_lm
from models.nets.codec import Codec
from models.nets.decoding import rows_at_once, stack
from models.nets.finite import naming
from models.nets.unk import MaskedRepair, repairer
from tasks.base import Target, Task, Words
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent


@dataclass(frozen=True)
class Item:
    """What the networks read of one target: ids as in :class:`Group`, and how many tokens the
    middle may have."""

    left: tuple[int, ...]
    backward: tuple[int, ...]
    right: tuple[int, ...]
    keywords: tuple[int, ...]
    limit: int

    @property
    def lengths(self) -> tuple[int, ...]:
        """Items run together only where these are equal."""
        return tuple(map(len, (self.left, self.backward, self.right, self.keywords)))


class Cold(Generator):
    """COLD over a left-to-right and a right-to-left language model.

    Each sample is a chain of its own; the best ranked one is the answer. ``tokens`` are those of
    the middle, which ends with its first sentence-final mark, or without one at ``max_words`` or
    where the language model has no room left. Network evaluations: one for each token of the first
    greedy pass and of the rounding, and for each iteration one a network pass (three: both models'
    of fluency, and the gradient through the right context's likelihood); ranking is not counted.
    """

    card: ClassVar[Card] = CARD

    def __init__(
        self,
        model: CausalLM,
        backward: CausalLM | None,
        codec: Codec,
        backward_codec: Codec | None,
        settings: ColdSettings,
        *,
        ranking: Ranking | None = None,
        repair: MaskedRepair | None = None,
    ) -> None:
        """``backward`` may be None where ``settings.left_right`` is 1: nothing asks it then."""
        self.forward = self.backward = Reader(SoftReader(model))
        if backward is not None:
            self.backward = Reader(SoftReader(backward))
        self.codec, self.backward_codec, self.settings = codec, backward_codec, settings
        self.ranking = LMRanking(model, codec) if ranking is None else ranking
        self.repair, self.device = repair, model.device
        barred = {codec.eos, codec.bos, *excluded(codec, settings.unk)}
        self.words = [i for i in range(codec.text_size) if i not in barred]
        self.index = {word: i for i, word in enumerate(self.words)}
        known = [mark for mark in MARKS if mark in codec.vocabulary.ids]
        self.marks = sorted(self.index[mark] for mark in {codec.inner(mark) for mark in known})

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: ColdSettings, device: torch.device
    ) -> Self:
        """Raises ``UserError`` for models of different vocabularies and for a repair model that
        cannot be had."""
        used = [folders[role] for role in cls.card.needs(task, settings)]
        models, codecs, _ = zip(*(load_lm(folder, device) for folder in used))
        check_vocabularies(used, codecs)
        (model, backward), (codec, other) = [*models, None][:2], [*codecs, None][:2]
        repair = repairer(settings.unk, settings.repair_model, device)
        return cls(model, backward, codec, other, settings, repair=repair)

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """At most ``chains`` samples a target. Raises ``UserError`` for a target of another task,
        or one longer than the models can read."""
        samples_per_target = self.card.samples(self.settings, samples_per_target)
        items = {target.id: self._item(target) for target in targets}

        def decode(jobs: list[Job[Item]], report: Progress) -> list[Made]:
            decoded = self._decode(jobs, seed, report)
            return [
                Made(self.codec.words(ids), self.codec.tokens(ids), nfe) for ids, nfe in decoded
            ]

        results = run(
            targets,
            samples_per_target,
            decode,
            rows_at_once(batch, self.device),
            progress,
            given=lambda target, index: items[target.id],
            alike=lambda job: job.given.lengths,
        )
        for target, result in zip(targets, results, strict=bool(samples_per_target)):
            with naming(target.id):
                chosen = self._choose(target, result)
            yield chosen

    def _item(self, target: Target) -> Item:
        control, settings = infill(target), self.settings
        left = [*self.codec.head(()), *self.codec.encode(control.left)]
        right = continuation(self.codec, control.left, control.right)
        other = self.backward_codec
        backward = [*other.head(()), *other.encode(control.right[::-1])] if other else left
        needed = settings.length + max(len(left) + len(right), len(backward))
        room = min(reader.soft.positions for reader in (self.forward, self.backward))
        if needed > room:
            raise UserError(
                f"target {target.id} takes {needed} tokens, {settings.length} of its middle and "
                f"START included; the language models read {room}"
            )
        spare = self.forward.soft.positions - len(left) - len(right)
        padded, wanted = after(right), self._keywords(control.left, control.right)
        return Item(
            before(left),
            before(backward),
            padded,
            (*wanted, *[NONE] * len(padded))[: len(padded)],
            min(spare, self.codec.limit(settings.max_words) - 1),
        )

    def _keywords(self, left: Words, right: Words) -> list[int]:
        """Keywords' tokens as indices of the words that may be chosen; UNK is no keyword."""
        ids = continuation(self.codec, MARKS[:1], keywords(left, right))
        unknown = set(self.codec.unknown)
        return [self.index[i] for i in dict.fromkeys(ids) if i in self.index and i not in unknown]

    def _decode(
        self, jobs: list[Job[Item]], seed: int, report: Progress
    ) -> list[tuple[list[int], float]]:
        """The ids of each job's middle, and its network evaluations."""
        items = [job.given for job in jobs]
        group = Group(
            stack([item.left for item in items], self.device),
            stack([item.backward for item in items], self.device),
            stack([item.right for item in items], self.device),
            stack([item.keywords for item in items], self.device),
        )
        words = torch.tensor(self.words, device=self.device)
        energy = Energy(self.forward, self.backward, group, words, self.settings)
        y = initial(energy, self.settings.length)
        generators = [sample_rng(seed, self.name, job.target.id, job.index) for job in jobs]
        y = langevin(y, energy.gradient, self.settings, generators, report)
        fixed = self.settings.length + self.settings.iterations * energy.evaluations
        return [
            ([self.words[i] for i in row], float(fixed + len(row)))
            for row in round_off(energy, y, [item.limit for item in items], self.marks)
        ]

    def _choose(self, target: Target, result: TargetSamples) -> TargetSamples:
        """The samples cut after their first sentence, and the best of them."""
        control = infill(target)
        middles = [
            first_sentence(sample.words)[: self.settings.max_words] for sample in result.samples
        ]
        chosen = best(self.ranking, control, middles)
        if self.repair is not None:
            middles = [
                self.repair.repair(control.left, middle, control.right) for middle in middles
            ]
        samples = tuple(
            replace(sample, words=words)
            for sample, words in zip(result.samples, middles, strict=True)
        )
        return replace(result, samples=samples, chosen=chosen if samples else None)
