"""``python -m eval.verify store=DIR``: checks every artefact of a store against its digests.

Exit code 1 if anything is damaged, each thing named in one line. Nothing is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.run import guarded
from eval.running.keys import key_list, override, pairs
from eval.running.store import BUILDING, DIGESTS, SPEC, read_digests, read_spec, verify
from tasks.common.commands import typed
from tasks.common.errors import UserError
from tasks.common.names import is_key
from tasks.common.shipped import SHIPPED, ready

DAMAGED = 1
#: names of other folders that an error shows
SHOWN = 4


@dataclass(frozen=True)
class VerifyConfig:
    """What is checked."""

    #: folders of artefacts, separated by commas; shipped: those that come with the program
    store: str = f".store,{SHIPPED}"


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
    spec = read_spec(folder)
    if spec.key != folder.name:
        yield f"{folder / SPEC} is that of {spec.key}"
    known = {*read_digests(folder), SPEC, DIGESTS}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and str(path.relative_to(folder)) not in known:
            yield f"{path} is not part of the artefact"


def unfinished(folder: Path) -> Iterator[str]:
    """What is wrong with the checkpoint of an artefact under construction."""
    from models.nets import checkpoint

    path = folder / checkpoint.NAME
    if path.exists():
        try:
            checkpoint.read(path)
        except UserError as error:
            yield f"{error} (training will start afresh)"


def _is_artefact(folder: Path) -> bool:
    return folder.name.startswith(BUILDING) or is_key(folder.name)


def main(given: Sequence[str]) -> None:
    if "--help" in given or "-h" in given:
        print(typed(f"usage: python -m eval.verify store=DIR\n\n{__doc__}"))
        print(key_list(VerifyConfig()))
        return
    config = override(VerifyConfig(), pairs(given, VerifyConfig))
    whole, damages, others = 0, list[str](), list[str]()
    for store in ready(config.store):
        if not store.is_dir():
            raise UserError(f"store={store}: there is no such folder")
        folders = sorted(path for path in store.iterdir() if path.is_dir())
        if folders and not any(map(_is_artefact, folders)):
            raise UserError(
                f"store={store}: no folder of artefacts, each of which is called "
                f"KIND-0123456789abcdef (here: {', '.join(path.name for path in folders[:SHOWN])})"
            )
        for folder in folders:
            building = folder.name.startswith(BUILDING)
            if not _is_artefact(folder):
                others.append(f"{folder} is no artefact, and was not looked at")
                continue
            wrong = list(unfinished(folder) if building else damage(folder))
            whole += not wrong and not building
            damages += wrong
    print("\n".join([*others, *damages, f"{whole} artefacts are whole, {len(damages)} damages"]))
    if damages:
        raise Damaged


if __name__ == "__main__":
    try:
        sys.exit(guarded(main, sys.argv[1:]))
    except Damaged:
        sys.exit(DAMAGED)
