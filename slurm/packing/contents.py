"""What is written in a pack, and which run it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import with_config
from typing_extensions import TypedDict

from eval.running.keys import pairs
from eval.running.store import StoredSpec
from slurm.packing.start import FORMAT
from tasks.common.errors import UserError
from tasks.common.names import is_key
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, Spec
from tasks.common.schema import OPEN, Whole, read_json

#: controls of the user's own, in a pack
CONTROLS = "controls.jsonl"
#: keys of ``eval.run`` that say where things lie here, or what is shown here
HERE = ("out", "store", "prebuilt", "data", "controls", "device", "threads", "overwrite",
        "stop_after", "with", "columns", "legend", "log", "log_folder")  # fmt: skip


@with_config(OPEN)
class Pack(TypedDict):
    """``pack.json``. ``arguments``: of ``eval.run``, as they were typed here; ``config``: all of
    its settings; ``given``: what is made here, by its role; ``carried``: the artefacts that travel;
    ``trained``: those that are to be trained there; ``teachers``: roles of judges among these;
    ``files``: sha256 of every other file."""

    format: Whole
    version: str
    code: str
    commit: str | None
    python: str
    arguments: list[str]
    config: dict[str, Any]
    given: dict[str, StoredSpec]
    carried: list[str]
    trained: list[str]
    teachers: list[str]
    files: dict[str, str]


def read_pack(path: Path) -> Pack:
    """A ``pack.json``. Raises ``UserError`` for one that is damaged or of another format."""
    pack: Pack = read_json(path, Pack)
    if pack["format"] != FORMAT:
        raise UserError(f"{path} is of format {pack['format']}, and this program's is {FORMAT}")
    for key in (*pack["carried"], *pack["trained"]):
        if not is_key(key):
            raise UserError(f"{path} is damaged: '{key}' names no artefact")
    return pack


def arguments(pack: Pack, leave: Sequence[str], **more: object) -> list[str]:
    """Those of ``eval.run`` without the keys of ``leave``, and ``more``."""
    from eval.running.config import RunConfig

    given = pairs(pack["arguments"], RunConfig)
    kept = {name: value for name, value in given.items() if name not in leave}
    return [f"{name}={value}" for name, value in {**kept, **more}.items()]


def given(pack: Pack) -> Mapping[str, Recipe]:
    """Role -> the recipe of what was made where the pack comes from."""
    return {role: _elsewhere(Spec(**spec)) for role, spec in pack["given"].items()}


def _elsewhere(spec: Spec) -> Recipe:
    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        raise UserError(f"the pack is incomplete: {spec.key} is made where packs are made")

    return Recipe(spec, {}, build, f"look for {spec.key}")
