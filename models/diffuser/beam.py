"""The 2-D beam: b candidates within a revision, r of them across revisions (Reid et al. 2022).

A candidate is a sequence of tags and the words of its spans; its score is log p of both, summed
over the revisions that led to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from models.diffuser.draft import Draft, Writing
from models.diffuser.edits import Kind
from models.diffuser.reviser import Read, Reviser, Writer, barred
from tasks.vocabulary import PAD

#: log p of a revision, and what it makes
Option = tuple[float, Draft]


@dataclass(frozen=True)
class Path:
    """A draft, and the drafts that led to it, the first revision first. ``score``: log p of all
    revisions, and whatever else candidates are chosen by."""

    draft: Draft
    log_p: float = 0.0
    trace: tuple[Draft, ...] = ()
    score: float = 0.0


def search(
    starts: Sequence[Draft],
    expand: Callable[[Sequence[Draft]], Sequence[Sequence[Option]]],
    kept: int,
    revisions: int,
    bonus: Callable[[Sequence[int], Sequence[Draft]], Sequence[float]] | None = None,
) -> list[list[Path]]:
    """The ``kept`` best paths of each start after so many revisions, the best first.

    ``expand``: drafts -> the candidates of a revision of each; ``bonus``: (starts' places, drafts)
    -> what is added to log p where candidates are chosen. Paths that meet in one text go on as the
    best of them; of equal scores the first is kept."""
    paths = [[Path(start)] for start in starts]
    for _ in range(revisions):
        flat = [path for group in paths for path in group]
        options = iter(expand([path.draft for path in flat]))
        grown = [
            [
                Path(draft, path.log_p + log_p, (*path.trace, draft))
                for path in group
                for log_p, draft in next(options)
            ]
            for group in paths
        ]
        extra = iter(_bonuses(grown, bonus))
        paths = []
        for group in grown:
            best: dict[Draft, Path] = {}
            for path in group:
                scored = Path(path.draft, path.log_p, path.trace, path.log_p + next(extra))
                held = best.get(path.draft)
                if held is None or scored.score > held.score:
                    best[path.draft] = scored
            paths.append(sorted(best.values(), key=lambda path: -path.score)[:kept])
    return paths


def _bonuses(grown: Sequence[Sequence[Path]], bonus: Any) -> Sequence[float]:
    owners = [i for i, group in enumerate(grown) for _ in group]
    if bonus is None:
        return [0.0] * len(owners)
    found: Sequence[float] = bonus(owners, [path.draft for group in grown for path in group])
    return found


def likeliest_tags(read: Read, beams: int) -> list[tuple[float, tuple[Kind, ...]]]:
    """The ``beams`` likeliest sequences of tags that leave a word, with log p: tags are drawn each
    on its own, so that no other sequence is likelier."""
    best: list[tuple[float, tuple[Kind, ...]]] = [(0.0, ())]
    # one sequence more than is kept: all words may be deleted
    for row in read.log_tags.tolist():
        grown = [
            (log_p + more, (*tags, kind))
            for log_p, tags in best
            for kind, more in zip(Kind, row, strict=True)
            if more > -torch.inf
        ]
        best = sorted(grown, key=lambda one: -one[0])[: beams + 1]
    return [one for one in best if read.draft.leaves(one[1])][:beams]


class Beam:
    """The candidates of one revision: a beam over tags, whose sequences go on as one beam over the
    words of their spans. A candidate that is written keeps its place by its score; none is
    favoured for its length."""

    def __init__(self, reviser: Reviser, beams: int) -> None:
        self.reviser, self.beams = reviser, beams
        #: evaluations of the network of the last call's drafts
        self.evaluations: list[float] = []

    def __call__(self, drafts: Sequence[Draft]) -> list[list[Option]]:
        reads = self.reviser.read(drafts)
        self.evaluations = [1.0] * len(drafts)
        return [self._candidates(i, read) for i, read in enumerate(reads)]

    @torch.inference_mode()
    def _candidates(self, at: int, read: Read) -> list[Option]:
        opening = self.reviser.opening
        now = [self.reviser.start(read, tags, p) for p, tags in likeliest_tags(read, self.beams)]
        rows = [*now, *[now[0]] * (self.beams - len(now))]
        writer = Writer(self.reviser.network, [read] * self.beams, [one.tags for one in rows])
        while any(not one.done for one in now):
            fed = [None if one.done else one.next for one in now]
            logits = writer.feed([*fed, *[(PAD, 0)] * (self.beams - len(now))])
            self.evaluations[at] += sum(one is not None for one in fed)
            grown = self._grown([o if o.done else o.read(opening) for o in now], logits)
            grown = sorted(grown, key=lambda one: -one[1].log_p)[: self.beams]
            now = [one for _, one in grown]
            origin = [i for i, _ in grown]
            writer.reorder([*origin, *[0] * (self.beams - len(now))])
        return [(one.log_p, one.result) for one in now]

    def _grown(self, now: Sequence[Writing], logits: torch.Tensor) -> list[tuple[int, Writing]]:
        """Every way to go on, with the row that it comes from."""
        out: list[tuple[int, Writing]] = []
        for i, one in enumerate(now):
            if one.span is None:
                out.append((i, one))
                continue
            log_p = barred(logits[i : i + 1].cpu(), [one])[0].double().log_softmax(-1)
            found = log_p.topk(min(self.beams, len(log_p)))
            out += [
                (i, one.say(word, p))
                for p, word in zip(found.values.tolist(), found.indices.tolist(), strict=True)
                if p > -torch.inf
            ]
        return out
