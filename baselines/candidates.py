"""Candidate middles of an infilling: how they are cut, which are dropped, and how they rank.

The rules are DELOREAN's (Qin et al. 2020; reference notes, section 2.12).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from baselines.soft import SoftReader, nll
from models.nets.backbones import CausalLM
from models.nets.causal import pad_rows
from models.nets.codec import Codec
from models.nets.finite import NotFinite, check_weights
from models.nets.unk import HUB_TIMEOUT
from tasks.base import Words
from tasks.common.errors import UserError
from tasks.common.hub import pinned, revised
from tasks.controls import Infill

#: words that end a sentence
MARKS = (".", "!", "?")


def excluded(codec: Codec, unk: str) -> list[int]:
    """Ids that never come out of decoding: those that are no text, and UNK where it is avoided."""
    return [*codec.forbidden, *(codec.unknown if unk == "avoid" else [])]


def continuation(codec: Codec, before: Words, words: Words) -> list[int]:
    """Ids of ``words`` as they stand behind ``before`` (a subword tokenizer's differ from those at
    the beginning of a text)."""
    return codec.encode([*before, *words])[len(codec.encode(before)) :]


def first_sentence(words: Words) -> Words:
    """Up to the first sentence-final mark; everything where there is none."""
    ends = [i for i, word in enumerate(words) if word in MARKS]
    return words[: ends[0] + 1] if ends else words


def until_period(words: Words, after: int = 10) -> Words:
    """Up to the first period that stands behind ``after`` characters of the text, spaces between
    words included; everything where there is none."""
    at = 0
    for i, word in enumerate(words):
        if word == "." and at >= after:
            return words[: i + 1]
        at += len(word) + 1
    return words


def repeats(words: Words, length: int = 5, times: int = 4) -> bool:
    """Whether some ``length`` or more characters stand ``times`` times in a row."""
    pattern = rf"(.{{{length},}}?)\1{{{times - 1},}}"
    return re.search(pattern, " ".join(words) + " ") is not None


class Ranking(Protocol):
    """How well a middle fits between its contexts."""

    def scores(self, control: Infill, middles: Sequence[Words]) -> list[float]:
        """One score for each middle, none of them empty; higher is better."""


def best(ranking: Ranking, control: Infill, candidates: Sequence[Words]) -> int:
    """The index of the best candidate.

    Empty ones and those that repeat themselves lose to all others; equal texts have equal scores,
    and on equal scores the words decide, so that the text does not depend on the candidates' order.
    Raises ``NotFinite`` for a score that is NaN or infinite.
    """
    distinct = sorted({words for words in candidates if words})
    pool = [words for words in distinct if not repeats(words)] or distinct
    if not pool:
        return 0
    scores = ranking.scores(control, pool) if len(pool) > 1 else [0.0]
    if not all(map(math.isfinite, scores)):
        raise NotFinite("the scores that rank candidates")
    chosen = max(zip(scores, pool, strict=True))[1]
    return list(candidates).index(chosen)


class LMRanking:
    """Ranks by the left-to-right language model: the log-likelihood per token of the right context
    behind left context and middle, plus that of the middle behind the left context."""

    def __init__(self, model: CausalLM, codec: Codec) -> None:
        self.reader, self.codec = SoftReader(model), codec

    @torch.no_grad()
    def scores(self, control: Infill, middles: Sequence[Words]) -> list[float]:
        """Nats per token; all middles of an item run together, and nothing else with them."""
        bos, device = self.codec.bos, self.reader.device
        left = len(self.codec.encode(control.left))
        rows, cuts = [], []
        for middle in middles:
            before = (*control.left, *middle)
            cuts.append(len(self.codec.encode(before)))
            rows.append(np.array([bos, *self.codec.encode([*before, *control.right])]))
        ids = pad_rows(rows, self.codec.pad).to(device)[:, : self.reader.positions]
        logits = self.reader.logits(self.reader.embed_ids(ids[:, :-1]))
        at = torch.arange(1, ids.shape[1], device=device)  # the token before is at - 1
        cut = torch.tensor(cuts, device=device)[:, None]
        end = torch.tensor([len(row) for row in rows], device=device)[:, None]
        total = torch.zeros(len(rows), device=device)
        for mask in ((at > left) & (at <= cut), (at > cut) & (at < end)):
            total -= nll(logits, ids[:, 1:], mask.to(logits.dtype)) / mask.sum(1).clamp(min=1)
        return [float(x) for x in total.double()]


class NextSentenceRanking:
    """Ranks by BERT's next-sentence head, as published: its logits for "the second follows the
    first" of (left, middle + right) and of (left + middle, right), added up."""

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self.tokenizer, self.model = tokenizer, model.eval().requires_grad_(False)

    @classmethod
    def load(cls, name: str, device: torch.device) -> NextSentenceRanking:
        """``name``: hub id or local folder; ``UserError`` if it cannot be had."""
        from huggingface_hub import HfApi
        from transformers import AutoTokenizer, BertForNextSentencePrediction

        def read(**more: Any) -> tuple[Any, Any]:
            place, options = pinned(name)
            more |= options
            tokenizer = AutoTokenizer.from_pretrained(place, **more)
            loaded: Any = BertForNextSentencePrediction.from_pretrained(
                place, output_loading_info=True, dtype=torch.float32, **more
            )
            model, report = loaded
            if report["missing_keys"]:
                raise ValueError(f"it lacks {min(report['missing_keys'])}")
            return tokenizer, model

        try:
            tokenizer, model = read(local_files_only=True)
        except (OSError, ValueError) as error:
            try:
                if Path(name).is_dir():
                    raise
                # one question first: loading asks a hub that is out of reach many times
                place, revision = revised(name)
                HfApi().model_info(place, revision=revision, timeout=HUB_TIMEOUT)
                tokenizer, model = read()
            except Exception:  # of the hub or the network below it
                raise UserError(
                    f"ranking model '{name}' is not available ({str(error).splitlines()[0]}): name "
                    "a local folder with its weights and tokenizer, or choose ranking=lm"
                ) from None
        check_weights(model, f"ranking model '{name}'")
        return cls(tokenizer, model.to(device))

    @torch.no_grad()
    def scores(self, control: Infill, middles: Sequence[Words]) -> list[float]:
        left, right = control.left, control.right
        first = [*[left] * len(middles), *[(*left, *middle) for middle in middles]]
        second = [*[(*middle, *right) for middle in middles], *[right] * len(middles)]
        read = self.tokenizer(
            [" ".join(words) for words in first],
            [" ".join(words) for words in second],
            padding=True,
            truncation=True,
            max_length=self.model.config.max_position_embeddings,
            return_tensors="pt",
        ).to(self.model.device)
        follows = self.model(**read).logits[:, 0].double()
        return [float(x) for x in follows.view(2, -1).sum(0)]
