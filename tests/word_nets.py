"""Small networks of words for the tests: fresh ones of a family, and ones that know the answer.

Shapes: B batch, L length, n words of a text, W words that there are, V ids of a vocabulary.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.diffusion.words.frame import LENGTHS, Texts, word_ids
from models.diffusion.words.levels import LogLinear
from models.diffusion.words.reader import Reader
from models.diffusion.words.role import build
from models.nets.artefact import save_network
from models.nets.config import EncoderConfig, TrainConfig
from tasks.vocabulary import END, PAD, SPECIALS, START, Vocabulary

CPU = torch.device("cpu")
TINY = EncoderConfig(
    layers=1, width=16, heads=2, feedforward=32, dropout=0.0, attention_dropout=0.0
)
WORDS = Vocabulary([*SPECIALS, "a", "b", "c", "."])


def fresh(folder: Path, method: Any, length: int = 16, **config: Any) -> Path:
    """An untrained network of the method's family, as its training would store it."""
    (role,) = (one for one in method.card.brings if one.name == method.card.network)
    settings = role.preset("demo", SimpleNamespace(corpus="grammar", window=0))
    given = {"time": settings.time} | config
    settings = type(settings)(length=length, network=TINY, train=TrainConfig(steps=1), **given)
    torch.manual_seed(0)
    network, facts = build(role.name, settings, WORDS)
    folder.mkdir(parents=True, exist_ok=True)
    counts = {"counts": {str(n): 1 for n in range(2, 7)}}
    save_network(
        folder, network, settings, facts, words=("vocabulary", WORDS),
        files={LENGTHS: json.dumps(counts)},
    )  # fmt: skip
    return folder


#: alpha = 1 - t
EQUAL = LogLinear(0.0).alpha
#: a text "x1 x2" of words that often agree (two words; UNK, which counts as one, never comes)
AGREEING = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.4, 0.1], [0.0, 0.1, 0.4]], dtype=torch.float64)
#: three words, no symmetry: no two marginals alike
CROOKED = torch.tensor(
    [[0.30, 0.05, 0.05], [0.02, 0.25, 0.03], [0.10, 0.05, 0.15]], dtype=torch.float64
)


#: the same of words beside UNK, which never comes
SKEWED = torch.zeros(4, 4, dtype=torch.float64)
SKEWED[1:, 1:] = CROOKED


def ids_of(joint: Tensor) -> int:
    """How many ids a vocabulary of the words of ``joint`` (W, ...) has."""
    return len(joint) + 3


def texts(joint: Tensor) -> tuple[Tensor, Tensor]:
    """Every text (W^n, n + 2), START and END included, and how likely it is, (W^n,)."""
    words = word_ids(ids_of(joint))
    places = torch.cartesian_prod(*[torch.arange(len(joint))] * joint.dim()).view(-1, joint.dim())
    edges = torch.ones(len(places), 1, dtype=torch.long)
    ids = torch.cat([START * edges, words[places], END * edges], 1)
    return ids, joint.flatten()


def entropy(joint: Tensor) -> float:
    return float(torch.special.entr(joint).sum())


