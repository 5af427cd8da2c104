"""Any-order autoregression in few steps (ARDM, Hoogeboom et al. 2022): words in random order, as
many at once as costs least.

It decodes the network of masked diffusion, which descends the same bound. A step that goes from a
known words to b of them draws b - a words that do not see each other, each at the loss L_a of a
word given a others, where one by one they would have cost L_a + ... + L_(b-1). Since L falls, the
T steps that cost least, sum (b - a) L_a, are found by dynamic programming, as they do to generate
in parallel: small steps where a word tells much of the next, large ones where it does not.
Shapes: B batch, L length.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from models.base import Plan, Role
from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import WordsSettings
from models.diffusion.words.masked import MASKED, NETWORK, Bound
from models.diffusion.words.method import WordDiffusion
from tasks.base import Task
from tasks.common.files import write_text
from tasks.common.progress import Progress
from tasks.common.ranges import ranged
from tasks.common.recipe import Folders, Recipe, recipe
from tasks.corpora.stored import VALID, read_corpus

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from models.diffusion.words.orders import Decided

LOSSES = "masked_losses"


def budget(losses: Sequence[float], steps: int) -> list[int]:
    """How many words each of ``steps`` steps decides, at least one; ``losses``: L_a of a word given
    a = 0, 1, ... others, one for each word of the text."""
    words = len(losses)
    none: tuple[float, tuple[int, ...]] = (float("inf"), ())
    #: what it costs at least to know so many words, and the sizes of the steps to there
    best = [(0.0, none[1]), *[none] * words]
    for _ in range(min(steps, words)):
        reached = [none]
        for b in range(1, words + 1):
            ways = [(best[a][0] + (b - a) * losses[a], (*best[a][1], b - a)) for a in range(b)]
            reached.append(min(ways))
        best = reached
    return list(best[words][1])


def at_counts(nats: Sequence[float], words: int) -> list[float]:
    """L_0, L_1, ... of a text of so many words, between the measured shares in proportion."""
    shares = [(i + 1) / len(nats) for i in range(len(nats))]

    def at(share: float) -> float:
        i = bisect_left(shares, share)
        if i == 0 or shares[i] == share:
            return nats[i]
        way = (share - shares[i - 1]) * len(nats)
        return nats[i - 1] + way * (nats[i] - nats[i - 1])

    return [at((words - a) / words) for a in range(words)]


def losses(plan: Plan, task: str) -> Recipe:
    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        from models.diffusion.words.likelihood import load_objective
        from models.diffusion.words.losses import FILE, measured

        texts = plan.seen(read_corpus(deps["corpus"]).valid[:VALID])
        objective, _ = load_objective(MASKED, deps[NETWORK], texts, plan.device)
        assert isinstance(objective, Bound)
        write_text(folder / FILE, json.dumps({"nats": measured(objective)}))

    deps = {role: plan.role(role) for role in (NETWORK, "corpus")}
    return recipe(LOSSES, "measure what a masked word costs", build, plan.window, deps=deps)


@dataclass(frozen=True)
class ARDMSettings(WordsSettings):
    #: steps; as many words share one as costs least at the losses of held-out texts
    steps: int = ranged(12, least=1, most=10**6)


CARD = WordsCard(
    "ardm",
    "models.ardm:ARDM",
    label="ARDM",
    paper="Hoogeboom et al. 2022, Autoregressive Diffusion Models",
    order=69,
    Settings=ARDMSettings,
    uses=(LOSSES,),
    brings=(MASKED, CLASSIFIER, Role(LOSSES, losses)),
    network=NETWORK,
)


class ARDM(WordDiffusion):
    card: ClassVar[WordsCard] = CARD
    #: as of :class:`models.diffusion.words.losses.Losses`
    nats: Sequence[float]

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Self:
        from models.diffusion.words.losses import read_losses

        made = super().load(folders, task, settings, device)
        made.nats = read_losses(folders[LOSSES])
        return made

    def process(self, free: Tensor) -> Any:
        import torch

        from models.diffusion.words.orders import Unmasking

        words = free.sum(1).tolist()
        steps = min(self.settings.steps, max(words))
        sizes = {n: budget(at_counts(self.nats, n), steps) for n in sorted(set(words))}
        # a row that is done in fewer steps than others is done
        until = [[*accumulate(sizes[n]), *[n] * (steps - len(sizes[n]))] for n in words]
        known = torch.tensor(until, device=free.device)

        def lift(move: Decided, which: Tensor, word: Tensor) -> Tensor:
            after = known[:, steps - 1 - move.t, None]
            return move.words(move.open & (move.process.place < after), word)

        return Unmasking(self.decoder.reader.words, free, steps, lift, lambda z: z)
