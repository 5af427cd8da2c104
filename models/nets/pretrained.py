"""Pretrained networks: where they lie, and their tokenizers."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.files import canonical, file_digest
from tasks.common.hub import pinned

GGUF = ".gguf"


def located(name: str) -> str:
    """What transformers loads ``name`` from: a local path or hub id as it is, and ``PACKAGE/PATH``
    of an installed Python package that carries its model as that path."""
    package, _, rest = name.partition("/")
    if Path(name).exists() or not rest or not package.isidentifier():
        return name
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / rest).exists():
            return str(Path(place) / rest)
    return name


def source(name: str) -> tuple[str, dict[str, Any]]:
    """What ``from_pretrained`` takes: a place, and its options: the revision of a hub id
    (``name@revision``), the file in a folder where that is a GGUF file (``gguf_file``), and that no
    code of the model's is run.

    Raises ``UserError`` for a GGUF file that is not there (no hub is asked for one), and for a
    folder that asks for code of its own.
    """
    place = located(name)
    try:
        if not place.endswith(GGUF):
            return pinned(place)
        if not Path(place).is_file():
            raise FileNotFoundError("there is no such file")
        folder, options = pinned(str(Path(place).parent))
    except (OSError, ValueError) as error:
        raise missing_pretrained(name, error) from None
    return folder, {**options, "gguf_file": Path(place).name}


def at_hand(name: str) -> bool:
    """Whether a pretrained model lies on this machine, and what reads it is installed."""
    place = Path(located(name))
    reader = place.suffix != GGUF or importlib.util.find_spec("gguf") is not None
    return place.exists() and reader


def content(name: str) -> str | None:
    """The identity of a pretrained model's files; None for a hub id, which its name identifies.
    Raises ``UserError`` for a GGUF file that is not there and for files that cannot be read."""
    place = Path(located(name))
    if place.suffix == GGUF:
        source(name)
    if not place.exists():
        return None
    files = [place] if place.is_file() else sorted(p for p in place.iterdir() if p.is_file())
    try:
        digests = {path.name: file_digest(path) for path in files}
    except OSError as error:
        raise missing_pretrained(name, error) from None
    return hashlib.sha256(canonical(digests).encode()).hexdigest()


def missing_pretrained(name: str, error: Exception) -> UserError:
    """One line for a pretrained model that is neither a local path nor on the hub."""
    return UserError(
        f"pretrained model '{name}' is not available ({str(error).splitlines()[0]}): name a local "
        "folder with its weights and tokenizer, install the package that carries it, or leave it "
        "empty to train from scratch"
    )


def load_tokenizer(name: str) -> Any:
    """Raises ``UserError`` if there is none."""
    from transformers import AutoTokenizer

    place, more = source(name)
    try:
        return AutoTokenizer.from_pretrained(place, **more)
    except (OSError, ValueError, ImportError) as error:
        raise missing_pretrained(name, error) from None
