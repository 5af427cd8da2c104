"""What comes back of a pack: one archive, cut into files of a size that can be carried."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from slurm.packing.start import FORMAT, MANIFEST
from tasks.common.errors import UserError
from tasks.common.files import file_digest, json_text, write_bytes, write_text
from tasks.common.schema import OPEN, Whole, read_json

#: says which files came back, in which order; and the folder that they lie in by default
PARCEL, BACK = "back.json", "back"
#: within: the result set, what is known of networks, and networks that came whole
RESULTS, NETWORKS, STORE, PROVENANCE = "results", "networks", "store", "provenance.json"
MIB = 2**20
#: gzip's effort: weights hardly shrink, samples do at once
EFFORT = 3


@with_config(OPEN)
class Parcel(TypedDict):
    """``back.json``. ``of``: sha256 of the pack's ``pack.json``; ``parts``: file -> sha256, in
    their order; ``missing``: cell or network -> how far it came, or why it failed; ``stayed``:
    networks that were to come and are too large; ``settings``: of trainings, as they were chosen
    on the machine, where any were."""

    format: Whole
    of: str
    parts: dict[str, str]
    missing: dict[str, str]
    stayed: list[str]
    settings: NotRequired[dict[str, str]]


def write_parcel(
    back: Path, files: dict[str, Path], part: int, manifest: Path, **facts: object
) -> int:
    """Writes ``files`` (name -> file) as parts of at most ``part`` bytes and the word on them, over
    an earlier parcel; returns how many bytes they have. A kill leaves the earlier parcel whole."""
    back.mkdir(parents=True, exist_ok=True)
    parts: dict[str, str] = {}
    with TemporaryFile(dir=back) as whole:
        with tarfile.open(fileobj=whole, mode="w:gz", compresslevel=EFFORT) as archive:
            for name, path in files.items():
                archive.add(path, name, recursive=False)
        size = whole.tell()
        whole.seek(0)
        digest = hashlib.file_digest(whole, "sha256").hexdigest()[:8]
        whole.seek(0)
        while data := whole.read(part):
            name = f"back-{digest}.{len(parts):02d}"
            write_bytes(back / name, data)
            parts[name] = hashlib.sha256(data).hexdigest()
    record = {"format": FORMAT, "of": file_digest(manifest), "parts": parts, **facts}
    write_text(back / PARCEL, json_text(record, indent=1))
    for path in back.glob("back-*.*"):
        if path.name not in parts:
            path.unlink()
    return size


def read_parcel(folder: Path) -> tuple[Path, Parcel]:
    """The folder with the parts, ``folder`` or ``back/`` in it, and the word on them. Raises
    ``UserError`` where nothing came back, or not all of it."""
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    back = next((one for one in (folder, folder / BACK) if (one / PARCEL).exists()), None)
    if back is None and (folder / MANIFEST).exists():
        raise UserError(f"{folder} has not run yet: sh run.sh in it makes {BACK}/")
    if back is None:
        raise UserError(f"{folder} is nothing that came back of a pack: it has no {PARCEL}")
    parcel: Parcel = read_json(back / PARCEL, Parcel)
    if parcel["format"] != FORMAT:
        raise UserError(
            f"{back / PARCEL} is of format {parcel['format']}, and this program's is {FORMAT}"
        )
    for name, digest in parcel["parts"].items():
        path = back / name
        if Path(name).name != name:
            raise UserError(f"{back / PARCEL} is damaged: '{name}' is no file beside it")
        if not path.is_file():
            raise UserError(f"{back} is incomplete: {name} is missing")
        if file_digest(path) != digest:
            raise UserError(f"{path} is damaged: bring it anew")
    return back, parcel


@contextmanager
def opened(back: Path, parcel: Parcel) -> Iterator[Path]:
    """A passing folder with the files of a parcel that :func:`read_parcel` found whole."""
    with TemporaryDirectory() as folder:
        archive = Path(folder, "archive")
        with open(archive, "wb") as whole:
            for name in parcel["parts"]:
                with open(back / name, "rb") as part:
                    shutil.copyfileobj(part, whole)
        content = Path(folder, "content")
        try:
            with tarfile.open(archive) as packed:
                packed.extractall(content, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise UserError(f"{back} is damaged: {' '.join(str(error).split())}") from None
        os.unlink(archive)
        yield content
