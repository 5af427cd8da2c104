"""Profiles: YAML files of a sweep's keys, of which every value is the text that stands there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.running.keys import Key
from eval.running.texts import UNSET, lines
from tasks.common.errors import UserError, unknown


def read_profile(path: Path, valid: Mapping[str, Key]) -> tuple[dict[str, str], dict[str, Any]]:
    """The texts of the keys that a profile sets, and the entries of those that are lists.

    Raises ``UserError`` naming the file, and the line of an unknown or doubled key and of a value
    that the key cannot have.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8-sig")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        raise UserError(f"cannot read profile {path}: it is not UTF-8 text") from None
    except RecursionError:
        raise UserError(f"cannot read profile {path}: it is nested too deep") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"cannot read profile {path}: {_reason(error)}") from None
    texts, lists = dict[str, str](), dict[str, Any]()
    if root is None:
        return texts, lists
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"profile {path} is no list of 'key: value'")
    seen = set[str]()
    for key, value in root.value:
        place = f"profile {path} line {key.start_mark.line + 1}"
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if name not in valid:
            raise unknown(f"key of {place},", name or "(no text)", list(valid))
        if name in seen:
            raise UserError(f"{place}: {name} is given twice")
        seen.add(name)
        try:
            if valid[name].hint == list[str]:
                lists[name] = list(lines(value, text))
            elif not isinstance(value, yaml.ScalarNode):
                raise UserError(f"{name} is one text, not a list or a section")
            elif value.style is not None or value.value not in UNSET:
                valid[name].read(name, value.value)
                texts[name] = value.value
        except UserError as error:
            raise UserError(f"{place}: {error}") from None
        except ValueError as error:
            raise UserError(f"{place}: {name}: {error}") from None
    return texts, lists


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "strerror", None) or str(error)
    return " ".join(str(said).split()) + (f" (line {mark.line + 1})" if mark else "")
