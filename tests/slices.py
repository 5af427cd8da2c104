"""The first targets of committed result sets, small enough to be damaged a few hundred times."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stored import ROOT

from tasks.common.errors import UserError

#: values that stand where others should
ODD: tuple[Any, ...] = (
    *(None, True, -1, 10**30, 1.5, -1e308, "", "x", "../../x", "\x1b[31m$x_{$", [], {}),
    *([[]], [None], ["a", 3], {"a": None}, [[1.0, 2.0], 3], "\ud800"),
)


def small_set(name: str, folder: Path, *tasks: str, targets: int = 2, methods: int = 2) -> Path:
    """The set ``results/NAME`` with its first targets and methods alone, of some ``tasks``."""
    source = ROOT / "results" / name
    for task in sorted(path.parent for path in source.glob("*/targets.jsonl")):
        if tasks and task.name not in tasks:
            continue
        lines = (task / "targets.jsonl").read_text(encoding="utf-8").splitlines()[:targets]
        kept = {json.loads(line)["id"] for line in lines}
        _write(folder / task.name / "targets.jsonl", lines)
        _copy(task / "config.json", folder / task.name / "config.json")
        cells = [path.parent for path in sorted(task.glob("*/samples.jsonl"))][:methods]
        references = [task / name for name in ("human", "unconditional", "left_context")]
        for cell in (one for one in (*cells, *references) if one.is_dir()):
            for path in sorted(cell.iterdir()):
                place = folder / task.name / cell.name / path.name
                if path.suffix == ".jsonl":
                    _write(place, list(_of(path, kept))[: 4 * targets])
                else:
                    _copy(path, place)
    for cell in (source / "human", source / "unconditional"):
        for path in sorted(cell.iterdir()) if cell.is_dir() else ():
            place = folder / cell.name / path.name
            text = path.read_text(encoding="utf-8")
            lines = text.splitlines()[:4] if path.suffix == ".jsonl" else [text]
            _write(place, lines)
    for path in sorted(source.glob("*.json")):
        _copy(path, folder / path.name)
    return folder


def _of(path: Path, targets: set[str]) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if json.loads(line).get("target", next(iter(targets))) in targets:
            yield line


def _copy(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(source.read_bytes())


def _write(place: Path, lines: list[str]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join(lines) + "\n", encoding="utf-8")


def places(value: Any, path: tuple[Any, ...] = (), wide: int = 12) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside parsed JSON, itself first; of long lists the first ones."""
    yield path
    if isinstance(value, dict):
        for key, part in list(value.items())[:wide]:
            yield from places(part, (*path, key), wide)
    elif isinstance(value, list):
        for number, part in enumerate(value[:2]):
            yield from places(part, (*path, number), wide)


def replaced(value: Any, path: tuple[Any, ...], new: Callable[[Any], Any]) -> Any:
    """A copy with another value at ``path``; without any where ``new`` gives ``...``."""
    if not path:
        return new(value)
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        made = {k: replaced(v, rest, new) if k == head else v for k, v in value.items()}
        return {k: v for k, v in made.items() if v is not ...}
    made_list = [replaced(v, rest, new) if i == head else v for i, v in enumerate(value)]
    return [v for v in made_list if v is not ...]


def mistake(work: Callable[[], Any]) -> str:
    """What ``work`` says is wrong, in one line; empty where it gives a result."""
    try:
        work()
    except UserError as error:
        said = str(error)
        assert said
        assert "\n" not in said
        return said
    return ""


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a folder and its bytes."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
