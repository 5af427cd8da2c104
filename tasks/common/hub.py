"""Pretrained networks by hub id or folder: which revision, and never any code of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.schema import read_json

#: what a folder may say of code beside its weights, and where
CODE, FILES = "auto_map", ("config.json", "tokenizer_config.json", "processor_config.json")


def revised(name: str) -> tuple[str, str | None]:
    """A hub id and its revision (a branch, a tag or a commit), None where none is named: of
    ``owner/model@revision``. A folder or file stands for itself."""
    if "@" not in name or Path(name).exists():
        return name, None
    place, _, revision = name.rpartition("@")
    return place, revision


def pinned(name: str) -> tuple[str, dict[str, Any]]:
    """What ``from_pretrained`` takes: the place, and its options, under which no code that a model
    brings is run. Raises ``ValueError`` for a folder that asks for it."""
    place, revision = revised(name)
    refuse_code(Path(place))
    options: dict[str, Any] = {"trust_remote_code": False}
    return place, options | ({"revision": revision} if revision else {})


def refuse_code(folder: Path) -> None:
    """Raises ``ValueError``, in one line, for a folder whose network or tokenizer is code of its
    own, and for settings that are none."""
    for name in FILES if folder.is_dir() else ():
        if (folder / name).exists():
            try:
                stored = read_json(folder / name, dict[str, Any])
            except UserError as error:
                raise ValueError(str(error)) from None
            if CODE in stored:
                raise ValueError(
                    f"{folder / name} asks for code of its own ({CODE}), which is never run"
                )
