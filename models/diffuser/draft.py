"""A text under revision, and how the generator goes through it. Free of torch.

n: its number of words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from models.diffuser.edits import Ids, Kind, Marks, applied, places
from models.diffuser.pairs import shown
from tasks.vocabulary import END


@dataclass(frozen=True)
class Draft:
    """``words``, of which the first ``left`` and the last ``right`` are given and stay.
    ``wanted``: how many the others are to be, None where that is open."""

    words: Ids
    left: int = 0
    right: int = 0
    wanted: int | None = None

    @property
    def middle(self) -> Ids:
        """The words that may change."""
        return self.words[self.left : len(self.words) - self.right]

    @property
    def settled(self) -> bool:
        """Whether it has as many words as are wanted."""
        return bool(self.middle) and len(self.middle) == self.wanted

    def options(self) -> list[tuple[Kind, ...]]:
        """The tags that START and each word may have, 1 + n entries. A middle without a word gets
        some."""
        free = len(self.middle)
        anchor = (Kind.KEEP, Kind.INSERT) if free else (Kind.INSERT,)
        given = [(Kind.KEEP,)]
        return [*given * self.left, anchor, *[tuple(Kind)] * free, *given * self.right]

    def leaves(self, tags: Sequence[Kind]) -> bool:
        """Whether a middle with these tags has a word then."""
        stop = 1 + len(self.words) - self.right
        own = tags[self.left + 1 : stop]
        return tags[self.left] is Kind.INSERT or any(tag is not Kind.DELETE for tag in own)

    def revised(self, marks: Marks) -> Draft:
        return replace(self, words=applied(self.words, marks))


@dataclass(frozen=True)
class Writing:
    """The generator on its way through a draft with ``tags``: it has read ``at`` of what is
    ``shown`` and written ``spans``; ``span``: that which it is writing, None between spans.
    ``room``: how many words more it may put; ``log_p``: of what was chosen so far."""

    draft: Draft
    tags: tuple[Kind, ...]
    shown: tuple[tuple[int, int], ...]
    room: int
    log_p: float = 0.0
    at: int = 0
    spans: tuple[Ids, ...] = ()
    span: Ids | None = None

    @classmethod
    def of(
        cls, draft: Draft, tags: Sequence[Kind], log_p: float, longest: int, opening: int
    ) -> Writing:
        """``longest``: the most words of a text; ``opening``: the token that opens a span."""
        kept = sum(tag in (Kind.KEEP, Kind.INSERT) for tag in tags[1:])
        read = tuple(shown(draft.words, tags, opening))
        return cls(draft, tuple(tags), read, longest - kept, log_p)

    @property
    def done(self) -> bool:
        return self.span is None and self.at == len(self.shown)

    @property
    def next(self) -> tuple[int, int]:
        """(token, place) that the decoder reads next."""
        return (self.span[-1], self.shown[self.at - 1][1]) if self.span else self.shown[self.at]

    @property
    def closes(self) -> bool:
        """Whether the span may end here: it has a word, or there is no room for one."""
        return bool(self.span) or not self.room

    def read(self, opening: int) -> Writing:
        """Behind ``next``; a span is then open or is not."""
        if self.span:
            return self
        token, _ = self.shown[self.at]
        return replace(self, at=self.at + 1, span=() if token == opening else None)

    def say(self, word: int, log_p: float) -> Writing:
        """With a word more of the open span, or with END behind it."""
        assert self.span is not None
        log_p += self.log_p
        if word == END:
            return replace(self, spans=(*self.spans, self.span), span=None, log_p=log_p)
        return replace(self, span=(*self.span, word), room=self.room - 1, log_p=log_p)

    @cached_property
    def result(self) -> Draft:
        """The revised draft, once it is done."""
        assert self.done and len(self.spans) == len(places(self.tags))
        return self.draft.revised(Marks(self.tags, self.spans))
