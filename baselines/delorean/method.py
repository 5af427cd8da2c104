"""DELOREAN: a middle as continuous logits, pulled by the right context and by fluency in turn.

Qin et al. 2020, "Back to the Future", abductive form (reference notes, section 2.12). The middle is
``length`` tokens, each with logits over the vocabulary. They start as the language model's own when
it goes on from the left context. A *backward pass* moves all of them by gradient steps against the
negative log-likelihood of the right context behind the left one and the soft middle; a *forward
pass* then goes through them from left to right and mixes what the language model says behind the
left context and the soft tokens so far with what the backward pass left: ``mix_rate`` * forward +
(1 - ``mix_rate``) * backward. Soft tokens are softmax(logits / temperature). After every pass a
text is read off; these are the candidates, cut after their first sentence and ranked
(:mod:`baselines.candidates`). The passes are in :mod:`baselines.delorean.passes`.

Ids that are no text, eos and, where it is avoided, UNK have no share in soft tokens nor in texts.
Unlike the original, which runs one item at a time, items with left contexts of one length go
together; right contexts are padded on the right to a multiple of ``RIGHT_MULTIPLE`` tokens, which
no earlier token attends to, so that the shape of an item's tensors is its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import torch

from baselines.candidates import (
    LMRanking,
    NextSentenceRanking,
    Ranking,
    best,
    continuation,
    excluded,
    until_period,
)
from baselines.delorean.card import CARD
from baselines.delorean.passes import Relaxation
from baselines.delorean.settings import DeloreanSettings
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

RIGHT_MULTIPLE = 8


@dataclass(frozen=True)
class Item:
    """Ids of bos and the left context, and of the right one, which is padded to ``width``."""

    left: list[int]
    right: list[int]
    width: int


class Delorean(Generator):
    """DELOREAN over the left-to-right language model.

    The samples of a target are its candidates from the last pass (index 0) backwards, at most one a
    pass however many ``samples_per_target`` asks for; ``chosen`` is the one that ranks best among
    them. All passes run in any case. With ``top_k`` 1 nothing is random.

    Network evaluations of a target, divided among its samples: one a token of the first pass, one a
    gradient step, one a token of each forward pass but its first one, whose logits never change.
    Ranking is not counted.
    """

    card: ClassVar[Card] = CARD

    def __init__(
        self,
        model: CausalLM,
        codec: Codec,
        settings: DeloreanSettings,
        ranking: Ranking | None = None,
        repair: MaskedRepair | None = None,
    ) -> None:
        self.codec, self.settings, self.repair = codec, settings, repair
        self.reader = SoftReader(model)
        self.ranking = LMRanking(model, codec) if ranking is None else ranking
        barred = sorted({codec.eos, *excluded(codec, settings.unk)})
        self.relaxation = Relaxation(self.reader, settings, barred)

    @classmethod
    def load(
        cls,
        folders: Mapping[str, Path],
        task: Task,
        settings: DeloreanSettings,
        device: torch.device,
    ) -> Self:
        """Raises ``UserError`` for a ranking or repair model that cannot be had."""
        model, codec, _ = load_lm(folders["lm"], device)
        ranking = None
        if settings.ranking == "nsp" and settings.rank_model:
            ranking = NextSentenceRanking.load(settings.rank_model, device)
        repair = repairer(settings.unk, settings.repair_model, device)
        return cls(model, codec, settings, ranking, repair)

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """``batch``: how many targets run at once. Raises ``UserError`` for a target that is longer
        than the language model can read."""
        items = {target.id: self._item(target) for target in targets}
        count = self.card.samples(self.settings, samples_per_target)
        chosen: dict[str, int] = {}

        def decode(jobs: list[Job[Item]], report: Progress) -> list[Made]:
            made = []
            for job, rows in zip(jobs, self._texts(jobs, seed), strict=True):
                texts = rows[::-1][:count]
                with naming(job.target.id):
                    words, chosen[job.target.id] = self._pick(job.target, texts)
                nfe = self._evaluations / count
                made += [
                    Made(one, self.codec.tokens(ids), nfe)
                    for ids, one in zip(texts, words, strict=True)
                ]
            return made

        results = run(
            targets,
            count,
            decode,
            rows_at_once(batch, self.reader.device),
            progress,
            given=lambda target, index: items[target.id],
            alike=lambda job: (len(job.given.left), job.given.width),
            each=count,
        )
        for samples in results:
            yield replace(samples, chosen=chosen[samples.target_id])

    @property
    def _evaluations(self) -> float:
        settings = self.settings
        return settings.length + settings.passes * (settings.backward_steps + settings.length - 1)

    def _item(self, target: Target) -> Item:
        control, codec = infill(target), self.codec
        left = [*codec.head(()), *codec.encode(control.left)]
        right = continuation(codec, control.left, control.right)
        needed = len(left) + self.settings.length + len(right)
        if needed > self.reader.positions:
            raise UserError(
                f"target {target.id} takes {needed} tokens ({len(left)} of its left context with "
                f"START, {self.settings.length} of the middle, {len(right)} of its right context); "
                f"the language model reads {self.reader.positions}"
            )
        return Item(left, right, self._width(left, right))

    def _width(self, left: Sequence[int], right: Sequence[int]) -> int:
        """Tokens of the right context with its padding; a rule of these two lengths alone."""
        room = self.reader.positions - len(left) - self.settings.length
        return min(room, -(-len(right) // RIGHT_MULTIPLE) * RIGHT_MULTIPLE)

    def _texts(self, jobs: Sequence[Job[Item]], seed: int) -> list[list[list[int]]]:
        """For each job the ids read off after each pass."""
        device, settings, items = self.reader.device, self.settings, [job.given for job in jobs]
        pads = [[self.codec.pad] * (item.width - len(item.right)) for item in items]
        right = [[*item.right, *pad] for item, pad in zip(items, pads, strict=True)]
        mask = [[1] * (items[0].width - len(pad)) + [0] * len(pad) for pad in pads]
        size = settings.passes + 1, settings.length
        drawn = [
            torch.rand(
                size,
                dtype=torch.float64,
                generator=sample_rng(seed, self.name, job.target.id, job.index),
            )
            for job in jobs
        ]
        ids = stack([item.left for item in items], device)
        filler = [drawn[0]] * (len(ids) - len(drawn))
        with torch.no_grad():
            between = self.relaxation.between(ids, stack(right, device), stack(mask, device))
            texts = self.relaxation.run(between, torch.stack([*drawn, *filler]).to(device))
        return [list(row) for row in texts[: len(items)].tolist()]

    def _pick(self, target: Target, texts: Sequence[list[int]]) -> tuple[list[Words], int]:
        """The candidates' words, and the index of the best one."""
        control = infill(target)
        middles = []
        for ids in texts:
            words = until_period(self.codec.words(ids))
            if self.repair is not None:
                words = self.repair.repair(control.left, words, control.right)
            middles.append(words)
        return middles, best(self.ranking, control, middles)
