"""AR-infilling: a language model of stories in the order left, right, middle (paper, section 6.4;
reference notes, section 2.10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from baselines.ar_infilling.card import CARD
from baselines.ar_infilling.settings import ARInfillingSettings
from baselines.autoregressive import Autoregressive, Decoded, Heads, continuations, uniforms
from models.base import Card, TargetSamples
from models.infilling import answer, infill
from models.jobs import Job
from models.nets.backbones import CausalLM
from models.nets.causal import load_lm
from models.nets.codec import Codec
from models.nets.decoding import sample
from models.nets.unk import MaskedRepair, repairer
from tasks.base import Target, Task
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.controls import Control, Infill


class ARInfilling(Autoregressive):
    """Samples the middle after ``bos, left, right``, until eos; the answer is the sample of minimum
    Bayes risk. A sample may be empty. Network evaluations: one a token, eos included."""

    card: ClassVar[Card] = CARD

    def __init__(
        self,
        model: CausalLM,
        codec: Codec,
        task: Task,
        settings: ARInfillingSettings,
        repair: MaskedRepair | None = None,
    ) -> None:
        super().__init__(model, codec, task, settings)
        self.repair = repair
        unk = codec.unknown if settings.unk == "avoid" else []
        self.forbidden = sorted({*codec.forbidden, *unk})

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        model, codec, _ = load_lm(folders["reordered_lm"], device)
        repair = repairer(settings.unk, settings.repair_model, device)
        return cls(model, codec, task, settings, repair)

    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """Each target's samples come with the chosen one. Raises ``UserError`` for a target that
        asks for something else, or whose contexts leave no room for a word and eos."""
        controls = {target.id: infill(target) for target in targets}
        heads = {name: Heads.of(self._heads(control)) for name, control in controls.items()}
        (positions,) = self._positions()
        for name, (length,) in ((name, head.lengths) for name, head in heads.items()):
            if length + 2 > positions:
                raise UserError(
                    f"the contexts of target {name} take {length} tokens, START included; "
                    f"this model reads {positions}, middle and END among them"
                )
        results = continuations(
            targets,
            samples_per_target,
            partial(self._decode, seed=seed),
            batch,
            progress,
            heads=heads,
            positions=[positions],
            limit=self.codec.limit(self.settings.max_words),
            codec=self.codec,
            device=self.model.device,
        )
        for samples in results:
            yield answer(samples, controls[samples.target_id], self.repair)

    def _heads(self, control: Control) -> list[list[int]]:
        assert isinstance(control, Infill)
        return [[self.codec.bos, *self.codec.encode([*control.left, *control.right])]]

    def _decode(self, jobs: list[Job[Heads]], seed: int, limit: int) -> list[Decoded]:
        texts = sample(
            self.model,
            [job.given.head for job in jobs],
            uniforms(self.name, jobs, seed, limit),
            self.codec.eos,
            self.forbidden,
            temperature=self.settings.temperature,
            top_k=self.settings.top_k,
            top_p=self.settings.top_p,
        )
        return [(ids, float(len(ids))) for ids in texts]
