"""``python -m eval.verify store=DIR``: checks every artefact of a store against its digests.

Exit code 1 if anything is damaged, each thing named in one line. Nothing is changed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.run import guarded
from eval.running.keys import key_list, override, pairs
from eval.running.store import DIGESTS, SPEC, read_digests, verify
from tasks.common.errors import UserError
from tasks.common.recipe import Spec

DAMAGED = 1
BUILDING = ".building-"


@dataclass(frozen=True)
class VerifyConfig:
    """What is checked."""

    #: folders of artefacts, separated by commas
    store: str = ".store,results/prebuilt"


class Damaged(Exception):
    """Something that was checked is damaged; it has been said what."""


def damage(folder: Path) -> Iterator[str]:
    """What is wrong with one artefact: files that are missing or differ from their digests, files
    that no digest covers, a spec that is not the one behind the folder's name."""
    try:
        verify(folder)
    except UserError as error:
        yield str(error)
        return
    spec = Spec(**json.loads((folder / SPEC).read_text(encoding="utf-8")))
    if spec.key != folder.name:
        yield f"{folder / SPEC} is that of {spec.key}"
    known = {*read_digests(folder), SPEC, DIGESTS}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and str(path.relative_to(folder)) not in known:
            yield f"{path} is not part of the artefact"


def unfinished(folder: Path) -> Iterator[str]:
    """What is wrong with the checkpoint of an artefact under construction."""
    from models.nets.artefact import read_tensors

    path = folder / "checkpoint.safetensors"
    if path.exists():
        try:
            read_tensors(path)
        except UserError as error:
            yield f"{error} (training will start afresh)"


def main(given: Sequence[str]) -> None:
    if "--help" in given or "-h" in given:
        print(f"usage: python -m eval.verify store=DIR\n\n{__doc__}\n{key_list(VerifyConfig())}")
        return
    config = override(VerifyConfig(), pairs(given, VerifyConfig))
    whole, damages = 0, list[str]()
    for store in map(Path, config.store.split(",")):
        if not store.is_dir():
            raise UserError(f"store={store}: there is no such folder")
        for folder in sorted(path for path in store.iterdir() if path.is_dir()):
            building = folder.name.startswith(BUILDING)
            wrong = list(unfinished(folder) if building else damage(folder))
            whole += not wrong and not building
            damages += wrong
    print("\n".join([*damages, f"{whole} artefacts are whole, {len(damages)} damages"]))
    if damages:
        raise Damaged


if __name__ == "__main__":
    try:
        sys.exit(guarded(main, sys.argv[1:]))
    except Damaged:
        sys.exit(DAMAGED)
