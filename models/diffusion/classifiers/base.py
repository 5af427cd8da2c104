"""What every classifier on noisy latents shares.

Shapes: B batch, L length, D embedding dimension. A level s is a step of the decoding schedule: 0
the least noise, -1 none.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn

from models.diffusion.config import ClassifierConfig
from models.nets.ahead import Draws
from models.nets.encoder import bert_config
from models.nets.learned import ENTROPY, Learned, compared, surprise
from models.nets.precision import by_token
from tasks.base import Text, Words
from tasks.common.batching import BatchPlan
from tasks.controls import Control
from tasks.vocabulary import Vocabulary

#: held-out texts behind each point of the training curve
VALIDATION_TEXTS = 128
#: intervals between the noise levels of the training curve, and of ``curve_noise.json``
TRAINING_LEVELS, CURVE_LEVELS = 4, 10
#: held-out texts on which a classifier is held against chance
LEARNED_TEXTS = 256
CHUNK = 64

#: texts -> (control, words) pairs that hold (``tasks.base.Task.examples``)
Examples = Callable[[Sequence[Text]], Iterable[tuple[Control, Words]]]
#: what was counted as right, and out of how many
Tally = Mapping[str, tuple[float, float]]
#: of every answer, flat: its row of the batch, the network's loss in nats, the label that is right,
#: and the group of answers within which its frequency is chance
Answers = tuple[Tensor, Tensor, Tensor, Tensor]
#: a classifier, and what it must say of the texts
M = TypeVar("M", bound="LatentInput")
Gold = TypeVar("Gold")


class LatentInput(nn.Module):
    """Latents and their noise level as input vectors: [time; projected latents].

    The latents of a process of words are these words' embeddings in a table of the classifier's
    own (``own_table``), as wide as the network, and are not projected.
    """

    def __init__(self, config: ClassifierConfig, space: Space) -> None:
        super().__init__()
        width = config.network.width
        if space.table is None:
            self.word_embedding = nn.Embedding(space.process.ids, width)
            with torch.no_grad():
                self.word_embedding.weight *= width**-0.5
        else:
            dim = space.table.shape[1]
            self.up = nn.Sequential(nn.Linear(dim, 4 * dim), nn.Tanh(), nn.Linear(4 * dim, width))
        #: one row for each decoding step, the last one for clean latents
        self.time_embedding = nn.Embedding(config.steps + 1, width)

    @property
    def dtype(self) -> torch.dtype:
        return self.time_embedding.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.time_embedding.weight.device

    def project(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., width)."""
        if self.own_table is not None:
            return x.to(self.dtype)
        return by_token(self.up, x.to(self.dtype)).to(self.dtype)

    @property
    def own_table(self) -> Tensor | None:
        """The embeddings (V, width) of words, where they are the classifier's own."""
        embedding = getattr(self, "word_embedding", None)
        return None if embedding is None else embedding.weight

    def inputs(self, x: Tensor, s: Tensor) -> Tensor:
        """(B, 1 + L, width) of latents x (B, L, D) at levels s (B,)."""
        index = torch.where(s < 0, self.time_embedding.num_embeddings - 1, s)
        return torch.cat([self.time_embedding(index)[:, None, :], self.project(x)], dim=1)


