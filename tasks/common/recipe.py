"""How an artefact is made and what it is known by.

An artefact is anything trained or derived. Its key is the hash of a frozen :class:`Spec`; settings
enter a spec by the fields that differ from their class's defaults, so that a field which a class
gains leaves the keys of what was made before as they are.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.common.files import canonical
from tasks.common.progress import Progress

Folders = Mapping[str, Path]
"""The folder of each artefact that another is made from, by its role."""

Build = Callable[[Path, Folders, Progress], None]


@dataclass(frozen=True)
class Spec:
    """Everything that an artefact's content follows from.

    ``version``: the builder's own number, bumped by hand when what it makes changes meaning.
    ``data``: digest of the corpus it reads itself, if any. ``deps``: role -> key.
    """

    kind: str
    config: Mapping[str, Any]
    version: int
    data: str | None = None
    deps: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "config": self.config,
            "version": self.version,
            "data": self.data,
            "deps": dict(self.deps),
        }

    @property
    def key(self) -> str:
        """``kind-`` and 16 hex digits of the sha256 of the canonical JSON."""
        digest = hashlib.sha256(canonical(self.as_dict()).encode()).hexdigest()
        return f"{self.kind}-{digest[:16]}"


@dataclass(frozen=True)
class Recipe:
    """How to build one artefact. ``build(folder, dependency folders by role, progress)`` fills
    ``folder``, going on from what a killed build left there.

    ``cheap``: made in seconds, by whichever job needs it. ``parallel``: trains data-parallel where
    several processes are started together. ``pace``: the settings that decide how long a training
    step takes, all values included.
    """

    spec: Spec
    deps: Mapping[str, Recipe]
    build: Build
    title: str
    cheap: bool = False
    parallel: bool = False
    pace: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.spec.key


def recipe(
    kind: str,
    title: str,
    build: Build,
    config: Mapping[str, Any],
    *,
    version: int = 1,
    data: str | None = None,
    deps: Mapping[str, Recipe] | None = None,
    cheap: bool = False,
    parallel: bool = False,
    pace: Any = None,
) -> Recipe:
    """A recipe whose spec names the keys of its dependencies. ``pace``: the config dataclass of the
    network, where one is trained."""
    deps = dict(deps or {})
    keys = {role: dep.key for role, dep in deps.items()}
    pace_settings = {} if pace is None else dataclasses.asdict(pace)
    return Recipe(
        Spec(kind, config, version, data, keys), deps, build, title, cheap, parallel, pace_settings
    )


def settings(config: Any, **more: Any) -> dict[str, Any]:
    """A config dataclass as it enters a key: the fields whose values differ from the defaults of
    their class, nested ones likewise. A field with ``metadata={"key": False}``, which changes how
    fast something is made and not what, enters none."""
    return {**_differing(config), **more}


def _differing(config: Any) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for one in dataclasses.fields(config):
        if one.metadata.get("key") is False:
            continue
        value, default = getattr(config, one.name), _default(one)
        if dataclasses.is_dataclass(value) and type(value) is type(default):
            inner = _differing(value)
            if inner:
                kept[one.name] = inner
        elif value != default:
            kept[one.name] = dataclasses.asdict(value) if _is_config(value) else value
    return kept


def _is_config(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _default(one: dataclasses.Field[Any]) -> Any:
    """The default of a field; one without any differs from every value."""
    if one.default is not dataclasses.MISSING:
        return one.default
    if one.default_factory is not dataclasses.MISSING:
        return one.default_factory()
    return dataclasses.MISSING
