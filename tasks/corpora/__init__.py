"""The corpora, by name, and their traits.

Each entry is a function ``load(data, **options) -> Corpus``. Its module also has ``VERSION``,
bumped by hand when the same files or settings give other texts, ``stamp(data)``, what the texts
are made from as name -> digest, and ``tokenizer()``.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from tasks.common.errors import unknown
from tasks.common.files import canonical
from tasks.common.registry import Registry

if TYPE_CHECKING:
    from tasks.texts import Corpus, Words

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


@dataclass(frozen=True)
class Traits:
    """What is to be known of a corpus without reading it.

    ``sentences``: its texts are stories, whose sentences are known. ``gold``: its texts come with
    trees and tags of their own. ``embedded``: it was written for this project, so that results may
    quote it. ``lists``: which of the authors' released lists are targets for it,
    ``"control_targets"``, ``"anlg"`` or none. ``vocabulary``: entries of its vocabulary, as far as
    known (words counted more than ten times in the training texts), and ``texts`` that of its texts
    in both splits. ``closing``: the tokens that
    end every text and count as words.
    """

    sentences: bool = False
    gold: bool = False
    embedded: bool = False
    lists: str = ""
    vocabulary: int = 821
    texts: int = 20_000
    closing: tuple[str, ...] = ()


_TRAITS: Mapping[str, Traits] = {
    "grammar": Traits(gold=True, embedded=True, vocabulary=662, texts=21_000),
    "e2e": Traits(lists="control_targets", closing=("\n",), texts=46_733),
    "stories": Traits(sentences=True, embedded=True),
    # aNLG's items are targets for both: both train on ROCStories
    "rocstories": Traits(sentences=True, lists="anlg", vocabulary=4994),
    "anlg": Traits(sentences=True, lists="anlg", vocabulary=4994),
}


def traits(name: str) -> Traits:
    """The traits of corpus ``name``; of an unlisted one, those of texts of which nothing more is
    known."""
    return _TRAITS.get(name, Traits())


def with_sentences() -> tuple[str, ...]:
    """The corpora whose texts have sentences."""
    return tuple(name for name in CORPORA if traits(name).sentences)


def stamp(name: str, data: Path | None = None) -> str:
    """What the content of corpus ``name`` hangs on, read from ``data`` as :func:`load_corpus` reads
    it: the files, or the revision at the public source, and the ``VERSION`` of the code that makes
    texts of them. Two equal stamps stand for equal ``Corpus.digest``; it takes no reading of texts.
    """
    module = _module(name)
    facts = {"corpus": name, "version": str(module.VERSION), **module.stamp(data)}
    return hashlib.sha256(canonical(facts).encode()).hexdigest()


def _module(name: str) -> ModuleType:
    return importlib.import_module(CORPORA[name].split(":")[0])


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
    make: Callable[[], Callable[[str], Words]] = _module(name).tokenizer
    return make()
