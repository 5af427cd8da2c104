"""The corpora, by name. Each entry is a function ``load(data, **options) -> Corpus``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path

from tasks.base import Corpus, Words
from tasks.common.errors import unknown
from tasks.common.registry import Registry

CORPORA = Registry(
    "corpus",
    {
        "grammar": "tasks.corpora.grammar:load",
        "e2e": "tasks.corpora.e2e:load",
        "stories": "tasks.corpora.stories:load",
        "rocstories": "tasks.corpora.rocstories:load",
        "anlg": "tasks.corpora.anlg:load",
    },
)


def load_corpus(name: str, data: Path | None = None, **options: int) -> Corpus:
    """Reads or generates the corpus ``name``.

    ``data``: the folder with the official files, for corpora that have files; ``None`` means the
    public source (E2E) or none at all (``grammar``, which is generated). ``options``: whatever
    the corpus's ``load`` names. Raises ``UserError`` for an unknown corpus or option, and for
    missing or malformed files.
    """
    load = CORPORA.load(name)
    known = [option for option in inspect.signature(load).parameters if option != "data"]
    for option in options:
        if option not in known:
            raise unknown(f"option of corpus {name}", option, known)
    corpus: Corpus = load(data, **options)
    return corpus


def tokenizer(name: str) -> Callable[[str], Words]:
    """How the corpus ``name`` splits a raw text into words, its newline token included where its
    texts end in one. Raises ``UserError`` for an unknown corpus."""
    module = importlib.import_module(CORPORA[name].split(":")[0])
    make: Callable[[], Callable[[str], Words]] = module.tokenizer
    return make()
