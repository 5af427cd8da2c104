"""The data files of the embedded corpora (``data/``): rules and words that a person can read."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tasks.common.files import file_digest
from tasks.texts import Words

FOLDER = Path(__file__).parent / "data"


def rules(name: str) -> str:
    """The grammar ``NAME.txt`` in the notation of ``pcfg``."""
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


@cache
def tokenizer() -> Callable[[str], Words]:
    """How these corpora would split a text that people wrote: what white space separates, the
    punctuation and the ``n't`` of a word apart (spaCy's English tokenizer), compounds with a hyphen
    whole. The words of a text of theirs, joined with spaces, come out as they were."""
    from tasks.corpora import e2e

    split = e2e.tokenizer()
    compound = re.compile(r"(?<=\w) (-) (?=\w)")

    def tokenize(text: str) -> Words:
        words: list[str] = []
        for piece in text.split():
            joined = compound.sub(r"\1", " ".join(split(piece)[:-1]))
            words += joined.split(" ")
        return tuple(words)

    return tokenize


@cache
def world(name: str) -> dict[str, Any]:
    """``NAME.yaml``: what can be true of the world that a corpus tells of, in the file's order."""
    import yaml

    facts: dict[str, Any] = yaml.load(
        (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"),
        getattr(yaml, "CSafeLoader", yaml.SafeLoader),
    )
    return facts


def stamp(prefix: str) -> dict[str, str]:
    """The digests of the data files whose names begin with ``prefix``."""
    return {path.name: file_digest(path) for path in sorted(FOLDER.glob(f"{prefix}_*"))}
