"""Bring your own: ``path/to/file.py:ClassName`` wherever the name of a task or method can stand."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError, unknown
from tasks.common.names import check_name
from tasks.common.registry import Registry
from tasks.common.shipped import ROOT

#: what the names of modules from files begin with
_MODULE = "own_"
#: (module, class) -> what results call a class of a file, with its kind
_called: dict[tuple[str, str], str] = {}


def in_file(name: str) -> bool:
    """Whether a name is a file's, ``path/to/file.py:ClassName`` or ``path/to/file.py``."""
    return ".py:" in name or name.endswith(".py")


@contextmanager
def blaming() -> Iterator[None]:
    """An exception that comes out of a file of the user's, ``sys.exit`` among them, becomes a
    ``UserError``: one line that names class, file and line, and below it the traceback from there.
    """
    from tasks.common.stop import Stopped

    try:
        yield
    except (UserError, Stopped):
        raise
    except (Exception, SystemExit) as error:
        said = _fault(error)
        if said is None:
            raise
        raise said from None


class Blamed(UserError):
    """A fault of a file of the user's. ``trace``: the traceback from there, or nothing."""

    def __init__(self, said: str, trace: str = "") -> None:
        super().__init__(said)
        self.trace = trace


def _fault(error: BaseException) -> Blamed | None:
    """What :func:`blaming` says of an error; None where no file of the user's has a part in it."""
    trace, own = error.__traceback__, None
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.startswith(_MODULE):
            first = own[0] if own else trace
            own = first, trace, module
        trace = trace.tb_next
    if own is None:
        return None
    first, last, module = own
    code = last.tb_frame.f_code
    named = [(cls, said) for (where, cls), said in _called.items() if where == module]
    names = [said for cls, said in named if cls == code.co_qualname.partition(".")[0]]
    who = (names or [said for _, said in named] or [module])[0]
    where = f"({code.co_filename}, line {last.tb_lineno})"
    if isinstance(error, SystemExit):
        return Blamed(f"{who} {where} ended the program: sys.exit({error.code!r})")
    lines = traceback.format_exception(type(error), error, first)
    what = traceback.format_exception_only(type(error), error)[-1].strip().splitlines()[0]
    return Blamed(f"{who} {where} failed: {what}", "".join(lines).rstrip())


