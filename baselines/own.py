"""The methods by name: their cards, their classes, and those from files of the user's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from models.base import Card, Role
from tasks.common.errors import UserError, unknown
from tasks.common.own import OwnClasses

#: what the fields of a card must be
KINDS: Mapping[str, type] = {
    "name": str, "label": str, "order": int, "Settings": type, "uses": tuple, "brings": tuple,
    "tables": frozenset, "version": int, "ranges": Mapping, "free": Mapping,
}  # fmt: skip


class MethodRegistry(OwnClasses, Mapping[str, Card]):
    """The cards of all methods, in the order of tables, and of classes from files of the user's.

    A registered name gives its card; ``load`` gives the class. ``name`` gives what a method is
    called in results: the registered name, or the ``name`` of a file's class, under which ``load``
    and ``card`` find it from then on.
    """

    kind, base = "method", "models.base:Generator"

    def __init__(self, cards: Iterable[Card]) -> None:
        super().__init__()
        every = list(cards)
        self.floors = {card.name: card for card in every if card.floor}
        self._cards = {card.name: card for card in every if not card.floor}

    def registered(self, name: str) -> bool:
        return name in self._cards or name in self.floors

    def called(self, cls: Any) -> str:
        card: Card = cls.card
        return card.name

    def lacking(self, cls: Any) -> list[str]:
        return [] if isinstance(getattr(cls, "card", None), Card) else ["card"]

    def wrong(self, cls: Any) -> str:
        card: Card = cls.card
        for name, kind in KINDS.items():
            if not isinstance(getattr(card, name), kind):
                return f"its card's {name} is {getattr(card, name)!r}, no {kind.__name__}"
        if not dataclasses.is_dataclass(card.Settings):
            return f"its card's Settings, {card.Settings.__name__}, is no dataclass"
        try:
            card.Settings()
        except UserError:
            raise
        except Exception as error:  # of a class of the user's
            return f"its card's Settings cannot be had without values: {error}"
        parts = [*((one, str) for one in card.uses), *((one, Role) for one in card.brings)]
        for role, kind in parts:
            if not isinstance(role, kind):
                return f"its card names the role {role!r}, no {kind.__name__}"
        return ""

    def __getitem__(self, name: str) -> Card:
        if name not in self._cards:
            raise unknown("method", name, self._cards)
        return self._cards[name]

    def __contains__(self, name: object) -> bool:
        return name in self._cards

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)

    def card(self, name: str) -> Card:
        """The card of a registered method, of a file's class, or of a floor."""
        name = self.name(name)
        if name in self._files:
            card: Card = self._files[name][1].card
            return card
        return self.floors.get(name) or self[name]

    def load(self, name: str) -> Any:
        """The class."""
        name = self.name(name)
        return self._files[name][1] if name in self._files else self.card(name).generator()

    @property
    def cards(self) -> list[Card]:
        """Every card: the methods', the floors' and those of files."""
        return [*self._cards.values(), *self.floors.values(), *map(self.card, self._files)]

    @property
    def roles(self) -> dict[str, Role]:
        """The roles that methods bring, by name."""
        return {role.name: role for card in self.cards for role in card.brings}
