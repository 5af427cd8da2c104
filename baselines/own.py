"""Bring your own method: ``path/to/file.py:ClassName`` wherever a method's name can stand."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError, unknown
from tasks.common.registry import Registry

MARK = ".py:"


class MethodRegistry(Registry):
    """The registered methods and classes from files of the user's.

    ``name`` gives what a method is called in results: the registered name, or the ``name`` of a
    file's class, under which ``load`` finds it from then on.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        super().__init__(kind, entries)
        self._files: dict[str, tuple[Path, Any]] = {}

    def load(self, name: str) -> Any:
        if MARK in name:
            name = self.name(name)
        return self._files[name][1] if name in self._files else super().load(name)

    @property
    def own(self) -> list[str]:
        """Names of the classes from files so far."""
        return list(self._files)

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
        name: str = cls.name
        other = self._files.get(name)
        if name in set(self) or (other and other[0] != file):
            raise UserError(f"{wanted} in {path} is called '{name}', as another method is")
        self._files[name] = (file, cls)
        return name

    def digest(self, name: str) -> str | None:
        """What identifies the code of a file's class, None for a registered method. (Of the file
        alone; what it imports has to bump ``version``.)"""
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
    lacking = [key for key in ("name", "Settings") if not hasattr(found, key)]
    lacking += sorted(found.__abstractmethods__)
    if lacking:
        raise UserError(f"{name} in {path} lacks {', '.join(lacking)}")
    return found
