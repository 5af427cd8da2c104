"""NADO's success function R(x, c) = E[ C(y, c) | y starts with x ] over texts y of the language
model, C being 1 where y satisfies the control c (Meng et al. 2022, section 3).

Rare successes leave R next to nothing to learn from, so that it is learnt as a ratio, which is all
that decoding reads: with f(x, c) = log R(x, c) / R(empty, c), f(empty, c) = 0,

    a pair (y, c) that holds is a positive, and c with any text y' of the model a negative:

the logistic loss of f over all their prefixes has its minimum there, however rare successes are
(the controls of both being drawn alike, as often as one likes). As in the paper, one forward pass
gives f for every next word, the last layer starts at zero, where it is the language model, and f is
held to what it says one step on: with r(x) = sum_v p(v | x) exp f(xv),

    KL( Bernoulli(r / (1 + r)) || Bernoulli(sigmoid f(x)) ).

``generative`` weighs the likelihood of the positives under what is decoded from, p(v | x) exp f(xv)
/ r(x), which has the same minimum. Shapes: B rows, L tokens, V words, N tokens of texts in all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.nado.config import SuccessConfig
from baselines.nado.success import Success
from models.nets.backbones import CausalLM
from models.nets.causal import Example, pad_rows
from models.nets.codec import Codec
from models.nets.learned import ENTROPY, Learned, compared
from tasks.base import Words

#: pairs of held-out texts that the training curve is of
HELD = 128


class Objective:
    """``train`` and ``held``: (prompt, words) pairs that hold, and the texts of the language model
    that their words are among; ``evenly``: all controls are drawn alike, else all pairs."""

    def __init__(
        self,
        network: Success,
        lm: CausalLM,
        codec: Codec,
        train: tuple[Sequence[Example], Sequence[Words]],
        held: tuple[Sequence[Example], Sequence[Words]],
        *,
        config: SuccessConfig,
        seed: int,
        evenly: bool = False,
    ) -> None:
        self.module: nn.Module = network
        self.network, self.lm, self.codec = network, lm, codec
        self.config, self.seed = config, seed
        self.train, self.held = train, held
        self.heads = {tuple(prompt): codec.head(prompt) for prompt, _ in (*train[0], *held[0])}
        controls = [tuple(prompt) for prompt, _ in train[0]]
        counts = Counter(controls if evenly else ())
        self.mass = np.cumsum([1 / max(1, counts[one]) for one in controls])

    def _batch(self, rng: np.random.Generator, size: int) -> list[tuple[list[int], list[int]]]:
        """(head, text and end) of ``size`` positives, then of as many negatives."""
        pairs, texts = self.train
        at = np.searchsorted(self.mass, rng.random(size) * self.mass[-1], side="right")
        chosen = [pairs[min(i, len(pairs) - 1)] for i in at]
        others = [texts[i] for i in rng.integers(len(texts), size=size)]
        rows = [*chosen, *((prompt, text) for (prompt, _), text in zip(chosen, others))]
        return [self._row(prompt, words) for prompt, words in rows]

    def _row(self, prompt: Sequence[str], words: Words) -> tuple[list[int], list[int]]:
        head = self.heads[tuple(prompt)]
        room = min(self.config.max_length - len(head), self.lm.positions - 1)
        return head, [*self.codec.encode(words), self.codec.eos][: max(1, room)]

    def terms(self, rows: Sequence[tuple[list[int], list[int]]]) -> Mapping[str, Tensor]:
        """Of rows whose first half holds, each over all tokens (N,) or those of the first half:
        ``entropy``, ``consistency``, ``nll`` and ``base``, the language model's own."""
        device, starts = self.network.device, [len(head) for head, _ in rows]
        ids = pad_rows([np.array([*h, *text]) for h, text in rows], self.codec.pad).to(device)
        plain = pad_rows([np.array([self.codec.bos, *t]) for _, t in rows], self.codec.pad)
        lengths = torch.tensor([len(text) for _, text in rows], device=device)
        first = torch.tensor(starts, device=device)[:, None] - 1
        at, since = (torch.arange(x.shape[1] - 1, device=device) for x in (ids, plain))
        mask, own = (at >= first) & (at < first + lengths[:, None]), since < lengths[:, None]
        with torch.no_grad():
            said = self.lm.logits(self.lm.hidden(plain[:, :-1].to(device))[own]).float()
            said = said[:, : self.codec.text_size].clone()
            said[:, [i for i in self.codec.forbidden if i < self.codec.text_size]] = -torch.inf
            said = said.log_softmax(-1)
        after = self.network.logits(self.network.hidden(ids[:, :-1])[mask]).float()
        word = ids[:, 1:][mask][:, None]
        f, log_p = after.gather(1, word)[:, 0], said.gather(1, word)[:, 0]
        ahead = (said + after).logsumexp(-1)
        begins = (since == 0).expand_as(own)[own]
        before = torch.cat([f.new_zeros(1), f[:-1]]).masked_fill(begins, 0.0)
        holds = (torch.arange(len(rows), device=device) < len(rows) // 2)[:, None]
        label = holds.expand_as(own)[own]
        return {
            "entropy": F.binary_cross_entropy_with_logits(f, label.float(), reduction="none"),
            "consistency": divergence(ahead, before),
            "nll": (ahead - f - log_p)[label],
            "base": -log_p[label],
        }

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        rng = np.random.default_rng((self.seed, step))
        rows = self._batch(rng, max(1, self.config.train.batch // 2))
        terms = {name: values.mean() for name, values in self.terms(rows).items()}
        regular = self.config.consistency * terms["consistency"]
        return terms["entropy"] + regular + self.config.generative * terms["nll"], terms

    def validate(self) -> Mapping[str, float]:
        """The terms of held-out pairs, each with its control and the text of another pair."""
        rows = self._held_rows()
        return (
            {name: float(values.mean()) for name, values in self.terms(rows).items()}
            if rows
            else {}
        )

    def learned(self) -> Learned | None:
        """Over all prefixes of held-out pairs, as many of which hold as do not."""
        rows = self._held_rows()
        if not rows:
            return None
        parts = self.terms(rows)["entropy"].float().cpu().split([len(text) for _, text in rows])
        loss = [float(one.mean()) for one in parts]
        return compared(loss, np.full(len(loss), np.log(2)), [tuple(t) for _, t in rows], ENTROPY)

    def _held_rows(self) -> list[tuple[list[int], list[int]]]:
        pairs, texts = self.held
        chosen = pairs[:: max(1, -(-len(pairs) // HELD))]
        rows = [self._row(prompt, words) for prompt, words in chosen]
        # pairs and texts lie in one order, and a control is to be read with another text
        far = [i * len(texts) // len(chosen) + len(texts) // 2 for i in range(len(chosen))]
        others = [_other(texts, at, own) for at, (_, own) in zip(far, chosen)]
        return rows + [self._row(prompt, text) for (prompt, _), text in zip(chosen, others)]


def _other(texts: Sequence[Words], at: int, own: Words) -> Words:
    """The first text from ``at`` on, round the end, that is not ``own``, if there is any."""
    around = (texts[(at + k) % len(texts)] for k in range(len(texts)))
    return next((text for text in around if text != own), own)


def divergence(one: Tensor, other: Tensor) -> Tensor:
    """KL of Bernoulli variables from their log-odds, elementwise."""
    yes = one.sigmoid() * (F.logsigmoid(one) - F.logsigmoid(other))
    return yes + (-one).sigmoid() * (F.logsigmoid(-one) - F.logsigmoid(-other))
