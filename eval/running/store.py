"""The artefact store: anything trained or derived, by the hash of what it was made from.

A folder named after its key is complete: it is built beside its place, in ``.building-KEY``, and
renamed. The building folder outlives a kill, so that training goes on from its checkpoint.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator
from typing_extensions import TypedDict

from tasks.common.errors import UserError
from tasks.common.files import DAMAGED, file_digest, json_text, place, write_text
from tasks.common.lease import hold
from tasks.common.names import is_key
from tasks.common.progress import Progress
from tasks.common.recipe import Recipe, Spec
from tasks.common.schema import Named, Unreadable, read_json

SPEC, DIGESTS = "spec.json", "digests.json"
#: how the folder of an artefact under construction is called, before its key
BUILDING = ".building-"


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"'{name}' is no file of the folder")
    return name


#: the path of a file inside an artefact's folder
Inside = Annotated[str, AfterValidator(_inside)]


class StoredSpec(TypedDict):
    """``spec.json`` of an artefact (``tasks.common.recipe.Spec``)."""

    kind: Named
    config: dict[str, Any]
    version: int
    data: str | None
    deps: dict[str, str]


#: opens the display of one building stage
OnStage = Callable[[Recipe], AbstractContextManager[Progress]]


class Store:
    """Artefacts under ``root``, with read-only folders of prebuilt ones behind it.

    ``check=False`` takes an artefact that is there for whole, which is enough to plan with.
    ``waiting`` is told what another process is building, when this one waits for it.
    """

    def __init__(
        self,
        root: Path,
        prebuilt: Sequence[Path] = (),
        check: bool = True,
        waiting: Callable[[Recipe], None] = lambda recipe: None,
    ) -> None:
        self.root, self.check, self.waiting = root, check, waiting
        self.prebuilt = tuple(prebuilt)
        self._checked: dict[str, Path] = {}

    def find(self, key: str) -> Path | None:
        """The folder of a complete artefact, or None.

        Raises ``UserError`` if it is there but a file is missing or differs from its digest.
        """
        if key in self._checked:
            return self._checked[key]
        if not is_key(key):  # a name that stands in results is no path
            return None
        for base in (self.root, *self.prebuilt):
            folder = base / key
            if folder.is_dir():
                if self.check:
                    verify(folder)
                self._checked[key] = folder
                return folder
        return None

    def missing(self, recipes: Sequence[Recipe]) -> list[Recipe]:
        """What must be built for ``recipes``, dependencies first, each once."""
        order: dict[str, Recipe] = {}

        def visit(wanted: Recipe) -> None:
            if wanted.key in order or self.find(wanted.key):
                return
            for dep in wanted.deps.values():
                visit(dep)
            order[wanted.key] = wanted

        for wanted in recipes:
            visit(wanted)
        return list(order.values())

    def resolve(self, wanted: Recipe, on_stage: OnStage) -> Path:
        """The folder of ``wanted``, built now if need be, its missing dependencies first.

        Raises ``UserError`` if the store cannot be written or an artefact is damaged.
        """
        for part in self.missing([wanted]):
            self._build(part, on_stage)
        folder = self.find(wanted.key)
        assert folder is not None
        return folder

    def _build(self, wanted: Recipe, on_stage: OnStage) -> None:
        key = wanted.key
        folder = self.root / f"{BUILDING}{key}"
        with ExitStack() as stack:
            try:
                lock = self.root / f".lock-{key}"
                stack.enter_context(hold(lock, lambda: self.waiting(wanted)))
            except OSError as error:
                reason = error.strerror or error
                raise UserError(
                    f"cannot write to the artefact store {self.root}: {reason} "
                    "(choose one with store=)"
                ) from None
            if self.find(key):  # another process built it while this one waited
                return
            folder.mkdir(exist_ok=True)
            if not (folder / SPEC).exists():
                deps = {role: self._folder(dep) for role, dep in wanted.deps.items()}
                with on_stage(wanted) as progress:
                    wanted.build(folder, deps, progress)
                seal(folder, wanted.spec)
            # Checkpoints go only once the spec is written: a kill here loses no training.
            for scrap in [*folder.glob("checkpoint.*"), *folder.glob("*.part")]:
                if DAMAGED in scrap.name:  # put aside while it was built, and no part of it
                    os.replace(scrap, self.root / f".{key}.{scrap.name}")
                else:
                    scrap.unlink()
            verify(folder)
            place(folder, self.root / key)

    def _folder(self, dep: Recipe) -> Path:
        folder = self.find(dep.key)
        assert folder is not None, f"{dep.key} was to be built first"
        return folder

    def refuse_links(self, key: str) -> None:
        """Raises ``UserError`` where a complete artefact is a link, or has one among the files that
        it was sealed with: what it leads to is not for others."""
        folder = self.find(key)
        if folder is None:
            return
        for name in (SPEC, DIGESTS, *read_digests(folder)):
            path = folder / name
            parts = [path, *(part for part in path.parents if part.is_relative_to(folder))]
            linked = next((part for part in parts if part.is_symlink()), None)
            if linked is not None:
                raise UserError(f"{linked} is a link: put what it leads to in its place")

    def export(self, wanted: Recipe, target: Path) -> Path:
        """Copies a complete artefact into the folder ``target``, as a prebuilt one: the files that
        it was sealed with and no others. Raises ``UserError`` for a link among them."""
        folder = self._folder(wanted)
        self.refuse_links(wanted.key)
        place = target / wanted.key
        if not place.exists():
            part = target / f"{BUILDING}{wanted.key}"
            shutil.rmtree(part, ignore_errors=True)
            for name in (SPEC, DIGESTS, *read_digests(folder)):
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, part / name)
            os.replace(part, place)
        return place


def seal(folder: Path, spec: Spec) -> None:
    """Writes the digests of a finished build, then its spec, which says that it is finished."""
    names = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.startswith("checkpoint.")
        and not path.name.endswith(".part")
        and path.name not in (SPEC, DIGESTS)
    )
    digests = {name: file_digest(folder / name) for name in names}
    write_text(folder / DIGESTS, json_text(digests, indent=1, escape=True))
    write_text(folder / SPEC, json.dumps(spec.as_dict(), indent=1, sort_keys=True, allow_nan=False))


def verify(folder: Path) -> None:
    """Raises ``UserError`` naming the first file that is missing or not what was written. It
    says to delete a folder only if it is called as artefacts are and its files can be read."""
    if not is_key(folder.name.removeprefix(BUILDING)):
        raise UserError(f"{folder} is no artefact, which is a folder KIND-0123456789abcdef")
    remedy = f"delete the folder {folder} and run the same command to build it again"
    try:
        digests = read_digests(folder)
        read_spec(folder)
    except Unreadable:
        raise
    except UserError as error:
        raise UserError(f"artefact {folder.name} is damaged ({error}): {remedy}") from None
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"artefact file {path} is missing: {remedy}")
        try:
            same = file_digest(path) == digest
        except OSError as error:
            raise Unreadable(f"cannot read {path}: {error.strerror or error}") from None
        if not same:
            size = path.stat().st_size
            raise UserError(f"artefact file {path} is damaged ({size} bytes): {remedy}")


def read_digests(folder: Path) -> dict[str, str]:
    """File name -> sha256 of a complete artefact."""
    digests: dict[str, str] = read_json(folder / DIGESTS, dict[Inside, str])
    return digests


def read_spec(folder: Path) -> Spec:
    """What a complete artefact was made from."""
    stored = read_json(folder / SPEC, StoredSpec)
    return Spec(**{field.name: stored[field.name] for field in fields(Spec)})
