"""lm-score: how likely a separate, well-trained language model finds a text (paper, section 6.2).

Definitions (reference notes, section 2.9). For a text w: words outside the corpus vocabulary become
UNK; nats(w) = -log p(w, eos | bos), summed over the predicted tokens: those of the text and eos,
never bos; tokens(w) is their number.

- ``nll``: mean over targets of the mean over their samples of nats(w) / tokens(w) (macro mean).
- ``ppl``: exp(nll), the paper's lm-score.
- token-weighted variants sum nats and tokens over all samples first.

A teacher of subwords (:class:`~models.nets.codec.PlainCodec`) knows every word. Its figure is a
word's and not a subword's, so that it is comparable whatever the vocabularies of methods and
teacher: ``lm (subwords)`` has nats(w) = -log p(pieces of the plain text of w, end | end), summed
over all pieces, in the numerator, and in the denominator the words of w that are no white space,
and 1 for the end.

They follow from what :meth:`Teacher.score` returns. The empty text has one token, eos. A text
longer than the teacher's positions is read in windows of that many tokens, which move on by half of
them: each token is predicted once, with all of the text before it that is in its window, at least
half a window.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.nets.artefact import WEIGHTS, read_tensors
from models.nets.backbones import CausalLM
from models.nets.causal import by_length, load_lm, pad_rows, token_nll
from models.nets.codec import Codec
from tasks.base import Words
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent

ROWS = 64
#: logits of a batch: a large vocabulary leaves room for fewer rows
LOGITS = 2**27
#: the longest window of a teacher that could read more: what a text costs grows with its square
WINDOW = 1024


class Teacher:
    """A language model in the role of judge."""

    def __init__(self, model: CausalLM, codec: Codec, digest: str) -> None:
        self.model, self.codec = model, codec
        self.id = f"causal_lm-{digest[:12]}"
        #: texts that were too long for one window so far
        self.long = 0

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Teacher:
        """Raises ``UserError`` if the language model in ``folder`` is missing or damaged."""
        model, codec, _ = load_lm(folder, device)
        return cls(model, codec, weights_digest(folder))

    def _batches(self, lengths: Sequence[int]) -> Iterator[np.ndarray]:
        """Indices of rows of like lengths, :data:`ROWS` at most."""
        for chosen in by_length(lengths, ROWS):
            longest = max(lengths[i] for i in chosen)
            at_once = max(1, LOGITS // (longest * self.model.vocabulary))
            for start in range(0, len(chosen), at_once):
                yield chosen[start : start + at_once]

    def score(self, texts: Sequence[Words], progress: Progress = silent) -> list[tuple[float, int]]:
        """(nats, tokens) of each text, in order, computed in fp32.

        Equal for a text up to rounding whatever stands beside it. Raises ``UserError`` for a figure
        that is not finite.
        """
        every = [self.codec.sequence((), words)[0] for words in texts]
        scores: list[tuple[float, int]] = [(0.0, 0)] * len(texts)
        for owner, _, nll in self._read(every, progress):
            nats, tokens = scores[owner]
            scores[owner] = (nats + float(nll.sum()), tokens + len(nll))
        for (nats, _), words in zip(scores, texts, strict=True):
            _check(nats, words)
        return scores

    def parts(
        self, texts: Sequence[Sequence[Words]], progress: Progress = silent
    ) -> list[list[float]]:
        """The nats of each part of texts that are given in parts, each part given those before it:
        -log p(part k | bos, parts 1 .. k-1). The text's end is not predicted. Every part is put
        into tokens on its own. Raises ``UserError`` as :meth:`score` does."""
        pieces = [[self.codec.encode(part) for part in text] for text in texts]
        every = [[*self.codec.head(()), *(i for part in text for i in part)] for text in pieces]
        head = len(self.codec.head(()))
        nats = [np.zeros(len(ids)) for ids in every]
        for owner, first, nll in self._read(every, progress):
            nats[owner][first : first + len(nll)] = nll.numpy()
        out = []
        for text, own, figures in zip(texts, pieces, nats, strict=True):
            ends = head + np.cumsum([0, *map(len, own)])
            out.append([float(figures[a:b].sum()) for a, b in pairwise(ends)])
            _check(sum(out[-1]), tuple(word for part in text for word in part))
        return out

    @torch.inference_mode()
    def _read(
        self, texts: Sequence[Sequence[int]], progress: Progress
    ) -> Iterator[tuple[int, int, Tensor]]:
        """(place of a text, place of its first predicted token, nats of that token and the next
        ones (n,)) of the windows over texts of ids, window by window of a text in order."""
        rows, owners, heads, places = list[np.ndarray](), list[int](), list[int](), list[int]()
        for owner, text in enumerate(texts):
            ids = np.array(text, dtype=np.int32)
            parts = windows(len(ids), min(self.model.positions, WINDOW))
            self.long += len(parts) > 1
            for start, first, end in parts if len(ids) > 1 else ():
                rows.append(ids[start:end])
                owners.append(owner)
                heads.append(first - start)
                places.append(first)
        done = 0
        for chosen in self._batches([len(row) for row in rows]):
            batch = pad_rows([rows[i] for i in chosen], self.codec.pad).to(self.model.device)
            counts = [len(rows[i]) - heads[i] for i in chosen]
            at = torch.arange(1, batch.shape[1], device=batch.device)
            head = torch.tensor([heads[i] for i in chosen], device=batch.device)
            length = torch.tensor([len(rows[i]) for i in chosen], device=batch.device)
            mask = (at >= head[:, None]) & (at < length[:, None])
            nll = token_nll(self.model, batch, mask).double().cpu()
            for i, nats in zip(chosen, nll.split(counts), strict=True):
                yield owners[i], places[i], nats
            done += len(chosen)
            progress(done, len(rows), "lm-score")


def _check(nats: float, words: Words) -> None:
    if not math.isfinite(nats):
        raise UserError(
            f"the teacher's log-probability of a text of {len(words)} words is {-nats}, no "
            f"number: its weights or its precision are at fault ({' '.join(words)[:60]})"
        )


def windows(length: int, most: int) -> list[tuple[int, int, int]]:
    """(start, first, end) of the windows over ``length`` tokens, of at most ``most`` each: tokens
    start..end are read and first..end predicted, ends exclusive. The token 0 is never predicted,
    all others are once."""
    parts, end = [(0, 1, min(length, most))], most
    while end < length:
        first, end = end, min(end + max(1, most // 2), length)
        parts.append((end - most, first, end))
    return parts


def weights_digest(folder: Path) -> str:
    """A hash of the weights themselves, whatever the file's metadata says."""
    tensors, _ = read_tensors(folder / WEIGHTS)
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        sha.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def assert_distinct(teacher: Path, judged: Iterable[Path]) -> None:
    """Raises ``UserError`` if the teacher's weights are those of a model whose texts it judges."""
    digest = weights_digest(teacher)
    for folder in judged:
        if weights_digest(folder) == digest:
            raise UserError(
                f"the teacher {teacher} and the judged model {folder} are the same network: train "
                "the teacher with another seed, or name another one"
            )
