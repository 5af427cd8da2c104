"""What stands below tables: definitions, judges, and what could not be computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from eval.reading import paper
from eval.reading.names import TaskTraits
from eval.reading.paired import note
from eval.reading.results import CellFiles, ResultSet
from eval.running.cells import CONFIG, read_config
from models.base import INFILLING
from tasks.corpora import label

#: percent of a method's words that the teacher of lm may not know: ten times what it does not know
#: of E2E's validation texts (0.5 %)
OUTSIDE = 5.0
OTHER_TEACHER = (
    "a pretrained language model judges such texts as lm (subwords): teacher.pretrained=NAME (a "
    "folder, hub id, GGUF file or PACKAGE/PATH)"
)


def task_notes(results: ResultSet, task: TaskTraits, metrics: Mapping[str, str]) -> list[str]:
    """Of one task: its metrics, the paper's definition, the judges, and metrics left out."""
    notes = [f"ctrl, {name}: {text}, in percent." for name, text in metrics.items()]
    defined = paper.control()["ctrl"]
    for name in task.name.split("+"):
        if name in defined:
            notes.append(f"Paper's ctrl, {name}: {defined[name]['definition']}.")
    configs = results.configs(task.name)
    judges: dict[str, Any] = {}
    for config in configs:
        oracles = config.get("oracles", {})
        # a run may have had judges that this task does not ask
        asked = config.get("judges", oracles)
        judges = {role: facts for role, facts in oracles.items() if role in asked} | judges
    skipped: dict[str, str] = {}
    for config in configs:
        skipped |= config.get("skipped", {})
    return [
        *notes,
        *(f"{role}: {judge_text(facts['id'], facts)}" for role, facts in judges.items()),
        *(f"{metric}: {reason}" for metric, reason in skipped.items()),
    ]


class Judged(Protocol):
    """What is said here of a row (:class:`eval.reading.rows.Row`)."""

    @property
    def method(self) -> str: ...

    @property
    def outside(self) -> float | None: ...

    @property
    def subwords(self) -> Any: ...


def teacher_notes(rows: Iterable[Judged]) -> list[str]:
    """What the teachers' columns mean, where a task's table has them."""
    kept = list(rows)
    notes = []
    if any(row.outside is not None for row in kept):
        notes.append(
            "outside: words, in percent, that the vocabulary of the teacher of lm lacks; it reads "
            "each as the same unknown word."
        )
    if any(row.subwords is not None for row in kept):
        notes.append(
            "lm (subwords): perplexity a word of the plain text under a pretrained language model "
            "as it is (subwords, above): exp of the nats of all subwords and the end over the "
            "words, punctuation marks and the end, averaged as lm is. No word is unknown to it."
        )
    return notes


def end_notes(cells: Iterable[CellFiles], command: Callable[[str], str]) -> list[str]:
    """Which samples go on behind END, and what their column means. ``command``: method -> the
    command that judges its samples."""
    kept = list(cells)
    notes = []
    for cell in kept:
        counts = read_config(cell.folder / CONFIG).get("cut", {})
        if counts.get("cut"):
            notes.append(
                f"{cell.method}: {counts['cut']} of {counts['texts']} samples go on behind END, up "
                "to which they are judged."
            )
    if notes:
        notes.append(
            "released: success of the whole samples, what follows END included, which the authors' "
            "released code judges."
        )
    old = [cell.method for cell in kept if cell.judged_whole]
    if old:
        notes.append(
            f"{', '.join(old)}: judged by an earlier version of this program, which read on behind "
            f"END. Judge again: {command(','.join(old))}"
        )
    return notes


#: how a row is marked that stands on a network at chance
AT_CHANCE = "‡"


def at_chance(cell: CellFiles) -> list[str]:
    """What the networks behind a cell say that are no better than chance, a line each."""
    lines = []
    for key, one in read_config(cell.folder / CONFIG).get("networks", {}).items():
        learned = one.get("learned", {})
        if learned.get("refused"):
            lines.append(
                f"{one['role']} ({key}) is no better than chance: {learned['chance']}, less its "
                f"own loss, is {learned['gain']:.4f} nats, [{learned['low']:.4f}, "
                f"{learned['high']:.4f}], over {learned['texts']} held-out texts"
            )
    return lines


def chance_notes(cells: Iterable[CellFiles]) -> list[str]:
    """Which rows stand on networks that did not learn what they were trained for."""
    return [
        f"{AT_CHANCE} {cell.method}: {line}. Its row says nothing of the method."
        for cell in cells
        for line in at_chance(cell)
    ]


def warnings(rows: Iterable[Judged]) -> list[str]:
    """A line for each method whose texts hold too many words that its teacher does not know."""
    lines = []
    for row in rows:
        if row.outside is not None and row.outside > OUTSIDE:
            better = "lm (subwords) is" if row.subwords is not None else OTHER_TEACHER
            lines.append(
                f"{row.method}: {row.outside:.1f} % of its words are outside the vocabulary of the "
                f"teacher of lm (more than {OUTSIDE:g} %): its lm is not to be trusted; {better}"
            )
    return lines


def judge_text(name: str, facts: Mapping[str, Any]) -> str:
    """A judge's name with what is known of how good it is."""
    known = {key: value for key, value in facts.items() if key != "id"}
    shown = [f"{k} {v:.1f}" if isinstance(v, float) else f"{k} {v}" for k, v in known.items()]
    return name + (f" ({', '.join(shown)})" if shown else "")


def legend(corpus: str, fluency: bool = True, against: Sequence[str] = ()) -> list[str]:
    """What holds for every table of a result set; ``fluency``: whether any has lm-scores;
    ``against``: the methods that others are compared with."""
    published = paper.control()
    if not fluency:
        source = published["source"].partition(", Tables")[0]
        return [
            f"Paper: {source}, {paper.table(INFILLING)['where']}.",
            "* the paper's figure is of other networks, items and BERTScore scales than ours.",
            "95 % interval: over items (of BLEU-4 by bootstrap).",
            "human text: the human middles of an item held against each other, where it has two or "
            "more. unconditional: first sentences of samples without any context. left context: the"
            " sentence on the left, given as the answer.",
            note(against),
        ]
    theirs = published["corpus"]
    where = "" if corpus == theirs else f" (theirs is for E2E, ours for {label(corpus)})"
    return [
        f"Paper: {published['source']}.",
        "* the paper's figure has another definition, corpus or teacher than ours" + where + ".",
        "lm: perplexity under a teacher trained here: exp of the NLL a token, averaged over the "
        f"samples of a target, then over targets. Paper's lm: {published['lm']}.",
        "95 % interval: over targets (Korn and Graubard's of success, Student's of perplexity).",
        "human text: the texts that the targets were taken from, or, for semantic content, the "
        "validation texts whose meaning has the asked value; its lm is that of validation "
        "texts, and of target texts that of one such text a target. "
        "unconditional: samples without control, each held against every target.",
        "distinct-2: distinct word pairs over all, of equally many samples of each row; "
        "entropy: of the words of all samples, in bits; "
        "repeats: samples equal to an earlier one of the same target; length: words of a text; "
        "copied: samples that are a "
        "training text word for word.",
        note(against),
    ]
