"""The model card of an artefact: what a hub shows of it, made from what it was sealed with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.running.roles import roles
from eval.running.store import DIGESTS, SPEC, read_digests, read_spec
from tasks.common.files import json_text
from tasks.common.recipe import Spec
from tasks.common.schema import Real, read_lines

LIBRARY = "control-bench"
TAGS = (LIBRARY, "controllable-text-generation")
CARD = "README.md"
CURVE = "curve.jsonl"


def model_card(folder: Path, repo: str, license: str, places: Sequence[Path] = ()) -> str:
    """``README.md`` of a repository that holds the artefact in ``folder``. ``places``: stores in
    which to look for the corpus that it was trained on, beside its own. Raises ``UserError`` for a
    folder that is no artefact."""
    from huggingface_hub import ModelCardData

    spec = read_spec(folder)
    role = roles().get(spec.kind)
    title = (role.title if role else "") or spec.kind.replace("_", " ")
    task = str(spec.config.get("task", ""))
    head = ModelCardData(
        language="en",
        license=license,
        library_name=LIBRARY,
        tags=[*TAGS, spec.kind, *([task] if task else [])],
    )
    corpus = corpus_of(spec, [folder.parent, *places])
    facts = {
        "kind": f"`{spec.kind}`",
        "key": f"`{spec.key}`",
        **({"task": f"`{task}`"} if task else {}),
        "corpus": corpus or f"of the artefact {_names(_texts(spec))}, which is not at hand",
        "needs": _names(spec.deps.values()) or "nothing",
    }
    parts = [
        f"---\n{head.to_yaml()}\n---",
        f"# {title[:1].upper()}{title[1:]}{f' of {task}' if task else ''}",
        f"A trained artefact of {LIBRARY}, a benchmark of ways to control a text generator.",
        _table(("", ""), facts.items()),
        "## How to load it",
        _load(repo, spec.key),
        "## How it was trained",
        "Settings that differ from the defaults of their classes:",
        f"```json\n{json_text(spec.config, indent=1)}\n```",
        *_curve(folder),
        "## Files",
        "Their sha256, which is checked whenever the artefact is pulled or found:",
        _table(("file", "sha256"), ((f"`{n}`", f"`{d}`") for n, d in read_digests(folder).items())),
    ]
    return "\n\n".join(parts) + "\n"


def corpus_of(spec: Spec, places: Iterable[Path]) -> str:
    """The name of the corpus behind an artefact, where its spec is in one of ``places``."""
    places = list(places)
    for key in _texts(spec):
        for place in places:
            if (place / key / SPEC).is_file():
                found = read_spec(place / key)
                return str(found.config.get("name", "")) or corpus_of(found, places)
    return ""


def _texts(spec: Spec) -> list[str]:
    """The keys of what it read texts from."""
    return [key for role, key in spec.deps.items() if role in ("corpus", "texts")]


def _names(keys: Iterable[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)


def _load(repo: str, key: str) -> str:
    return (
        f"With {LIBRARY} installed,\n\n```\npython -m eval.hub pull repo={repo}\n```\n\n"
        "or, in Python,\n\n"
        f'```python\nimport control_bench\n\ncontrol_bench.from_pretrained("{repo}")\n```\n\n'
        f"puts it into the store as `{key}`, where every command whose settings ask for this key "
        "finds it in place of training. No code comes with it and nothing is unpickled: weights "
        f"are safetensors, the rest is JSON. The digests (`{DIGESTS}`) say that it came whole, not "
        "who made it."
    )


def _curve(folder: Path) -> list[str]:
    """The last point of the training curve, where there is one."""
    points = read_lines(folder / CURVE, dict[str, Real])
    if not points:
        return []
    last: Mapping[str, Any] = points[-1]
    rows = ((name.replace("_", " "), f"{value:.6g}") for name, value in last.items())
    return ["The last point of its training curve:", _table(("", ""), rows)]


def _table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows)])
