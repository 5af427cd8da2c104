"""Samples made by any other program: one JSON object a line, read with every mistake named."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.base import Target, Words
from tasks.common.errors import UserError, unknown

#: malformed lines that an error shows; the rest are counted
SHOWN = 20


def read_external(
    path: Path, targets: Sequence[Target], tokenize: Callable[[str], Words]
) -> dict[str, list[Words]]:
    """Target id -> its samples' words, in the order of the file.

    A line holds ``target``, the id of one of ``targets``, and either ``words``, a list of tokens
    that is taken as it stands, or ``text``, which ``tokenize`` splits as the corpus was. Other
    entries are let be. Raises ``UserError`` naming every malformed line, for a file without
    samples, and for one that is missing or no UTF-8 text.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise UserError(f"there is no samples file {path}") from None
    except UnicodeDecodeError as error:
        number = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} line {number}: not UTF-8 text") from None
    known = {target.id for target in targets}
    samples: dict[str, list[Words]] = {}
    wrong: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            target, words = _sample(json.loads(line), known, tokenize)
        except json.JSONDecodeError as error:
            wrong.append(f"line {number}: not JSON: {error.msg}")
        except UserError as error:
            wrong.append(f"line {number}: {error}")
        else:
            samples.setdefault(target, []).append(words)
    if wrong:
        more = [f"and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
        listed = "".join(f"\n  {reason}" for reason in [*wrong[:SHOWN], *more])
        raise UserError(f"{path} has {len(wrong)} malformed lines:{listed}")
    if not samples:
        raise UserError(f"{path} holds no samples")
    return samples


def _sample(record: Any, known: set[str], tokenize: Callable[[str], Words]) -> tuple[str, Words]:
    if not isinstance(record, Mapping):
        raise UserError("not a JSON object with 'target' and 'words' or 'text'")
    target = record.get("target")
    if not isinstance(target, str):
        raise UserError("no target id under 'target'")
    if target not in known:
        raise unknown("target", target, known)
    words, text = record.get("words"), record.get("text")
    if (words is None) == (text is None):
        raise UserError("give either 'words' or 'text'")
    if words is None:
        if not isinstance(text, str):
            raise UserError("'text' is no string")
        return target, tokenize(text)
    if not isinstance(words, list) or not all(isinstance(w, str) and w for w in words):
        raise UserError("'words' is no list of non-empty strings")
    return target, tuple(words)