class LatentEncoder(LatentInput):
    """A BERT encoder with its own embeddings layer over [time; projected latents]."""

    def __init__(self, config: ClassifierConfig, space: Space) -> None:
        from transformers.models.bert.modeling_bert import BertEncoder

        super().__init__(config, space)
        width, length = config.network.width, space.length
        self.position_embedding = nn.Embedding(length + 1, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(config.network.dropout)
        self.encoder = BertEncoder(bert_config(config.network, length + 1))

    def states(self, x: Tensor, s: Tensor) -> Tensor:
        """Encoder states (B, L, width) of latents x (B, L, D) at levels s (B,), -1 for clean."""
        hidden = self.inputs(x, s)
        hidden = hidden + self.position_embedding.weight[: hidden.shape[1]]
        hidden = self.encoder(self.dropout(self.norm(hidden))).last_hidden_state
        return hidden[:, 1:].to(self.dtype)


class Noising(Protocol):
    """What a classifier asks of a process: texts under its noise, as latents."""

    @property
    def name(self) -> str: ...

    @property
    def steps(self) -> int: ...

    @property
    def told(self) -> bool:
        """Whether a classifier is told the level; noise of words shows by itself."""

    @property
    def ids(self) -> int:
        """How many ids its states have, those of words and of a mask; 0 of latents."""

    def signal(self, level: int) -> float: ...

    def noise_for(
        self, ids: Tensor, table: Tensor, rng: torch.Generator | None = None
    ) -> Tensor: ...

    def latents(self, ids: Tensor, table: Tensor, level: Tensor, noise: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Space:
    """The noisy latents that a classifier reads: those of ``process``, over the embeddings
    ``table`` (V, D), fp32, of ``vocabulary``, in sequences of ``length`` tokens; where ``table`` is
    None, over embeddings of its own. ``device``: where it is trained and read."""

    process: Noising
    table: Tensor | None
    vocabulary: Vocabulary
    length: int
    device: torch.device


@dataclass(frozen=True)
class Setup:
    """What a classifier is trained from."""

    space: Space
    config: ClassifierConfig
    train: Sequence[Text]
    valid: Sequence[Text]
    examples: Examples | None
    seed: int


class NoisyObjective(ABC, Generic[M, Gold]):
    """Trains a classifier on texts under the noise of ``space``'s process, at a level drawn
    uniformly from -1 (clean) to steps-1 for each text. Latents are noised around the plain
    embeddings ``table`` (V, D), without the extra std of x_0. ``train`` and ``valid``: token ids
    (N, L), and the gold answers for these N texts."""

    def __init__(
        self,
        classifier: M,
        space: Space,
        *,
        train: tuple[Tensor, Gold],
        valid: tuple[Tensor, Gold],
        batch: int,
        seed: int,
    ) -> None:
        self.classifier = classifier.to(space.device)
        self.module: nn.Module = classifier
        self.process = space.process
        self._table = space.table
        (self.train_ids, self.train_gold), (self.valid_ids, self.valid_gold) = train, valid
        self.plan = BatchPlan(len(self.train_ids), batch, seed)
        self.draws = Draws(self.draw, seed, space.device)

    @property
    def table(self) -> Tensor:
        """The embeddings that words are read by."""
        table = self.classifier.own_table if self._table is None else self._table
        assert table is not None
        return table

    def told(self, s: Tensor) -> Tensor:
        """The levels that the classifier is told, of levels s (B,)."""
        return s if self.process.told else torch.full_like(s, -1)

    @abstractmethod
    def batch_loss(self, rows: Tensor, x: Tensor, s: Tensor) -> Tensor:
        """The mean loss of training texts ``rows`` (B,), given their latents x (B, L, D) at levels
        s (B,), both on the network's device."""

    @abstractmethod
    def tally(self, rows: slice, x: Tensor, s: Tensor) -> Tally:
        """Right and all answers by name, on held-out texts ``rows``."""

    @abstractmethod
    def answers(self, rows: slice, x: Tensor, s: Tensor) -> Answers:
        """On held-out texts ``rows``, of what guides ask for."""

    def draw(self, step: int, rng: torch.Generator | None) -> list[Tensor]:
        """Of a step: rows, their ids, levels and noise, on the CPU."""
        rows = torch.from_numpy(self.plan(step))
        ids = self.train_ids[rows]
        s = torch.randint(-1, self.process.steps, (len(ids),), generator=rng)
        return [rows, ids, s, self.process.noise_for(ids, self.table, rng)]

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        rows, ids, s, noise = self.draws(step)
        x = self.process.latents(ids, self.table, s, noise)
        return self.batch_loss(rows, x, self.told(s).to(x.device, non_blocking=True)), {}

    def figures(self, level: int, texts: int) -> dict[str, float]:
        """Shares of right answers at one level on the first held-out texts, under fixed noise."""
        right: dict[str, float] = {}
        count: dict[str, float] = {}
        for rows, x, s in self._noised(level, texts):
            for name, (hits, total) in self.tally(rows, x, s).items():
                right[name] = right.get(name, 0.0) + hits
                count[name] = count.get(name, 0.0) + total
        return {name: right[name] / count[name] for name in right if count[name]}

    def _noised(self, level: int, texts: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """The first held-out texts under fixed noise, a few at a time: rows, latents, levels."""
        ids = self.valid_ids[:texts]
        noise = self.process.noise_for(ids, self.table, torch.Generator().manual_seed(0))
        for first in range(0, len(ids), CHUNK):
            rows = slice(first, first + CHUNK)
            s = torch.full((len(ids[rows]),), level)
            x = self.process.latents(ids[rows], self.table, s, noise[rows])
            yield rows, x, self.told(s).to(x.device)

    def learned(self) -> Learned | None:
        """At noise levels from none to the most, all alike."""
        found: list[list[Tensor]] = []
        for level in levels(self.process.steps, TRAINING_LEVELS):
            for rows, x, s in self._noised(level, LEARNED_TEXTS):
                row, *rest = (one.cpu() for one in self.answers(rows, x, s))
                found.append([row + rows.start, *rest])
        if not found:
            return None
        text, loss, label, group = (torch.cat(column).numpy() for column in zip(*found))
        return compared(loss, surprise(label, group), text.tolist(), ENTROPY)

    def validate(self) -> Mapping[str, float]:
        """The figures at five noise levels."""
        return {
            f"{name}_t{level}": value
            for level in levels(self.process.steps, TRAINING_LEVELS)
            for name, value in self.figures(level, VALIDATION_TEXTS).items()
        }

    @torch.no_grad()
    def noise_curve(self) -> list[dict[str, float]]:
        """The figures on all held-out texts at levels from clean to the noisiest, each with its
        level and what is left of the signal (of latents, alpha_bar)."""
        return [
            {"level": level, "alpha_bar": self.process.signal(level)}
            | self.figures(level, len(self.valid_ids))
            for level in levels(self.process.steps, CURVE_LEVELS)
        ]


def levels(steps: int, intervals: int) -> list[int]:
    """Levels in equal intervals from -1 (clean) to steps-1, each once."""
    return sorted({i * steps // intervals - 1 for i in range(intervals + 1)})


class Guide(ABC):
    """log p(control | x_s, s) of each row of a batch, (B,), from latents (B, L, D).

    ``per_row``: names of the tensors (B, ...) that hold the rows' controls. ``terms``: how many
    log-probabilities its value is the mean of, so that times ``terms`` it is their sum, which is
    what Bayes' rule adds to log p(text).
    """

    per_row: tuple[str, ...]
    classifier: Any

    @abstractmethod
    def __call__(self, x: Tensor, s: int | Tensor) -> Tensor:
        """``s``: the level, one or one for each row."""

    def at(self, x: Tensor, s: int | Tensor) -> Tensor:
        """Levels (B,) of latents x."""
        return torch.as_tensor(s, device=x.device).expand(len(x))

    @property
    def terms(self) -> Tensor | int:
        return 1

    def take(self, rows: Tensor) -> Self:
        """The same for the rows ``rows`` (N,) of the batch, which may be named several times."""
        taken = copy.copy(self)
        for name in self.per_row:
            setattr(taken, name, getattr(self, name)[rows])
        return taken


@dataclass(frozen=True)
class Summed:
    """Makes functions that say log p(control | x_s, s) itself, the sum of what guides take the mean
    of: where a gradient is used as long as it is (Dhariwal and Nichol 2021), and not as long as
    Adagrad makes it."""

    make: Callable[[Sequence[Control]], Guide]

    def __call__(self, controls: Sequence[Control]) -> Callable[[Tensor, int], Tensor]:
        guide = self.make(controls)
        return lambda x, s: guide(x, s) * guide.terms
