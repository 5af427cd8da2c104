"""What the decoding options of autoregressive methods share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasks.common.errors import UserError


def check_decoding(temperature: float, max_words: int) -> None:
    """Raises ``UserError`` for a temperature that is not positive and a text without words."""
    if temperature <= 0 or max_words < 1:
        raise UserError("temperature must be positive and max_words at least 1")


@dataclass(frozen=True)
class MiddleSettings:
    """Decoding options of methods that sample a middle from a language model."""

    #: divides the logits before a token is drawn
    temperature: float = 1.0
    #: draw among the k likeliest tokens; 0: among all, as released
    top_k: int = 0
    #: draw from the smallest set of tokens with this probability
    top_p: float = 1.0
    #: longest middle in words
    max_words: int = 32
    #: avoid: UNK is never generated; keep: it stays; repair: the masked language model
    #: ``repair_model`` replaces it
    unk: Literal["avoid", "keep", "repair"] = "avoid"
    #: hub id (bert-base-cased in the released code) or local folder
    repair_model: str | None = None

    def __post_init__(self) -> None:
        check_decoding(self.temperature, self.max_words)
        if self.top_k < 0 or not 0 < self.top_p <= 1:
            raise UserError("top_k must be at least 0 and top_p in (0, 1]")
        if self.unk == "repair" and not self.repair_model:
            raise UserError("unk=repair needs repair_model, such as bert-base-cased")
