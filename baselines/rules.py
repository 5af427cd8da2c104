"""What methods share that know the rule by which a task is scored."""

from __future__ import annotations

from tasks.base import Annotation, Score, Target, Task, Words


def no_rule(task: Task) -> str | None:
    """Why a text alone does not tell whether it satisfies a control of ``task``, or None."""
    if not task.needs:
        return None
    return f"no rule tells without an oracle's {' and '.join(sorted(task.needs))}"


def full(score: Score) -> bool:
    """Whether it is the best that there is: 1, or a ratio of equal counts."""
    return score[0] >= score[1] if isinstance(score, tuple) else score >= 1


def holds(task: Task, target: Target, annotation: Annotation) -> bool:
    """Whether a text satisfies the control of a single task, by its headline metrics."""
    scores = task.score(target, annotation)
    return all(full(scores[metric]) for metric in task.headlines)


def satisfied(task: Task, target: Target, words: Words) -> bool:
    """Whether ``words`` satisfy the control, all of a composition's; of a task with a rule."""
    return all(
        holds(part, aim, Annotation(part.view(aim, words))) for part, aim in task.split(target)
    )