class Knows(nn.Module):
    """What a perfect network says of texts of n words, whose ``joint`` (W, ..., W) probabilities
    are known; the words are those of :func:`models.diffusion.words.frame.word_ids`, UNK first.

    ``of``: masked, p(x^l | words that are there); others, p(x^l | the other, noised words), which
    bounds of uniform noise teach; all, p(x^l | all noised words), which cross-entropy teaches;
    scores, what SEDD's uniform network says. ``alpha``: of times (B,), under uniform noise.
    ``wrong``: is added to the logits, then normalised. ``asked``: rows that it has read.
    """

    def __init__(
        self,
        joint: Tensor,
        of: Literal["masked", "others", "all", "scores"] = "masked",
        alpha: Callable[[Tensor], Tensor] = EQUAL,
        wrong: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.joint, self.of, self.alpha, self.wrong = joint, of, alpha, wrong
        self.known = word_ids(ids_of(joint))
        self.words, self.device, self.positions = ids_of(joint) + 1, CPU, joint.dim() + 2
        self.time = None if of == "masked" else True
        self.asked, self.dtype = 0, torch.float64

    def forward(self, ids: Tensor, time: Tensor | None = None, at: Tensor | None = None) -> Tensor:
        self.asked += len(ids)
        here = ids[:, 1 : 1 + self.joint.dim(), None] == self.known  # (B, n, W)
        if self.of == "masked":
            likely = torch.where(here.any(-1, keepdim=True), here.double(), 1.0)
        else:
            assert time is not None
            alpha = self.alpha(time).double()[:, None, None]
            likely = alpha * here + (1 - alpha) / len(self.known)
        out = torch.full((*ids.shape, self.words), -torch.inf, dtype=torch.float64)
        for l in range(self.joint.dim()):  # noqa: E741
            seen = self.joint.expand(len(ids), *self.joint.shape)
            for other in range(self.joint.dim()):
                if other != l or self.of == "all":
                    shape = [-1, *[1] * self.joint.dim()]
                    shape[1 + other] = len(self.known)
                    seen = seen * likely[:, other].view(shape)
            seen = seen.sum([1 + other for other in range(self.joint.dim()) if other != l])
            p = seen / seen.sum(-1, keepdim=True)
            if self.of == "scores":
                noised = alpha[:, 0] * p + (1 - alpha[:, 0]) / len(self.known)
                p = noised / noised[here[:, l]][:, None] if here[:, l].any() else noised
            log_p = p.log()
            if self.wrong is not None:
                log_p = log_p + self.wrong
                if self.of != "scores":
                    log_p = log_p.log_softmax(-1)
            out[:, 1 + l, self.known] = log_p
        out = out.to(self.dtype)
        return out if at is None else out[at]


class Says(nn.Module):
    """Every word of ``joint`` (W, ...) as likely as the others, and ids that are no words as
    ``elsewhere`` says, in texts of any number of words (``length``)."""

    def __init__(self, joint: Tensor, elsewhere: float = -torch.inf, length: int = 2) -> None:
        super().__init__()
        self.words, self.device, self.time = ids_of(joint) + 1, CPU, None
        self.positions, self.dtype = length + 2, torch.float64
        self.logits = torch.full((self.words,), elsewhere, dtype=torch.float64)
        self.logits[word_ids(ids_of(joint))] = 0.0

    def forward(self, ids: Tensor, time: Tensor | None = None, at: Tensor | None = None) -> Tensor:
        out = self.logits.expand(*ids.shape, -1)
        return out if at is None else out[at]


def objective(Objective: Any, module: Any, Config: Any, joint: Tensor, **config: Any) -> Any:
    """An objective of a family on the texts of ``joint``."""
    ids, _ = texts(joint)
    settings = Config(length=ids.shape[1], network=TINY, **config)
    held = Texts(ids, None)
    return Objective(module, settings, held, held, 0)


def sampled(
    method: Any, module: Any, rows: int, *, pinned: Sequence[int | None] = (), hooks: Any = None,
    seed: int = 0, watch: Callable[[Tensor], None] | None = None, **settings: Any,
) -> tuple[Tensor, Any]:  # fmt: skip
    """Texts (rows, n + 2) that a family draws with ``module``, from one stream, and what was read.

    ``pinned``: the id of each of the n words, None where it is free; ``hooks``: (process) -> hooks
    of :func:`models.diffusion.loop.walk`; ``watch`` sees each state that the network reads."""
    from models.diffusion.loop import uniform, walk

    n, module.dtype = module.positions - 2, torch.float32
    pins = [START, *(pinned or [None] * n), END]
    free = torch.tensor([id is None for id in pins]).expand(rows, -1)
    given = torch.tensor([PAD if id is None else id for id in pins]).expand(rows, -1)
    reader = Reader(module, module.words - 1)
    told = method.card.Settings(**{"temperature": 1.0} | settings)
    made = method(SimpleNamespace(reader=reader), told)
    process = made.process(free)
    reading = reader.reading(rows, told.temperature, made.estimate)
    rng = torch.Generator().manual_seed(seed)

    def estimate(x: Tensor, t: int, before: Tensor | None) -> Tensor:
        if watch is not None:
            watch(x)
        said: Tensor = reading(x, process.time(x, t))
        return said

    x = walk(
        estimate,
        process,
        lambda: uniform((rows, 2, n + 2), rng),
        CPU,
        pin=lambda x, s: torch.where(free, x, given),
        **(hooks(process) if hooks else {}),
    )
    return x, reading


def frequencies(x: Tensor, joint: Tensor) -> Tensor:
    """How often each text of ``joint`` is among x (B, n + 2), in the shape of ``joint``."""
    places = torch.zeros(ids_of(joint) + 1, dtype=torch.long)
    known = word_ids(ids_of(joint))
    places[known] = torch.arange(len(known))
    assert bool(torch.isin(x[:, 1:-1], known).all()), "no mask is left"
    index = torch.zeros(len(x), dtype=torch.long)
    for column in x[:, 1:-1].T:
        index = index * len(known) + places[column]
    return torch.bincount(index, minlength=joint.numel()).view(joint.shape).double()


def assert_drawn(found: Tensor, law: Tensor) -> None:
    """``found`` counts come from the probabilities ``law``: nothing impossible, and a chi-square
    that chance exceeds once in 10 000 times (Wilson-Hilferty)."""
    found, wanted = found.flatten(), law.flatten() * found.sum()
    assert float(found[wanted == 0].sum()) == 0
    kept = wanted > 0
    square = float(((found - wanted)[kept].square() / wanted[kept]).sum())
    freedom = int(kept.sum()) - 1
    part = 2 / (9 * freedom)
    assert square < freedom * (1 - part + 3.719 * math.sqrt(part)) ** 3, (found, wanted)


def apart(joint: Tensor) -> Tensor:
    """The product of the marginals of two words."""
    return joint.sum(1)[:, None] * joint.sum(0)


def distance(law: Tensor, wanted: Tensor) -> float:
    """Total variation."""
    return float((law - wanted).abs().sum()) / 2


def chain_law(method: Any, module: Knows, **settings: Any) -> Tensor:
    """The law of a family's walk over two words, by the products of its steps' matrices over all
    texts: each position moves on its own, given the whole text."""
    ids, _ = texts(module.joint)
    states, words = len(ids), len(module.known)
    reader = Reader(module, module.words - 1)
    module.dtype = torch.float32
    told = method.card.Settings(**{"temperature": 1.0} | settings)
    made = method(SimpleNamespace(reader=reader), told)
    process = made.process((ids != START) & (ids != END))
    law = torch.full((states,), 1 / states, dtype=torch.float64)
    own = torch.cartesian_prod(torch.arange(words), torch.arange(words))
    for t in reversed(range(process.steps)):
        said = reader.reading(states, 1.0, made.estimate)(ids, process.time(ids, t))
        move = process.move(ids, said, t)
        step = move.logits.double().softmax(-1)[:, 1:3][..., module.known]
        if move.share < 1:
            stay = torch.nn.functional.one_hot(own, words)
            step = move.share * step + (1 - move.share) * stay
        law = law @ (step[:, 0, :, None] * step[:, 1, None, :]).flatten(1)
    return law.view(words, words)
