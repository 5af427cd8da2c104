"""One rule for names that become folders: methods, tasks, and what stands beside them.

A name is no path: letters, digits, ``_``, ``-`` and ``.``, not at its beginning, so that it leads
nowhere and hides nothing. Names of what a result set itself keeps are taken.
"""

from __future__ import annotations

import re

from tasks.common.errors import UserError
from tasks.common.shown import visible

#: the longest name, in letters: a file system's limit, less what is put around a name
LONGEST = 100
_NAME = re.compile(rf"\w[\w.-]{{0,{LONGEST - 1}}}")
_KEY = re.compile(r"\w[\w.-]*-[0-9a-f]{16}")
#: what results and command lines call other things by, and the folders and files of a result set
TAKEN = (
    *("all", "auto", "human", "unconditional", "left_context"),
    *("shards", "tables", "figures", "tune"),
)


def is_name(name: str) -> bool:
    """Whether a name can stand as one folder's. A composition's, ``a+b``, is of two names."""
    return all(_NAME.fullmatch(part) for part in name.split("+"))


def check_name(name: str, what: str, *, dots: bool = True) -> str:
    """The name, fit for a method or a task of the user's own. ``what``: how an error begins, as
    ``name=a/b:`` or ``Mine in my.py``; ``dots``: whether it may hold any, which the keys of a
    method's settings may not. Raises ``UserError`` for a name that is none, or is taken."""
    shown = visible(name)
    if not _NAME.fullmatch(name) or name.endswith(".") or (not dots and "." in name):
        signs = "'_', '-' and '.'" if dots else "'_' and '-'"
        raise UserError(
            f"{what} cannot be called '{shown}': choose another name, of at most {LONGEST} "
            f"letters, digits, {signs}, a letter, a digit or '_' first"
        )
    if name.lower() in TAKEN:
        raise UserError(
            f"{what} cannot be called '{shown}': results call something else so, choose another "
            "name"
        )
    return name


def is_key(name: str) -> bool:
    """Whether a name is that of an artefact's folder: ``kind-0123456789abcdef``."""
    return _KEY.fullmatch(name) is not None
