"""FUDGE's future discriminator (Yang and Klein 2021; reference notes, section 2.12).

For every prefix of a text, START and words so far, it estimates the probability that the complete
text will satisfy the control. A small causal Transformer reads the prompt and the prefix up to the
last token but one; a two-layer perceptron joins that state with the last token. So the 200
candidate next tokens that FUDGE weighs at each step share one Transformer step, and each costs only
the perceptron. Its first layer multiplies the two as well as adding them: whether a token suits the
control that the state has read is a product, and a perceptron over their sum alone noticed a wrong
name one token late, when it was chosen. (The original is a causal LSTM; the paper does not specify
its own.)

Supervision: a (control, text) pair that holds is a positive, and the same text with a control that
it does not satisfy, taken from another text, a negative: half and half, drawn anew at each step.
All prefixes of a pair carry the pair's label. Batches are random draws: one of texts of one length
would pair all its positives with that length, and teach the length in place of the match.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base import stream_seed
from models.nets.artefact import load_network, save_network
from models.nets.backbones import CachedNetwork, Decoder, fresh_body
from models.nets.causal import Example, by_length, pad_rows, rows_at_once
from models.nets.codec import Codec, load_codec
from models.nets.config import DiscriminatorConfig
from models.nets.decoding import CPU_ROWS, stack
from models.nets.finite import check, sizes
from models.nets.learned import ENTROPY, Learned, compared
from models.nets.train import fit
from tasks.base import Words
from tasks.common.batching import BatchPlan
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent

VALIDATION_TEXTS = 512
QUARTERS = (25, 50, 75, 100)
TRIES = 8


class Discriminator(nn.Module):
    """Logits of "the complete text satisfies the control" for prefixes.

    The control is read as prompt tokens alone.
    """

    def __init__(self, vocabulary: int, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.body = fresh_body(
            vocabulary,
            config.max_length,
            layers=config.layers,
            width=config.width,
            heads=config.heads,
            dropout=config.dropout,
        )
        self.prefix = nn.Linear(config.width, config.hidden)
        self.match = nn.Linear(config.width, config.hidden)
        self.token = nn.Embedding(vocabulary, config.hidden)
        self.join = nn.Linear(config.hidden, config.hidden)
        self.out = nn.Linear(config.hidden, 1)
        nn.init.normal_(self.token.weight, std=0.5)

    @property
    def decoder(self) -> Decoder:
        """What reads prompts and prefixes."""
        return Decoder(self.body)

    def score(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """``hidden`` (..., D) of all but the last token, ``tokens`` (..., K) candidates for the
        last -> logits (..., K)."""
        token = self.token(tokens)
        z = self.prefix(hidden)[..., None, :] + (1 + self.match(hidden)[..., None, :]) * token
        z = F.gelu(z, approximate="tanh")
        z = z + F.gelu(self.join(z), approximate="tanh")
        return self.out(z)[..., 0]

    def forward(self, ids: Tensor) -> Tensor:
        """``ids`` (B, L) -> logits (B, L - 1), entry i for the prefix that ends in token i + 1."""
        return self.score(self.read(ids), ids[:, 1:, None])[..., 0]

    def read(self, ids: Tensor) -> Tensor:
        """``ids`` (B, L) -> hidden states (B, L - 1, D) of all tokens but the last."""
        return self.decoder.hidden(ids[:, :-1])


class Mismatches:
    """Draws controls (as prompts) that a text does not satisfy.

    A text satisfies the prompts that ``examples`` pair with its words. A share ``near`` of draws
    comes from texts within ``near_words`` words of its length, the rest from all texts.
    """

    def __init__(self, examples: Sequence[Example], near: float, near_words: int) -> None:
        self.prompts = [tuple(prompt) for prompt, _ in examples]
        self.texts = [words for _, words in examples]
        self.near, self.near_words = near, near_words
        self.holds: dict[Words, set[tuple[str, ...]]] = {}
        for prompt, words in zip(self.prompts, self.texts, strict=True):
            self.holds.setdefault(words, set()).add(prompt)
        lengths = np.array([len(words) for words in self.texts])
        self.order = np.argsort(lengths, kind="stable")
        self.sorted = lengths[self.order]

    def draw(self, rng: np.random.Generator, index: int) -> tuple[str, ...] | None:
        """A prompt for the text of example ``index``; None if ``TRIES`` draws all satisfy it."""
        words = self.texts[index]
        low, high = 0, len(self.order)
        if rng.random() < self.near:
            low = int(np.searchsorted(self.sorted, len(words) - self.near_words, "left"))
            high = int(np.searchsorted(self.sorted, len(words) + self.near_words, "right"))
        for at in rng.integers(low, high, TRIES):
            prompt = self.prompts[self.order[at]]
            if prompt not in self.holds[words]:
                return prompt
        return None


class DiscriminatorObjective:
    """Mean binary cross-entropy over all prefixes of a batch, half of whose pairs hold.

    To it comes, with weight ``generative``, the negative log-likelihood of the texts under controls
    that hold, from the same hidden states. It is the one departure from FUDGE's own training: the
    binary label alone tells next to nothing until the network relates positions to the control, and
    on toy spans and lengths it stayed near chance several times as long. It plays no part in
    decoding; 0 switches it off.
    """

    def __init__(
        self,
        module: Discriminator,
        codec: Codec,
        train: Sequence[Example],
        valid: Sequence[Example],
        config: DiscriminatorConfig,
        seed: int,
    ) -> None:
        self.module: nn.Module = module
        self.network, self.codec, self.config, self.seed = module, codec, config, seed
        self.train = Mismatches(train, config.near, config.near_words)
        # a text stands in one example for each control that holds: it is encoded once
        ids = {words: [codec.bos, *codec.encode(words), codec.eos] for words in self.train.holds}
        self.texts = [ids[words] for words in self.train.texts]
        self.plan = BatchPlan(len(train), max(1, config.train.batch // 2), seed)
        step = max(1, -(-len(valid) // VALIDATION_TEXTS))
        self.held = self._held(valid, step)

    def _held(self, valid: Sequence[Example], step: int) -> list[tuple[np.ndarray, int, float]]:
        """Fixed validation rows: ids, length of the head, label."""
        rows: list[tuple[np.ndarray, int, float]] = []
        mismatches = Mismatches(valid, self.config.near, self.config.near_words)
        rng = np.random.default_rng(0)
        for i in range(0, len(valid), step):
            text = [self.codec.bos, *self.codec.encode(valid[i][1]), self.codec.eos]
            other = mismatches.draw(rng, i)
            if other is not None:
                rows += [self._row(valid[i][0], text, 1.0), self._row(other, text, 0.0)]
        return rows

    def _row(
        self, prompt: Sequence[str], text: list[int], label: float
    ) -> tuple[np.ndarray, int, float]:
        head = self.codec.encode_prompt(prompt)
        ids = np.array([*head, *text][: self.config.max_length], dtype=np.int32)
        return ids, len(head) + 1, label

    def _logits(
        self, rows: list[tuple[np.ndarray, int, float]]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits (B, L - 1) in fp32, mask of the text's prefixes, labels (B,), and the negative
        log-likelihoods of the masked tokens in the rows whose control holds, flat."""
        device = self.network.out.weight.device
        ids = pad_rows([row for row, _, _ in rows], self.codec.pad).to(device)
        lengths = torch.tensor([len(row) for row, _, _ in rows], device=device)
        heads = torch.tensor([head for _, head, _ in rows], device=device)
        at = torch.arange(1, ids.shape[1], device=device)
        mask = (at >= heads[:, None]) & (at < lengths[:, None])
        labels = torch.tensor([label for _, _, label in rows], device=device)
        hidden = self.network.read(ids)
        logits = self.network.score(hidden, ids[:, 1:, None])[..., 0].float()
        positive = mask & (labels[:, None] > 0.5)
        words = F.linear(hidden[positive], self.network.decoder.table).float()
        return logits, mask, labels, F.cross_entropy(words, ids[:, 1:][positive], reduction="none")

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        rng = np.random.default_rng((self.seed, step))
        rows = []
        for i in self.plan(step).tolist():
            rows.append(self._row(self.train.prompts[i], self.texts[i], 1.0))
            other = self.train.draw(rng, i)
            if other is not None:
                rows.append(self._row(other, self.texts[i], 0.0))
        predictions, goals, likelihoods = [], [], []
        at_once = rows_at_once(self.network.out.weight.device)
        for part in by_length([len(ids) for ids, _, _ in rows], at_once):
            logits, mask, labels, nll = self._logits([rows[i] for i in part])
            likelihoods.append(nll)
            predictions.append(logits[mask])
            goals.append(labels[:, None].expand_as(logits)[mask])
        logit, goal = torch.cat(predictions), torch.cat(goals)
        entropy = F.binary_cross_entropy_with_logits(logit, goal)
        nll = torch.cat(likelihoods).mean()
        right = ((logit > 0) == (goal > 0.5)).float().mean()
        parts = {"entropy": entropy, "nll": nll, "accuracy": right}
        return entropy + self.config.generative * nll, parts

    def validate(self) -> Mapping[str, float]:
        """Loss and accuracy over all prefixes, and the area under the ROC curve of prefixes that
        hold 25, 50, 75 and 100 % of the tokens (eos included)."""
        if not self.held:
            return {}
        loss, right, count = 0.0, 0.0, 0
        quarter: dict[int, list[float]] = {q: [] for q in QUARTERS}
        labels: list[float] = []
        for chosen in by_length([len(ids) for ids, _, _ in self.held], 64):
            rows = [self.held[i] for i in chosen]
            logits, mask, label, _ = self._logits(rows)
            goal = label[:, None].expand_as(logits)
            each = F.binary_cross_entropy_with_logits(logits[mask], goal[mask], reduction="none")
            loss, count = loss + float(each.sum()), count + len(each)
            right += float(((logits > 0) == (goal > 0.5))[mask].sum())
            for i, (ids, head, truth) in enumerate(rows):
                labels.append(truth)
                tokens = len(ids) - head
                for q in QUARTERS:
                    at = head - 2 + max(1, -(-tokens * q // 100))
                    quarter[q].append(float(logits[i, at]))
        figures = {"loss": loss / count, "accuracy": right / count}
        return figures | {
            f"auc_{q}": area_under_roc(np.array(values), np.array(labels))
            for q, values in quarter.items()
        }

    def learned(self) -> Learned | None:
        """Over all prefixes of held-out pairs, each that holds with one of the same text that does
        not."""
        loss = np.zeros(len(self.held))
        for chosen in by_length([len(ids) for ids, _, _ in self.held], 64):
            logits, mask, label, _ = self._logits([self.held[i] for i in chosen])
            goal = label[:, None].expand_as(logits)
            each = F.binary_cross_entropy_with_logits(logits, goal, reduction="none") * mask
            loss[chosen] = (each.sum(1) / mask.sum(1)).cpu().numpy()
        texts = [ids[head:].tobytes() for ids, head, _ in self.held]
        return compared(loss, np.full(len(loss), np.log(2)), texts, ENTROPY)


def area_under_roc(scores: np.ndarray, labels: np.ndarray) -> float:
    """The chance that a positive scores above a negative, ties counting half."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = labels > 0.5
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


class PrefixScorer:
    """log p(control | prefix + token) of rows that grow token by token, incrementally: a token
    costs one new position of the network, whatever the length of the prefix.

    ``odds``: of each row, what is added to the logit: the log odds of its control before the first
    token, where they are not even, as those of the training pairs are.
    """

    def __init__(
        self,
        network: Discriminator,
        heads: Sequence[Sequence[int]],
        odds: Sequence[float] | None = None,
    ) -> None:
        self.network = network
        device = network.out.weight.device
        self.odds = None if odds is None else stack([[one] for one in odds], device)  # (R, 1)
        self.cached = CachedNetwork(network.decoder)
        self.hidden = self.cached.feed(stack(heads, network.out.weight.device))

    def log_prob(self, candidates: Tensor) -> Tensor:
        """``candidates`` (R, K) for the next token -> (R, K)."""
        logits = self.logits(candidates).float()
        return F.logsigmoid(logits if self.odds is None else logits + self.odds)

    def logits(self, candidates: Tensor) -> Tensor:
        """As :meth:`log_prob`, what the network says, which is under even odds."""
        check(sizes(self.hidden), "the discriminator's hidden states")  # a GELU may drop infinities
        # a few rows at a time: what all rows' candidates need is too much for a CPU's cache
        rows = CPU_ROWS if self.hidden.device.type == "cpu" else len(self.hidden)
        parts = zip(self.hidden.split(rows), candidates.split(rows), strict=True)
        return torch.cat([self.network.score(hidden, tokens) for hidden, tokens in parts])

    def keep(self, rows: Tensor) -> None:
        """From now on, beginning with :meth:`advance`, of the rows ``rows`` (N,) alone."""
        self.cached.reorder(rows)
        self.odds = None if self.odds is None else self.odds[rows]

    def advance(self, tokens: Tensor) -> None:
        """The tokens (R,) that were chosen."""
        self.hidden = self.cached.feed(tokens[:, None])


class Steering:
    """Reweights sampling by the sum of lambda * log p(control | prefix + token) (FUDGE).

    Only the language model's ``top_k`` best tokens stay possible.
    """

    def __init__(self, scorers: Sequence[PrefixScorer], lams: Sequence[float], top_k: int) -> None:
        self.scorers, self.lams, self.top_k = scorers, lams, top_k

    def logits(self, logits: Tensor) -> Tensor:
        value, token = logits.topk(min(self.top_k, logits.shape[-1]), dim=-1)
        for scorer, lam in zip(self.scorers, self.lams, strict=True):
            term = lam * scorer.log_prob(token)
            check(sizes(term), "the discriminator's weighted log-probabilities")
            value = value + term
        return torch.full_like(logits, -torch.inf).scatter(-1, token, value)

    def keep(self, rows: Tensor) -> None:
        for scorer in self.scorers:
            scorer.keep(rows)

    def advance(self, tokens: Tensor) -> None:
        for scorer in self.scorers:
            scorer.advance(tokens)


def train_discriminator(
    folder: Path,
    train: Sequence[Example],
    valid: Sequence[Example],
    codec: Codec,
    config: DiscriminatorConfig,
    seed: int,
    *,
    device: torch.device,
    progress: Progress = silent,
) -> None:
    """Trains on (prompt, words) pairs that hold; writes weights, codec, config and curve."""
    if len({tuple(prompt) for prompt, _ in train}) < 2:
        raise UserError("a discriminator needs examples of at least two different controls")
    torch.manual_seed(stream_seed(seed, "discriminator", "init"))
    network = Discriminator(len(codec), config).to(device)
    objective = DiscriminatorObjective(network, codec, train, valid, config, seed)
    fit(objective, config.train, folder, seed, device, progress)
    save_network(folder, network, config, _facts(config), words=("codec", codec))


def load_discriminator(
    folder: Path, device: torch.device
) -> tuple[Discriminator, Codec, DiscriminatorConfig]:
    """The trained network in eval mode, frozen. Raises ``UserError`` for files that are missing,
    damaged or belong to another network."""

    def build(config: DiscriminatorConfig, codec: Codec) -> tuple[Discriminator, dict[str, Any]]:
        return Discriminator(len(codec), config), _facts(config)

    network, config, codec = load_network(
        folder, DiscriminatorConfig, build, words=("codec", load_codec)
    )
    return network.to(device), codec, config


def _facts(config: DiscriminatorConfig) -> dict[str, Any]:
    shape = {name: getattr(config, name) for name in ("layers", "width", "heads", "hidden")}
    return {"kind": "discriminator", **shape}
