"""Text that comes from files, as a terminal, a table or a figure may show it."""

from __future__ import annotations

import re

#: C0 and C1 controls, DEL, line and paragraph separators, marks that turn the direction of writing,
#: and halves of surrogate pairs: a terminal obeys them, and tables and pictures break on them
_UNSHOWN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)
_NAMES = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}


def visible(text: str, keep: str = "") -> str:
    """The text with every character that is obeyed instead of shown written out, as ``\\x1b``;
    those of ``keep`` stay as they are."""
    return _UNSHOWN.sub(lambda m: m[0] if m[0] in keep else _written(m[0]), text)


def _written(char: str) -> str:
    code = ord(char)
    return _NAMES.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
