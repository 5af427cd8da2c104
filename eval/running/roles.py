"""Every role that a run can build: those of corpora and judges, and those that methods bring."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from baselines import METHODS
from models.base import Role
from models.nets.config import TrainConfig
from models.nets.recipes import LM, SUBWORDS, TEACHER
from tasks.common.ranges import Checked, ranged
from tasks.oracles.config import ParserConfig


@dataclass(frozen=True)
class VocabularyConfig(Checked):
    """The words that the systems know."""

    #: words counted more than this in the training texts (10 gives the reference's 821 on E2E)
    above: int = ranged(10, least=0, most=10**9)


@dataclass(frozen=True)
class ParserSection(Checked):
    """The oracle parser, trained here where benepar_en3 is not at hand."""

    #: auto: benepar_en3 where installed, else trained; benepar: insist on benepar_en3; trained
    source: Literal["auto", "benepar", "trained"] = "auto"
    #: texts of the embedded grammar, with their gold trees, that a parser trained from the treebank
    #: also learns from: newspapers have no "family friendly pub called The Mill"
    domain: int = ranged(600, least=0, most=10**6)
    model: ParserConfig = field(default_factory=ParserConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class TaggerSection:
    """The oracle tagger, which gives universal part-of-speech tags."""

    #: auto: stanza, then spaCy, where their English models are installed, else nltk; trained on
    #: the gold tags of a corpus that has them; or insist on one of stanza, spacy, nltk, trained
    source: Literal["auto", "stanza", "spacy", "nltk", "trained"] = "auto"


HERE = "eval.running.oracles"
SHARED = (
    Role("corpus", f"{HERE}:corpus"),
    Role("vocabulary", f"{HERE}:vocabulary", section="vocabulary", Config=VocabularyConfig),
    Role(
        "parser",
        f"{HERE}:parser",
        section="parser",
        Config=ParserSection,
        title="parser",
        curve=("valid_f1",),
        curve_label="bracketing F1",
    ),
    Role("tagger", f"{HERE}:tagger", section="tagger", Config=TaggerSection),
    Role("texts", f"{HERE}:texts"),
    Role("tagged_corpus", f"{HERE}:tagged_corpus"),
    Role("tagged_texts", f"{HERE}:tagged_texts"),
    Role("task_texts", f"{HERE}:task_texts"),
    LM,
    TEACHER,
    SUBWORDS,
)


def roles() -> dict[str, Role]:
    """Name -> role; those that classes of the user's files bring among them."""
    return {role.name: role for role in SHARED} | METHODS.roles
