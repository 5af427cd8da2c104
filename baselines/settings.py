"""What the decoding options of autoregressive methods share."""

from __future__ import annotations

from tasks.common.errors import UserError


def check_decoding(temperature: float, max_words: int) -> None:
    if temperature <= 0 or max_words < 1:
        raise UserError("temperature must be positive and max_words at least 1")
