"""What the decoding options of autoregressive methods share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tasks.common.errors import UserError
from tasks.common.ranges import Checked, ranged


def divisor(default: float = 1.0) -> Any:
    """A field that holds a temperature: logits divided by a smaller one would overflow."""
    return ranged(default, least=1e-6, most=1e6)


def count(default: int, least: int = 0) -> Any:
    """A field that counts tokens, words, candidates or steps."""
    return ranged(default, least=least, most=10**6)


def probability(default: float = 1.0) -> Any:
    """A field that holds a probability that tokens are to reach together."""
    return ranged(default, above=0, most=1)


@dataclass(frozen=True)
class SampleSettings(Checked):
    """Decoding options of methods that sample whole texts from a language model; the defaults are
    plain ancestral sampling."""

    temperature: float = divisor()
    #: draw among the k likeliest tokens; 0: among all
    top_k: int = count(0)
    #: draw from the smallest set of tokens with this probability
    top_p: float = probability()
    #: longest text in words
    max_words: int = count(64, least=1)


@dataclass(frozen=True)
class MiddleSettings(Checked):
    """Decoding options of methods that sample a middle from a language model."""

    #: divides the logits before a token is drawn
    temperature: float = divisor()
    #: draw among the k likeliest tokens; 0: among all, as released
    top_k: int = count(0)
    #: draw from the smallest set of tokens with this probability
    top_p: float = probability()
    #: longest middle in words
    max_words: int = count(32, least=1)
    #: avoid: UNK is never generated; keep: it stays; repair: the masked language model
    #: ``repair_model`` replaces it
    unk: Literal["avoid", "keep", "repair"] = "avoid"
    #: hub id (bert-base-cased in the released code) or local folder
    repair_model: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unk == "repair" and not self.repair_model:
            raise UserError("unk=repair needs repair_model, such as bert-base-cased")
