"""The shape of a stored corpus."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from tasks.common.schema import OPEN, Whole


@with_config(OPEN)
class TextLine(TypedDict):
    """A text of a stored corpus (``tasks.texts.Text``)."""

    words: list[str]
    tree: NotRequired[str]
    tags: NotRequired[list[str]]
    fields: NotRequired[list[Annotated[list[str], Field(min_length=2, max_length=2)]]]
    sentences: NotRequired[list[Whole]]
    verbatim: NotRequired[bool]
