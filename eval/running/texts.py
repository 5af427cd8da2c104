"""Lists of texts, written as YAML has them, of which every entry is the text that stands there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yaml import Node

#: what a key without a value looks like
UNSET = ("", "~", "null", "Null", "NULL")


def lines(value: Node, text: str) -> Iterator[str]:
    """Lines of shell: a list of them, or one. ``module: cuda`` is a line, although YAML would have
    it a section. Raises ``ValueError`` for what is no text."""
    import yaml

    if isinstance(value, yaml.ScalarNode):
        if value.style is not None or value.value not in UNSET:
            yield value.value
        return
    for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
        if isinstance(one, yaml.ScalarNode):
            yield one.value
            continue
        line = _as_it_stands(one, text)
        if line is None:
            at = text[one.start_mark.index :].splitlines()[0].strip()
            raise ValueError(f"{at} is no text: put it in quotes")
        yield line


def listed(text: str) -> list[str]:
    """The entries of ``[module load cuda, "echo a, b"]``. Raises ``ValueError``."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        root = None
    if not isinstance(root, yaml.SequenceNode):
        raise ValueError('a list of texts, each in quotes where it holds a comma (["a, b", c])')
    return list(lines(root, text))


def _as_it_stands(node: Node, text: str) -> str | None:
    """The text of ``a: b`` on one line, which YAML reads as a section; None for anything else."""
    import yaml

    if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
        return None
    (key, value), start = node.value[0], node.start_mark.index
    if not (isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)):
        return None
    line = text[start : max(key.end_mark.index, value.end_mark.index)]
    if text[start] == "{" or "\n" in line or "\r" in line:
        return None
    # a value that is empty ends before its colon does
    return line if value.value else f"{line.rstrip().removesuffix(':')}:"
