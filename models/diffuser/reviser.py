"""Reading drafts with the network of edits, and revising them greedily or by draws.

A row's result depends on its own draft and random numbers alone: rows run together where their
texts are cut to one length, and so many rows that each is computed alike (see
:mod:`models.nets.decoding`). Shapes: R rows, L length, D width, V ids of words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.diffuser.draft import Draft, Writing
from models.diffuser.edits import Kind
from models.diffuser.network import EditModel
from models.diffusion.words.frame import cut
from models.nets.backbones import cross_cache
from models.nets.decoding import draw, padded_rows, truncate
from tasks.vocabulary import END, PAD, START, UNK

#: drafts that are read at once
ROWS = 64
#: what is never put: a text of a generator has no unknown word
SILENT = (START, UNK, PAD)


@dataclass(frozen=True)
class Read:
    """A draft as the encoder sees it: ``ids`` (L,), ``states`` (L, D), and log p of the tags of
    START and its words, (1 + n, 4), float64; tags that it cannot have are -inf."""

    draft: Draft
    ids: Tensor
    states: Tensor
    log_tags: Tensor


#: (places of rows (Q,), logits (Q, V) of what their open spans go on with) -> ids (Q,)
Choose = Callable[[list[int], Tensor], Tensor]


class Reviser:
    """``longest``: tokens of a text, START, END and PAD included."""

    def __init__(self, network: EditModel, longest: int) -> None:
        self.network, self.longest, self.opening = network, longest, network.opening

    @torch.inference_mode()
    def read(self, drafts: Sequence[Draft]) -> list[Read]:
        """Each draft; one evaluation of the encoder each."""
        out: dict[int, Read] = {}
        for rows in self._alike([self._size(draft) for draft in drafts]):
            ids = self._filled([self._ids(drafts[i]) for i in rows])
            states = self.network.read(ids)
            logits = self.network.tags(states).double().cpu()
            for k, i in enumerate(rows):
                barred = torch.tensor(
                    [[kind not in allowed for kind in Kind] for allowed in drafts[i].options()]
                )
                masked = logits[k, : len(barred)].masked_fill(barred, -torch.inf)
                out[i] = Read(drafts[i], ids[k], states[k], masked.log_softmax(-1))
        return [out[i] for i in range(len(drafts))]

    def start(self, read: Read, tags: Sequence[Kind], log_p: float) -> Writing:
        """The generator before a draft with these tags, whose log-probability is given."""
        return Writing.of(read.draft, tags, log_p, self.longest - 2, self.opening)

    def tags(self, read: Read, uniforms: Sequence[float] | None) -> Writing:
        """Before a draft with tags drawn by ``uniforms``, or with the likeliest ones. Where they
        would leave no word, words are inserted."""
        if uniforms is None:
            chosen = read.log_tags.argmax(-1)
        else:
            u = torch.tensor(uniforms[: len(read.log_tags)], dtype=torch.float64)
            chosen = draw(read.log_tags, u)
        tags = [Kind(i) for i in chosen.tolist()]
        if not read.draft.leaves(tags):
            tags[read.draft.left] = Kind.INSERT
        picked = torch.tensor([int(tag) for tag in tags])
        return self.start(read, tags, float(read.log_tags.gather(1, picked[:, None]).sum()))

    @torch.inference_mode()
    def write(
        self, reads: Sequence[Read], writings: Sequence[Writing], choose: Choose
    ) -> list[Writing]:
        """The drafts with their spans written. ``choose`` gets places among ``writings``."""
        now = list(writings)
        open_ = [i for i, one in enumerate(now) if not one.done]
        for part in self._alike([len(reads[i].ids) for i in open_]):
            rows = [open_[k] for k in part]
            writer = Writer(self.network, [reads[i] for i in rows], [now[i].tags for i in rows])
            while any(not now[i].done for i in rows):
                logits = writer.feed([None if now[i].done else now[i].next for i in rows])
                asked = []
                for k, i in enumerate(rows):
                    if not now[i].done:
                        now[i] = now[i].read(self.opening)
                        if now[i].span is not None:
                            asked.append(k)
                if not asked:
                    continue
                said = barred(logits[asked].cpu(), [now[rows[k]] for k in asked])
                words = choose([rows[k] for k in asked], said).tolist()
                log_p = said.double().log_softmax(-1)
                for row, (k, word) in enumerate(zip(asked, words, strict=True)):
                    now[rows[k]] = now[rows[k]].say(word, float(log_p[row, word]))
        return now

    def _size(self, draft: Draft) -> int:
        return cut(len(draft.words) + 2, self.longest)

    def _ids(self, draft: Draft) -> list[int]:
        ids = [START, *draft.words, END]
        return ids + [PAD] * (self._size(draft) - len(ids))

    def _filled(self, rows: list[list[int]]) -> Tensor:
        device = self.network.device
        lacking = padded_rows(len(rows), device) - len(rows)
        return torch.tensor([*rows, *[rows[0]] * lacking], device=device)

    @staticmethod
    def _alike(sizes: Sequence[int]) -> Iterator[list[int]]:
        """Places of entries with the same size, at most ``ROWS`` at once."""
        for size in sorted(set(sizes)):
            places = [i for i, one in enumerate(sizes) if one == size]
            yield from (places[at : at + ROWS] for at in range(0, len(places), ROWS))


class Writer:
    """The decoder beside drafts of one length: what it says behind what it has been fed."""

    def __init__(
        self, network: EditModel, reads: Sequence[Read], tags: Sequence[Sequence[Kind]]
    ) -> None:
        self.network, device = network, network.device
        lacking = padded_rows(len(reads), device) - len(reads)
        self.filler = [0] * lacking
        rows = [*reads, *[reads[0]] * lacking]
        ids = torch.stack([one.ids for one in rows])
        marked = torch.full(ids.shape, int(Kind.KEEP), device=device)
        for k, own in enumerate(tags):
            marked[k, : len(own)] = torch.tensor([int(tag) for tag in own], device=device)
        self.memory = network.tagged(torch.stack([one.states for one in rows]), marked)
        self.seen, self.rows = ids != PAD, len(reads)
        self.cache = cross_cache(network.decoder)

    def feed(self, read: Sequence[tuple[int, int] | None]) -> Tensor:
        """Logits (R, V) behind the next (token, place) of each row; None: it is done."""
        given = [(PAD, 0) if one is None else one for one in read]
        given += [given[i] for i in self.filler]
        tokens, places = torch.tensor(given, device=self.network.device).T
        states = self.network.written(
            self.memory, self.seen, tokens[:, None], places[:, None], self.cache
        )
        return self.network.said(states)[: self.rows, 0]

    def reorder(self, rows: Sequence[int]) -> None:
        """Row i goes on from what row ``rows[i]`` has read."""
        whole = [*rows, *range(self.rows, len(self.seen))]
        at = torch.tensor(whole, device=self.network.device)
        self.cache.reorder_cache(at)
        self.memory, self.seen = self.memory[at], self.seen[at]


def barred(logits: Tensor, writings: Sequence[Writing]) -> Tensor:
    """``logits`` (Q, V) of what the open span of each goes on with, without what it cannot be."""
    logits = logits.clone()
    logits[:, list(SILENT)] = -torch.inf
    for row, one in enumerate(writings):
        if not one.closes:
            logits[row, END] = -torch.inf
        elif not one.room:
            logits[row] = -torch.inf
            logits[row, END] = 0.0
    return logits


def greedy(rows: list[int], logits: Tensor) -> Tensor:
    """The likeliest."""
    return logits.argmax(-1)


class Drawn:
    """Draws word after word of each row by its ``uniforms``, a list a row."""

    def __init__(
        self, uniforms: Sequence[Sequence[float]], temperature: float, top_p: float
    ) -> None:
        self.uniforms, self.temperature, self.top_p = uniforms, temperature, top_p
        self.used = [0] * len(uniforms)

    def __call__(self, rows: list[int], logits: Tensor) -> Tensor:
        u = torch.tensor([self.uniforms[i][self.used[i]] for i in rows], dtype=torch.float64)
        for i in rows:
            self.used[i] += 1
        return draw(truncate(logits, self.temperature, 0, self.top_p), u)
