"""Lazy name -> ``module:attribute`` maps: listing names imports nothing heavy."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.common.errors import unknown


class Registry(Mapping[str, str]):
    """Names of one kind of thing (tasks, methods, corpora) and where each is defined.

    ``load(name)`` imports the module on demand; an unknown name raises ``UserError`` with the
    nearest valid one.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> str:
        if name not in self._entries:
            raise unknown(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def load(self, name: str) -> Any:
        module, attribute = self[name].split(":")
        return getattr(importlib.import_module(module), attribute)
