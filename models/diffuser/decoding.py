"""Revision after revision of a batch of texts, plain or guided by control classifiers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from models.base import sample_rng, stream_seed
from models.diffuser.beam import Beam, search
from models.diffuser.corruption import Corruption, EditsConfig
from models.diffuser.draft import Draft, Writing
from models.diffuser.edits import Edit, Kind, inverse, marks, result
from models.diffuser.reviser import Drawn, Read, Reviser, greedy
from models.diffusion.words.guide import Guides
from models.nets.decoding import draw
from tasks.vocabulary import END, PAD, START

#: (revisions done, drafts)
See = Callable[[int, Sequence[Draft]], None]


@dataclass(frozen=True)
class Row:
    """A sample under way: its target and index, and the words that its control asks for exactly,
    if any."""

    target: str
    index: int
    words: int | None


class Revisions:
    """``settings``: a :class:`models.diffuser.settings.DiffuserSettings`; ``guides``: those of the
    batch's rows, None where nothing is guided; ``noise``: the corruption that candidates undo;
    ``ids``: of words. ``spent``: evaluations of networks, a row each."""

    def __init__(
        self, reviser: Reviser, settings: Any, rows: Sequence[Row], seed: int, name: str, *,
        edits: EditsConfig, ids: Sequence[int], guides: Guides | None,
    ) -> None:  # fmt: skip
        self.reviser, self.settings, self.rows = reviser, settings, rows
        self.seed, self.name, self.edits, self.ids = seed, name, edits, ids
        self.guides = guides if settings.guidance.weight else None
        self.spent = np.zeros(len(rows))

    def run(self, drafts: list[Draft], see: See) -> list[Draft]:
        """The drafts after all revisions; ``see`` gets those after each, the first ones before."""
        see(0, drafts)
        if self.settings.decoding == "beam":
            return self._beam(drafts, see)
        for step in range(self.settings.steps):
            drafts = self._guided(drafts, step) if self.guides else self._plain(drafts, step)
            see(step + 1, drafts)
        return drafts

    def _beam(self, drafts: list[Draft], see: See) -> list[Draft]:
        """One start of each row; the trace is that of the best path."""
        beam = Beam(self.reviser, self.settings.beams)
        out = []
        for row, draft in enumerate(drafts):

            def expand(some: Sequence[Draft], row: int = row) -> Any:
                options = beam(some)
                self.spent[row] += sum(beam.evaluations)
                return options

            def bonus(owners: Sequence[int], some: Sequence[Draft], row: int = row) -> list[float]:
                return self._scores([row] * len(some), some)

            guided = bonus if self.guides else None
            ((best, *_),) = search([draft], expand, self.settings.kept, self.settings.steps, guided)
            out.append(best)
        for step in range(self.settings.steps):
            see(step + 1, [path.trace[step] for path in out])
        return [path.draft for path in out]

    def _plain(self, drafts: Sequence[Draft], step: int) -> list[Draft]:
        reads = self.reviser.read(drafts)
        u = [self._uniforms(row, step, 1)[0] for row in range(len(drafts))]
        return [one.result for one in self._written(range(len(drafts)), reads, u)]

    def _written(
        self, rows: Sequence[int], reads: Sequence[Read], u: Sequence[list[float]],
        begun: Sequence[Writing | None] | None = None,
    ) -> list[Writing]:  # fmt: skip
        """Revisions of ``reads``, of the rows ``rows``; ``begun``: those whose tags are known."""
        longest, plain = self.reviser.longest, self.settings.decoding == "greedy"
        plain = plain and not self.guides
        begun = begun or [None] * len(reads)
        started = [
            known or self.reviser.tags(read, None if plain else own[:longest])
            for known, read, own in zip(begun, reads, u, strict=True)
        ]
        options = self.settings
        drawn = Drawn([own[longest:] for own in u], options.temperature, options.top_p)
        done = self.reviser.write(reads, started, greedy if plain else drawn)
        for row, one in zip(rows, done, strict=True):
            self.spent[row] += 1 + one.at + sum(map(len, one.spans))
        return done

    def _guided(self, drafts: Sequence[Draft], step: int) -> list[Draft]:
        """One candidate of each row, or the draft as it is: drawn by p(control | text), or in
        greedy decoding the likeliest to satisfy the control. In the first revision the tagger makes
        all of them, later one. Where some have as many words as are wanted, the others are out."""
        count = self.settings.guidance.candidates
        rows = [row for row in range(len(drafts)) for _ in range(count)]
        u = [one for row in range(len(drafts)) for one in self._uniforms(row, step, count)]
        noised, tags = list[Draft](), list[Any]()
        for at, row in enumerate(rows):
            own = step == 0 or at % count == 0 or not drafts[row].middle
            text, known = drafts[row], None
            if not own:
                text, known = self._noised(drafts[row], row, step, at % count)
            noised.append(text)
            tags.append(known)
        reads = self.reviser.read(noised)
        begun = [
            None if known is None else self.reviser.start(read, known, 0.0)
            for read, known in zip(reads, tags, strict=True)
        ]
        made = [one.result for one in self._written(rows, reads, u, begun)]
        pools = [
            [*made[row * count : (row + 1) * count], *([draft] if draft.middle else [])]
            for row, draft in enumerate(drafts)
        ]
        pools = [[d for d in pool if d.settled] or pool for pool in pools]
        owners = [row for row, pool in enumerate(pools) for _ in pool]
        scores = iter(self._scores(owners, [draft for pool in pools for draft in pool]))
        out = []
        for row, pool in enumerate(pools):
            weights = torch.tensor([[next(scores) for _ in pool]], dtype=torch.float64)
            if self.settings.decoding == "greedy":
                out.append(pool[int(weights.argmax())])
            else:
                chance = self._rng(row, "choice", step)
                u_choice = torch.rand(1, dtype=torch.float64, generator=chance)
                out.append(pool[int(draw(weights, u_choice))])
        return out

    def _noised(self, draft: Draft, row: int, step: int, which: int) -> tuple[Draft, Any]:
        """A draft that is corrupted again, and the tags of the edits that undo it."""
        e, keep = self.edits, self.settings.guidance.keep
        rest = max(1 - e.keep, 1e-9)
        changed = [(1 - keep) * one / rest for one in e.shares[1:]]
        # in training what is replaced most often has as many words as the noise in its place, so
        # that most candidates have as many words as noise gives them
        replace, delete, insert = changed if draft.wanted is None else (1 - keep, 0.0, 0.0)
        room = self.reviser.longest - 2 - draft.left - draft.right
        noise = Corruption(
            EditsConfig(keep, replace, delete, insert, length=e.length), self.ids, room
        )
        own = self.rows[row]
        rng = np.random.default_rng(
            stream_seed(self.seed, self.name, own.target, own.index, "noise", step, which)
        )
        left, right = draft.words[: draft.left], draft.words[len(draft.words) - draft.right :]
        right = right if draft.right else ()
        given = [(Edit(Kind.KEEP, part, part),) if part else () for part in (left, right)]
        edits = noise.edit(draft.middle, rng)
        if draft.wanted is not None:
            edits = noise.resized(edits, draft.wanted - len(draft.middle), rng)
        script = (*given[0], *edits, *given[1])
        noised = dataclasses.replace(draft, words=result(script))
        return noised, marks(inverse(script)).tags

    def _scores(self, owners: Sequence[int], drafts: Sequence[Draft]) -> list[float]:
        """log p(control | text) of each draft under the control of its row, weighed; a text that is
        to have so many words loses a nat times the weight with each that it has more or fewer."""
        assert self.guides is not None
        weight, length = self.settings.guidance.weight, self.reviser.longest
        ids = [F.pad(torch.tensor([START, *d.words, END]), (0, length), value=PAD) for d in drafts]
        x = torch.stack([one[:length] for one in ids]).to(self.reviser.network.device)
        rows = torch.tensor(owners, device=x.device)
        with torch.inference_mode():
            total = self.guides.log_prob(x, rows, x.new_zeros(len(x), dtype=torch.float32))
        out = total.tolist()
        for i, (row, draft) in enumerate(zip(owners, drafts, strict=True)):
            wanted = self.rows[row].words
            if wanted is not None:
                out[i] -= weight * abs(len(draft.words) - wanted)
        return out

    def _rng(self, row: int, use: str, step: int) -> torch.Generator:
        own = self.rows[row]
        return sample_rng(self.seed, self.name, own.target, own.index, use, str(step))

    def _uniforms(self, row: int, step: int, count: int) -> list[list[float]]:
        """Those of a row's candidates: of the tags, then of the words and the spans' ends."""
        rng = self._rng(row, "revision", step)
        size = (count, 3 * self.reviser.longest)
        found: list[list[float]] = torch.rand(size, dtype=torch.float64, generator=rng).tolist()
        return found
