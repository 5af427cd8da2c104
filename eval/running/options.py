"""Command lines that read a stored result set: the same ``key=value`` style, other keys."""

from __future__ import annotations

from collections.abc import Sequence

from eval.running.keys import Config, key_list, override, pairs
from tasks.common.commands import typed


def explains(arguments: Sequence[str], page: str | None) -> bool:
    """Whether ``--help`` or ``-h`` is among the arguments; then ``page`` has been printed."""
    asked = bool({"--help", "-h"} & set(arguments))
    if asked:
        print(typed(page or ""))
    return asked


def section(name: str, arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The arguments outside the run's settings ``name.*``, and those settings."""
    from eval.running.config import RunConfig

    rest = [part for part in arguments if not part.startswith(f"{name}.")]
    return rest, pairs([part for part in arguments if part.startswith(f"{name}.")], RunConfig)


def options(cls: type[Config], arguments: Sequence[str], usage: str) -> Config | None:
    """``cls``, a frozen dataclass with a default for every key, with the given ones replaced; or
    None after printing ``usage`` and every key, where ``--help`` or ``-h`` is among the arguments.

    Raises ``UserError`` for a malformed argument, an unknown key and a value of the wrong type.
    """
    if {"--help", "-h"} & set(arguments):
        print(f"{typed(usage)}\nKeys, with type, default and meaning:\n{key_list(cls())}")
        return None
    return override(cls(), pairs(arguments, cls))
