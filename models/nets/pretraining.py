"""Training on plain text before the corpus (``pretrain.corpus``).

Every network of texts alone, of whichever method, then starts from one of its own kind that read
the plain text with the vocabulary of the run's corpus. Judges of fluency, and a pretrained model
that is asked as it is, do not. Free of torch at import.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.base import Text
from tasks.common.errors import UserError
from tasks.common.progress import Progress
from tasks.common.ranges import Checked, maybe_empty, ranged, share
from tasks.common.recipe import Folders, Recipe, recipe
from tasks.corpora import check_name, label, traits
from tasks.corpora.stored import read_corpus, read_vocabulary, write_corpus
from tasks.texts import Corpus
from tasks.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import nn

    from models.base import Plan

#: the dependency that a network starts from
START_FROM = "start"


@dataclass(frozen=True)
class PretrainConfig(Checked):
    """Plain text that networks of texts alone are trained on before the corpus."""

    #: path/to/book.txt (paragraphs of prose, or one text a line), or a corpus as corpus= takes one;
    #: empty: none
    corpus: str = maybe_empty("")
    #: steps on it; 0: as many as on the corpus
    steps: int = ranged(0, least=0, most=10**9)
    #: the largest share of words of a text that the vocabulary of the corpus may lack
    unknown: float = share(0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.corpus:
            check_name(self.corpus)


def start(plan: Plan, role: str, section: str = "") -> dict[str, Recipe]:
    """What the network of a role depends on more: the same network of plain text, or nothing where
    the run has none. ``section``: of its settings, where that is not the role's name.

    Raises ``UserError`` where the corpus has stories and the plain text has no sentences.
    """
    given, config = plan.config.pretrain, plan.config
    if not given.corpus:
        return {}
    if traits(config.corpus).sentences and not traits(given.corpus).sentences:
        raise UserError(
            f"pretrain.corpus={given.corpus} has no sentences, as corpus={label(config.corpus)} "
            "has: prose as a .txt file, or rows with 'sentences'"
        )
    section = section or role
    network = getattr(config, section)
    train = network.train.lasting(given.steps or network.train.steps)
    before = config.having(
        corpus=given.corpus, pretrain=PretrainConfig(), **{section: replace(network, train=train)}
    )
    outer: Any = plan
    Outer = type(outer)
    ready = {name: one for name, one in outer.given.items() if name != "corpus"}
    read = Outer(before, ready).role("corpus")
    vocabulary = plan.role("vocabulary")
    texts = _sayable(read, vocabulary, given)
    inner: Plan = Outer(before, {**ready, "vocabulary": vocabulary, "corpus": texts})
    made = inner.role(role)
    return {START_FROM: replace(made, title=f"{made.title} on {label(given.corpus)} first")}


def begin(network: nn.Module, init: Path | None, **facts: Any) -> None:
    """Fills a fresh network with the weights in the folder ``init``, where there is one. Its
    buffers, which are counted in the corpus, stay. ``facts``: what the file must agree with."""
    if init is None:
        return
    from models.nets.artefact import WEIGHTS, load_module

    own = {name: one.clone() for name, one in network.named_buffers()}
    load_module(init / WEIGHTS, network, facts)
    for name, one in network.named_buffers():
        one.copy_(own[name])


def _sayable(corpus: Recipe, vocabulary: Recipe, given: PretrainConfig) -> Recipe:
    """The plain texts that the vocabulary of the corpus has the words of."""

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        texts, words = read_corpus(deps["corpus"]), read_vocabulary(deps["vocabulary"])
        splits = texts.train, texts.valid
        train, valid = (sayable(split, words, given.unknown) for split in splits)
        if not (train and valid):
            raise UserError(
                f"pretrain.corpus={given.corpus}: no text for training, or none held out, with at "
                f"most {given.unknown:.0%} of its words unknown (pretrain.unknown)"
            )
        write_corpus(folder, Corpus(texts.name, train, valid))

    return recipe(
        "corpus",
        f"keep what the vocabulary can say of {label(given.corpus)}",
        build,
        {"name": label(given.corpus), "unknown": given.unknown},
        deps={"corpus": corpus, "vocabulary": vocabulary},
        cheap=True,
    )


def sayable(texts: Iterable[Text], vocabulary: Vocabulary, most: float) -> tuple[Text, ...]:
    """The texts at most a share ``most`` of whose words the vocabulary lacks."""
    return tuple(
        text
        for text in texts
        if sum(word not in vocabulary.ids for word in text.words) <= most * len(text.words)
    )
