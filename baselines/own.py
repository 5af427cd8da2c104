"""Bring your own method: ``path/to/file.py:ClassName`` wherever a method's name can stand."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from models.base import Card, Role
from tasks.common.errors import UserError, unknown

MARK = ".py:"


class MethodRegistry(Mapping[str, Card]):
    """The cards of all methods, in the order of tables, and of classes from files of the user's.

    A registered name gives its card; ``load`` gives the class. ``name`` gives what a method is
    called in results: the registered name, or the ``name`` of a file's class, under which ``load``
    and ``card`` find it from then on.
    """

    def __init__(self, cards: Iterable[Card]) -> None:
        every = list(cards)
        self.floors = {card.name: card for card in every if card.floor}
        self._cards = {card.name: card for card in every if not card.floor}
        self._files: dict[str, tuple[Path, Any]] = {}

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
        if MARK in name:
            name = self.name(name)
        if name in self._files:
            found: Card = self._files[name][1].card
            return found
        return self.floors.get(name) or self[name]

    def load(self, name: str) -> Any:
        """The class."""
        if MARK in name:
            name = self.name(name)
        return self._files[name][1] if name in self._files else self.card(name).generator()

    @property
    def own(self) -> list[str]:
        """Names of the classes from files so far."""
        return list(self._files)

    @property
    def cards(self) -> list[Card]:
        """Every card: the methods', the floors' and those of files."""
        return [*self._cards.values(), *self.floors.values(), *map(self.card, self._files)]

    @property
    def roles(self) -> dict[str, Role]:
        """The roles that methods bring, by name."""
        return {role.name: role for card in self.cards for role in card.brings}

    def name(self, method: str) -> str:
        """Raises ``UserError`` for a file that is missing or does not import, a class that it does
        not have or that is no complete ``models.base.Generator``, and a name that is taken."""
        if MARK not in method:
            return method
        path, _, wanted = method.rpartition(":")
        file = Path(path).resolve()
        if not file.is_file():
            raise UserError(f"method={method}: there is no file {path}")
        cls = _class(_module(file, path), wanted, path)
        name: str = cls.card.name
        other = self._files.get(name)
        if name in self._cards or name in self.floors or (other and other[0] != file):
            raise UserError(f"{wanted} in {path} is called '{name}', as another method is")
        self._files[name] = (file, cls)
        return name

    def digest(self, name: str) -> str | None:
        """What identifies the code of a file's class, None for a registered method. (Of the file
        alone; what it imports has to bump its card's ``version``.)"""
        if name not in self._files:
            return None
        return hashlib.sha256(self._files[name][0].read_bytes()).hexdigest()[:16]


def _module(file: Path, shown: str) -> Any:
    """The file as a module, imported once for each state of it."""
    digest = hashlib.sha256(str(file).encode() + file.read_bytes()).hexdigest()[:16]
    name = f"own_method_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is being made
    sys.path.insert(0, str(file.parent))  # files beside it
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(file)]
        at = lines[-1] if lines else getattr(error, "lineno", None)
        where = f" (line {at})" if at else ""
        raise UserError(f"cannot import {shown}{where}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(file.parent))
    return module


def _class(module: Any, name: str, path: str) -> Any:
    from models.base import Generator

    own = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Generator)
        and value.__module__ == module.__name__
    }
    found = getattr(module, name, None)
    if found is None:
        if not own:
            raise UserError(f"{path} has no class {name}, nor any models.base.Generator")
        raise unknown(f"class of {path}", name, own)
    if not (isinstance(found, type) and issubclass(found, Generator)):
        raise UserError(f"{name} in {path} is no subclass of models.base.Generator")
    lacking = ["card"] if not isinstance(getattr(found, "card", None), Card) else []
    lacking += sorted(found.__abstractmethods__)
    if lacking:
        raise UserError(f"{name} in {path} lacks {', '.join(lacking)}")
    return found
