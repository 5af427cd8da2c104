"""Controls that are given by hand: their ids, and the tasks that they are of."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tasks.common.errors import UserError
from tasks.controls import AllOf, Control, FieldValue, Infill, Length, ParseTree, Span, TagSequence
from tasks.given import asked, given


def test_equal_controls_have_equal_ids_that_never_change() -> None:
    assert given(Length(9)).id == given(Length(9)).id == "own-8c03a1f67340"
    assert given(FieldValue("food", "Italian")).id == "own-b2fb120764df"
    assert len({given(Length(n)).id for n in range(1, 50)}) == 49
    assert given(Length(9)).control == Length(9) and given(Length(9)).source is None


@pytest.mark.parametrize(
    ("control", "task"),
    [
        (Length(9), "length"),
        (FieldValue("food", "Italian"), "semantic_content"),
        (TagSequence(("DET", "NOUN")), "parts_of_speech"),
        (Span(0, 1, "NP"), "syntax_spans"),
        (ParseTree("(S (NN *))"), "syntax_tree"),
        (Infill(("a", "."), ("b", ".")), "infilling"),
    ],
)
def test_every_control_has_its_task(control: Control, task: str) -> None:
    assert asked(control) == (task, control)


def test_a_composition_has_one_order() -> None:
    parts = (FieldValue("food", "Italian"), TagSequence(("DET", "NOUN")))
    name, control = asked(AllOf(parts))
    assert (name, control) == asked(AllOf(parts[::-1]))
    assert sorted(name.split("+")) == ["parts_of_speech", "semantic_content"]
    assert [asked(part)[0] for part in control.parts] == name.split("+")
    with pytest.raises(UserError, match="are of different tasks, not length, length"):
        asked(AllOf((Length(1), Length(2))))


def test_a_control_of_no_task_is_named() -> None:
    @dataclass(frozen=True)
    class Nowhere(Control, kind="nowhere"):
        word: str

    try:
        with pytest.raises(UserError, match="Nowhere is no control of a task at hand"):
            asked(Nowhere("x"))
    finally:
        del Control.kinds["nowhere"]
