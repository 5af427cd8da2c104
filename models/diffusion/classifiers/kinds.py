"""Which classifier guides which kind of control, free of torch.

A classifier's module declares ``objective``, ``restore`` and ``GUIDES``
(:mod:`models.diffusion.classifiers.training`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks import load_task, parts


@dataclass(frozen=True)
class Kind:
    """``name``: the task whose examples it is trained on, which names its artefact too; ``module``:
    where it is; ``guides``: the kinds of controls (``tasks.controls``) that it guides;
    ``saved_as``: the kind of network that its weights say they are; ``fields``: settings of
    ``ClassifierConfig`` that it alone reads."""

    name: str
    module: str
    guides: tuple[str, ...]
    saved_as: str
    fields: tuple[str, ...] = ()

    @property
    def role(self) -> str:
        """What cells call its artefact."""
        return f"classifier:{self.name}"


KINDS: Sequence[Kind] = (
    Kind(
        "syntax_spans",
        "models.diffusion.classifiers.chart",
        ("span", "parse_tree"),
        "classifier",
        ("span_hidden",),
    ),
    Kind(
        "parts_of_speech",
        "models.diffusion.classifiers.tags",
        ("tag_sequence",),
        "classifier of parts_of_speech",
    ),
    Kind(
        "semantic_content",
        "models.diffusion.classifiers.attribute",
        ("field_value",),
        "classifier of semantic_content",
        ("noised_attribute",),
    ),
)
#: kind of control -> the classifier that guides it
GUIDED_BY: Mapping[str, Kind] = {control: kind for kind in KINDS for control in kind.guides}


def control_kinds(task: str) -> dict[str, str]:
    """The kind of the controls of a task, or of each part of a composition, by name; empty where
    the task does not say."""
    controls = {part: load_task(part).control for part in parts(task)}
    return {part: control.kind if control else "" for part, control in controls.items()}
