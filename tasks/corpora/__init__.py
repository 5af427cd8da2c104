"""The corpora, by name, and their traits; a file, a folder or a dataset's name at the hub is a
corpus too (:mod:`tasks.corpora.own.source`).

Each entry is a function ``load(data, **options) -> Corpus``. Its module also has ``VERSION``,
bumped by hand when the same files or settings give other texts, ``stamp(data)``, what the texts
are made from as name -> digest, and ``tokenizer()``.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.errors import UserError, unknown
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


#: letters of a path, beyond which there is none
LONGEST = 1000
#: how a list of corpora calls those of the user's own
OWN_CORPORA = "path/to/file.jsonl (.csv, .tsv, .txt), a folder or owner/name[:config] of datasets"


@dataclass(frozen=True)
class Traits:
    """What is to be known of a corpus before anything is made of it.

    ``sentences``: its texts are stories, whose sentences are known. ``fields``: its texts have
    fields. ``gold``: what all of its texts bring themselves, of ``"tree"`` and ``"tags"``.
    ``embedded``: it was written for this project, so that results may
    quote it. ``lists``: which of the authors' released lists are targets for it,
    ``"control_targets"``, ``"anlg"`` or none. ``vocabulary``: entries of its vocabulary, as far as
    known (words counted more than ten times in the training texts), and ``texts`` that of its texts
    in both splits. ``closing``: the tokens that
    end every text and count as words.
    """

    sentences: bool = False
    fields: bool = True
    gold: frozenset[str] = frozenset()
    embedded: bool = False
    lists: str = ""
    vocabulary: int = 821
    texts: int = 20_000
    closing: tuple[str, ...] = ()


_TRAITS: Mapping[str, Traits] = {
    "grammar": Traits(
        gold=frozenset({"tree", "tags"}), embedded=True, vocabulary=662, texts=21_000
    ),
    "e2e": Traits(lists="control_targets", closing=("\n",), texts=46_733),
    "stories": Traits(sentences=True, embedded=True),
    # aNLG's items are targets for both: both train on ROCStories
    "rocstories": Traits(sentences=True, lists="anlg", vocabulary=4994),
    "anlg": Traits(sentences=True, lists="anlg", vocabulary=4994),
}


def traits(name: str) -> Traits:
    """The traits of corpus ``name``, which is read for it where it is the user's own; of an
    unlisted one, those of texts of which nothing more is known."""
    if not is_own(name):
        return _TRAITS.get(name, Traits())
    texts = _own().read(name).texts
    gold = {"tree": all(t.tree for t in texts), "tags": all(t.tags for t in texts)}
    return Traits(
        sentences=any(text.sentences for text in texts),
        fields=any(text.fields for text in texts),
        gold=frozenset(name for name, everywhere in gold.items() if everywhere),
        vocabulary=len({word for text in texts for word in text.words}),
        texts=len(texts),
    )


def is_own(name: str) -> bool:
    """Whether ``name`` is that of a corpus of the user's own. The project's names come first: a
    folder called as one of them is ``./e2e``."""
    return name not in CORPORA and bool(_own().is_own(name))


def check_name(name: str) -> None:
    """Raises ``UserError`` for what can be no corpus."""
    if name in CORPORA or is_own(name):
        return
    if len(name) < LONGEST and ("/" in name or Path(name).is_file()):
        there = "its suffix is none of" if Path(name).is_file() else "no such folder, nor a file of"
        raise UserError(f"corpus={name}: {there} {', '.join(_own().READERS)}")
    raise unknown("corpus", name, CORPORA)


def label(name: str) -> str:
    """What folders of results are called after the corpus; never as one of the project's where it
    is another."""
    if not is_own(name):
        return name
    named: str = _own().label(name)
    return f"own-{named}" if named in CORPORA else named


def with_sentences() -> tuple[str, ...]:
    """The corpora whose texts have sentences."""
    return tuple(name for name in CORPORA if traits(name).sentences)


def stamp(name: str, data: Path | None = None) -> str:
    """What the content of corpus ``name`` hangs on, read from ``data`` as :func:`load_corpus` reads
    it: the files, or the revision at the public source, and the ``VERSION`` of the code that makes
    texts of them. Two equal stamps stand for equal ``Corpus.digest``; it takes no reading of texts.
    """
    module = _module(name)
    made_from = module.stamp(name) if is_own(name) else module.stamp(data)
    facts = {"corpus": label(name), "version": str(module.VERSION), **made_from}
    return hashlib.sha256(canonical(facts).encode()).hexdigest()


def _own() -> Any:
    return importlib.import_module("tasks.corpora.own.source")


def _module(name: str) -> Any:
    return _own() if is_own(name) else importlib.import_module(CORPORA[name].split(":")[0])


def load_corpus(name: str, data: Path | None = None, **options: int) -> Corpus:
    """Reads or generates the corpus ``name``.

    ``data``: the folder with the official files, for corpora that have files; ``None`` means the
    public source (E2E) or none at all (``grammar``, which is generated). ``options``: whatever
    the corpus's ``load`` names. Raises ``UserError`` for an unknown corpus or option, and for
    missing or malformed files. A corpus of the user's own has no options, and ``data`` is not
    read.
    """
    if is_own(name):
        for option in options:
            raise UserError(f"corpus={name} has no option {option}")
        read: Corpus = _own().read(name).corpus
        return read
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
    module = _module(name)
    split: Callable[[str], Words] = module.tokenizer(name) if is_own(name) else module.tokenizer()
    return split


def joiner(name: str) -> Callable[[Sequence[str]], str]:
    """Words of the corpus as plain text: the inverse of :func:`tokenizer`, but for what words do
    not tell (the spaces around a hyphen). What it cannot join so is joined with spaces, which the
    tokenizer leaves as they are. Newline tokens are left out."""
    from tasks.metrics.text import detokenize

    split = tokenizer(name)

    def join(words: Sequence[str]) -> str:
        kept = [word for word in words if word.strip()]
        text = detokenize(kept)
        return text if [word for word in split(text) if word.strip()] == kept else " ".join(kept)

    return join
