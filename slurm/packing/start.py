"""What runs first of a pack, a copy beside its ``run.sh``: Python alone, no package. It looks
whether the pack is whole, and unpacks it into ``work/``, once."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

#: of the files that a pack consists of and of what comes back; another one is refused
FORMAT = 1
MANIFEST, CONTENT, WHEELS, WORK = "pack.json", "content.tar.xz", "wheels", "work"
#: in ``work/``: the digest of the content that was unpacked there
MARK = ".content"
#: what the machine has to have; a pack brings everything else
NEEDED = ("torch", "transformers", "numpy", "safetensors", "rich", "accelerate")
USAGE_ERROR = 2


class Refused(Exception):
    """A pack that cannot be run here, in one line."""


def prepare(folder: str) -> None:
    """Unpacks the pack and puts its code on the path. Ends the process with one line on stderr and
    exit code 2 where the pack is not whole or the machine is not the one that it was made for."""
    place = Path(folder).resolve()
    try:
        work = unpacked(place, whole(place))
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USAGE_ERROR)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        print(f"error: cannot unpack {place}: {reason}", file=sys.stderr)
        sys.exit(USAGE_ERROR)
    paths = [str(work / "lib"), str(work / "code")]
    sys.path[:0] = paths
    # processes that compilers start find the same packages
    rest = [part for part in [os.environ.get("PYTHONPATH", "")] if part]
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *rest])


def whole(place: Path) -> dict[str, Any]:
    """The pack's manifest. Raises ``Refused``."""
    try:
        pack = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        files, made_for = dict(pack["files"]), str(pack["python"])
    except FileNotFoundError:
        raise Refused(f"{place} is no pack: it has no {MANIFEST}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused(f"{place / MANIFEST} is damaged: copy the pack anew") from None
    if pack.get("format") != FORMAT:
        raise Refused(f"{place} is a pack of format {pack.get('format')}, and this is {FORMAT}")
    for name, digest in files.items():
        path = place / name
        if not path.is_file():
            raise Refused(f"{place} is incomplete: {name} is missing")
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise Refused(f"{path} is damaged: copy the pack anew")
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if here != made_for:
        raise Refused(
            f"{place} was made for Python {made_for}, and this is {here}: name that one with "
            f"PYTHON=..., or make the pack with python={here}"
        )
    lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if lacking:
        raise Refused(f"this Python ({sys.executable}) lacks {', '.join(lacking)}")
    return dict(pack)


def unpacked(place: Path, pack: dict[str, Any]) -> Path:
    """``work/`` of a whole pack, as an earlier call left it or made now."""
    work, content = place / WORK, pack["files"][CONTENT]
    if work.is_dir():
        mark = work / MARK
        if not mark.is_file() or mark.read_text(encoding="utf-8") != content:
            raise Refused(f"{work} is of another pack: put it elsewhere")
        return work
    part = place / f".{WORK}"
    shutil.rmtree(part, ignore_errors=True)
    with tarfile.open(place / CONTENT) as archive:
        archive.extractall(part, filter="data")
    (part / "lib").mkdir(exist_ok=True)
    for wheel in sorted((place / WHEELS).glob("*.whl")):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(part / "lib")
    (part / MARK).write_text(content, encoding="utf-8")
    os.replace(part, work)
    return work
