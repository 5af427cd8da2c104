"""The shapes of the files that oracles are stored in."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from tasks.common.schema import OPEN

#: names of one kind -> their ids
Ids = dict[str, Annotated[int, Field(ge=0, le=10**7)]]


@with_config(OPEN)
class StoredVocabularies(TypedDict):
    """``tasks.oracles.chart.Vocabularies`` as they are stored."""

    tags: Ids
    labels: Ids
    chars: Ids
    words: Ids
    inputs: Ids
    force_root: bool


@with_config(OPEN)
class ParserFile(TypedDict):
    """``parser.json`` of an oracle parser; of a published one, ``meta`` alone."""

    meta: dict[str, Any]
    version: NotRequired[int]
    config: NotRequired[dict[str, Any]]
    vocabularies: NotRequired[StoredVocabularies]
    tagger: NotRequired[bool]


@with_config(OPEN)
class TaggerFile(TypedDict):
    """``tagger.json`` of an oracle tagger."""

    source: Literal["trained", "nltk", "stanza", "spacy"]
    meta: dict[str, Any]
