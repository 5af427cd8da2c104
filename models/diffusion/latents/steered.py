"""Whole texts under guidance of the score."""

from __future__ import annotations

from collections.abc import Sequence

from models.diffusion.guidance import LogProb
from models.diffusion.latents.decoding import ScoreGuidanceConfig
from models.diffusion.latents.diffusion import Diffusion
from models.diffusion.latents.guided import Free
from models.diffusion.latents.steering import LogProbOfWords, Part, Steering
from tasks.common.errors import UserError
from tasks.controls import AllOf, Control
from tasks.vocabulary import Vocabulary


class Steered(Free):
    """Texts under guidance of the score; ``parts``: one for each control of a target."""

    def __init__(
        self,
        diffusion: Diffusion,
        vocabulary: Vocabulary,
        config: ScoreGuidanceConfig,
        parts: Sequence[Part],
    ) -> None:
        super().__init__(diffusion, vocabulary)
        self.config, self.parts = config, tuple(parts)

    def guidance(self, controls: Sequence[Control]) -> Steering | None:
        """Of one batch. Raises ``UserError`` for another number of controls than of parts."""
        if not self.config.weight:
            return None
        return Steering(
            self.diffusion,
            self.config,
            *self.guides(controls),
            take=lambda rows: self.guides([controls[i] for i in rows]),
        )

    def guides(self, controls: Sequence[Control]) -> tuple[list[LogProb], list[LogProbOfWords]]:
        """What asks classifiers, and what asks the network's own words."""
        rows = [one.controls if isinstance(one, AllOf) else (one,) for one in controls]
        if any(len(row) != len(self.parts) for row in rows):
            raise UserError(f"a composition of {len(self.parts)} tasks takes as many controls")
        classifiers, own = list[LogProb](), list[LogProbOfWords]()
        for part, asked in zip(self.parts, zip(*rows), strict=True):
            if part.own is not None:
                own.append(part.own(asked))
            if part.classifier is not None:
                classifiers.append(part.classifier(asked))
        return classifiers, own
