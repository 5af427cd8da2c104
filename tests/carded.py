"""What a generator's card says of a task, by the task's name."""

from __future__ import annotations

from typing import Any

from models.base import Generator
from tasks import load_task


def refuses(cls: type[Generator], task: str) -> str | None:
    return cls.card.refuses(load_task(task))


def needs(cls: type[Generator], task: str, settings: Any = None) -> tuple[str, ...]:
    return cls.card.needs(load_task(task), settings or cls.card.Settings())


def resolve(cls: type[Generator], settings: Any, task: str) -> Any:
    return cls.card.resolve(settings, load_task(task))
