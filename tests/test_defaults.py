"""The defaults of every config class that enters keys.

Keys hold the fields that differ from their class's defaults, so that a network or a cell is named
by a default without saying its value. After a new field or class, store its default with

    python -m tests.test_defaults
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eval.running.config import run_config

STORED = Path(__file__).parent / "golden" / "defaults.json"
ROOMS = ("tasks", "models", "baselines", "eval")
ADVICE = (
    "changing a default changes what a key means: bump the version of the recipes that use it and "
    "update tests/golden/defaults.json (python -m tests.test_defaults)"
)


def sections(config: Any) -> Iterator[type]:
    """The classes of the dataclasses inside a config, at any depth; not those of a user's files,
    which other tests may have loaded."""
    for part in dataclasses.fields(config):
        value = getattr(config, part.name)
        if dataclasses.is_dataclass(value) and type(value).__module__.split(".")[0] in ROOMS:
            yield type(value)
            yield from sections(value)


def keyed(config: Any) -> dict[str, Any]:
    """A config as nested data, without the fields that enter no key."""
    kept = {}
    for part in dataclasses.fields(config):
        if part.metadata.get("key") is not False:
            value = getattr(config, part.name)
            kept[part.name] = keyed(value) if dataclasses.is_dataclass(value) else value
    return kept


def defaults() -> dict[str, dict[str, Any]]:
    """Class -> its fields as JSON, of every section of a run, nested ones included."""
    classes: dict[str, type] = {}
    for cls in sections(run_config()()):
        assert classes.setdefault(cls.__qualname__, cls) is cls, f"two classes {cls.__qualname__}"
    found = {name: keyed(classes[name]()) for name in sorted(classes)}
    plain: dict[str, dict[str, Any]] = json.loads(json.dumps(found))
    return plain


def changes(stored: dict[str, dict[str, Any]], here: dict[str, dict[str, Any]]) -> list[str]:
    """What is new, gone or different, one line each."""
    lines = []
    for name in sorted({*stored, *here}):
        old, new = stored.get(name, {}), here.get(name, {})
        for field in (*new, *(field for field in old if field not in new)):
            if field not in old:
                lines.append(f"{name}.{field} is new: {new[field]!r}")
            elif field not in new:
                lines.append(f"{name}.{field} is gone: {old[field]!r}")
            elif old[field] != new[field]:
                lines.append(f"{name}.{field}: {old[field]!r}, here {new[field]!r}")
    return lines


def test_every_default_is_the_stored_one() -> None:
    found = changes(json.loads(STORED.read_text(encoding="utf-8")), defaults())
    assert not found, "\n".join([*found, ADVICE])


def test_changes_are_named() -> None:
    stored = {"A": {"x": 1, "gone": 2}, "C": {}}
    assert changes(stored, {"A": {"x": 3, "y": None}}) == [
        "A.x: 1, here 3",
        "A.y is new: None",
        "A.gone is gone: 2",
    ]


def test_classes_that_name_networks_and_cells_are_among_them() -> None:
    networks = "TrainConfig EncoderConfig DiffusionConfig ClassifierConfig LMConfig ParserConfig"
    methods = "DiffusionLMSettings GuidanceConfig SamplingConfig PPLMSettings ColdSettings"
    assert {*networks.split(), *methods.split(), "DiscriminatorConfig"} <= set(defaults())


if __name__ == "__main__":
    earlier = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    STORED.write_text(json.dumps(defaults(), indent=1) + "\n", encoding="utf-8")
    print("\n".join(changes(earlier, defaults())) or "nothing has changed")