class OwnClasses(ABC):
    """Classes from files of the user's, for a registry to mix in.

    ``name`` gives what a class is called in results, under which the registry finds it from then
    on. ``kind``: what the registry holds, as ``task``. ``base``: ``module:class`` that such a class
    must be a subclass of, imported when the first file is read.
    """

    kind: str
    base: str

    def __init__(self) -> None:
        self._files: dict[str, tuple[Path | None, Any]] = {}

    @abstractmethod
    def registered(self, name: str) -> bool:
        """Whether a class of the project's own has this name."""

    @abstractmethod
    def called(self, cls: Any) -> str:
        """What a complete class is called."""

    @abstractmethod
    def lacking(self, cls: Any) -> list[str]:
        """What a class must have beside its abstract methods and has not."""

    def wrong(self, cls: Any) -> str:
        """What is wrong with the attributes of a class that lacks none; empty for nothing."""
        return ""

    @property
    def own(self) -> list[str]:
        """Names of the classes from files so far."""
        return list(self._files)

    def name(self, given: str) -> str:
        """Raises ``UserError`` for a file that is missing or does not import (naming the line), a
        class that it does not have or that is no complete subclass of ``base``, and a name that is
        taken or is none. A file that is named without a class must hold one alone. A name without a
        file is given back as it is."""
        if not in_file(given):
            return given
        path, _, wanted = (given, "", "") if given.endswith(".py") else given.rpartition(":")
        file = Path(path).resolve()
        if not file.is_file():
            raise UserError(f"{self.kind}={given}: there is no file {path}")
        cls = self._class(self._module(file, path), wanted, path)
        name = self.called(cls)
        other = self._files.get(name)
        if self.registered(name) or (other and other[0] != file):
            raise UserError(
                f"{cls.__name__} in {path} is called '{name}', as another {self.kind} is"
            )
        check_name(name, f"{cls.__name__} in {path}", dots=False)
        self._files[name] = (file, cls)
        _called[cls.__module__, cls.__name__] = f"{self.kind} {name}"
        return name

    def add(self, cls: Any) -> str:
        """Takes a class that is at hand, of a notebook for one, and gives what it is called in
        results. It takes the place of one of that name that came the same way. Raises ``UserError``
        as :meth:`name` does."""
        if not isinstance(cls, type):
            raise UserError(f"{self.kind}={cls!r} is neither a name nor a class")
        shown = cls.__qualname__
        self._check(cls, shown)
        name = self.called(cls)
        held = self._files.get(name)
        if held is not None and held[1] is cls:
            return name
        if self.registered(name) or (held and held[0] is not None):
            raise UserError(f"{shown} is called '{name}', as another {self.kind} is")
        check_name(name, shown, dots=False)
        self._files[name] = (None, cls)
        return name

    def digest(self, name: str) -> str | None:
        """What identifies the code of a class of the user's, None for a registered one. (Of its
        file alone; what that imports has to bump ``version``. Of a class without a file, of its
        lines where they are known.)"""
        if name not in self._files:
            return None
        file, cls = self._files[name]
        if file is not None:
            code = file.read_bytes()
        else:
            try:
                code = inspect.getsource(cls).encode()
            except (OSError, TypeError):
                code = f"{cls.__module__}.{cls.__qualname__}".encode()
        return hashlib.sha256(code).hexdigest()[:16]

    def _module(self, file: Path, shown: str) -> Any:
        """The file as a module, imported once for each state of it."""
        digest = hashlib.sha256(str(file).encode() + file.read_bytes()).hexdigest()[:16]
        name = f"{_MODULE}{self.kind}_{digest}"
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look their module up while it is being made
        sys.path.insert(0, str(file.parent))  # files beside it
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            frames = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in frames if frame.filename == str(file)]
            at = lines[-1] if lines else getattr(error, "lineno", None)
            where = f" (line {at})" if at else ""
            raise UserError(
                f"cannot import {shown}{where}: {type(error).__name__}: {error}"
                f"{_hidden(error, file.parent)}"
            ) from error
        finally:
            sys.path.remove(str(file.parent))
        if str(file.parent) not in sys.path:  # for what its functions import, behind all else
            sys.path.append(str(file.parent))
        return module

    def _class(self, module: Any, name: str, path: str) -> Any:
        base, shown = self._base()
        here = {
            key: value
            for key, value in vars(module).items()
            if isinstance(value, type)
            and issubclass(value, base)
            and value.__module__ == module.__name__
        }
        if not name and len(here) > 1:  # those that others of the file are made from aside
            here = {key: one for key, one in here.items() if not self._missing(one)} or here
        if not name and len(here) == 1:
            name = next(iter(here))
        if not name and here:
            names = ", ".join(sorted(here))
            raise UserError(
                f"{path} has {len(here)} classes ({names}): name one, as {path}:{min(here)}"
            )
        cls = getattr(module, name, None)
        if cls is None:
            if not here:
                raise UserError(f"{path} has no class {name or shown}, nor any {shown}")
            raise unknown(f"class of {path}", name, here)
        self._check(cls, f"{name} in {path}")
        return cls

    def _base(self) -> tuple[Any, str]:
        at, _, attribute = self.base.partition(":")
        return getattr(importlib.import_module(at), attribute), f"{at}.{attribute}"

    def _check(self, cls: Any, where: str) -> None:
        """Raises ``UserError``, which begins with ``where``, for anything but a whole subclass."""
        base, shown = self._base()
        if not (isinstance(cls, type) and issubclass(cls, base)):
            raise UserError(f"{where} is no subclass of {shown}")
        lacking = self._missing(cls)
        if lacking:
            raise UserError(f"{where} lacks {', '.join(lacking)}")
        wrong = self.wrong(cls)
        if wrong:
            raise UserError(f"{where}: {wrong}")

    def _missing(self, cls: Any) -> list[str]:
        return [*self.lacking(cls), *sorted(getattr(cls, "__abstractmethods__", ()))]


def _hidden(error: BaseException, folder: Path) -> str:
    """What an error says where a file beside the user's is called as a package of this program."""
    top = str(getattr(error, "name", None) or "").partition(".")[0]
    found = getattr(sys.modules.get(top), "__file__", None)
    if not isinstance(error, ImportError) or not found or not (folder / f"{top}.py").is_file():
        return ""
    if Path(found).resolve() != ROOT / top / "__init__.py":
        return ""
    return f" ({top}.py beside it has the name of a package of this program: rename it)"


class OwnRegistry(OwnClasses, Registry):
    """The registered classes of one kind, and classes from files. ``wanted``: the attributes that a
    class of a file must have; ``name`` among them is what it is called."""

    def __init__(
        self, kind: str, entries: Mapping[str, str], *, base: str, wanted: Sequence[str]
    ) -> None:
        Registry.__init__(self, kind, entries)
        OwnClasses.__init__(self)
        self.base, self.wanted = base, tuple(wanted)

    def registered(self, name: str) -> bool:
        return name in self

    def called(self, cls: Any) -> str:
        return str(cls.name)

    def wrong(self, cls: Any) -> str:
        return "" if isinstance(cls.name, str) else f"its name is {cls.name!r}, no string"

    def lacking(self, cls: Any) -> list[str]:
        return [key for key in self.wanted if not hasattr(cls, key)]

    def load(self, name: str) -> Any:
        name = self.name(name)
        return self._files[name][1] if name in self._files else super().load(name)
