"""What a terminal can show: not every one takes every letter."""

from __future__ import annotations

import io
import sys
from typing import Any


def shows_all(stream: Any) -> bool:
    """Whether a stream takes every letter, as UTF-8 does."""
    encoding = str(getattr(stream, "encoding", None) or "utf-8")
    return encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf16", "utf32")


def show_anyway() -> None:
    """From now on a letter that the output's encoding lacks is replaced by another, where it would
    have ended the command after all its work."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and (
            stream.errors == "strict" or not shows_all(stream)
        ):
            shown = "backslashreplace" if stream is sys.stderr else "replace"
            stream.reconfigure(errors=shown)


def one_line(text: object) -> str:
    """A message on one line, with the letters that steer a terminal spelt out."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in str(text)
    )
