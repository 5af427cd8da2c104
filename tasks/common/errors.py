"""Errors that a user can mend, and the nearest valid name for a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what the user asked for: printed as one line, exit code 2, no traceback."""


def unknown(what: str, name: str, valid: Iterable[str], most: int | None = None) -> UserError:
    """An error for a name that is not one of ``valid``, naming the nearest one. ``most``: how many
    of them it lists, where there may be hundreds; the others are counted.

    >>> str(unknown("task", "lenght", ["length", "syntax_spans"]))
    "unknown task 'lenght': did you mean 'length'? (valid: length, syntax_spans)"
    """
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f": did you mean '{near[0]}'?" if near else ":"
    more = "" if most is None or len(names) <= most else f", ... ({len(names)} in all)"
    return UserError(f"unknown {what} '{name}'{hint} (valid: {', '.join(names[:most])}{more})")
