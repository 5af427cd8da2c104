"""The shared vocabulary of the project: texts, corpora, targets, annotations, tasks."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from tasks.common.errors import UserError
from tasks.controls import Control
from tasks.corpora import traits
from tasks.marks import Marks, unmarked
from tasks.targets import MAX_WORDS, TooFewTargets, draw
from tasks.targets import Target as Target
from tasks.texts import Corpus as Corpus
from tasks.texts import Text as Text
from tasks.texts import Words as Words
from tasks.typed import Known, plain

#: how a prompt says at which word something stands: by its number, as the released code does, or by
#: where its own token for that word stands
Layout = Literal["numbers", "positions"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
#: a position of a prompt of which nothing is asked
ANY = "_"
#: a tagger: UPOS tags of every text, one a word
Tag = Callable[[Sequence[Words]], Sequence[Words]]


@dataclass(frozen=True)
class Annotation:
    """What the judges say of one text; tasks score from this alone.

    ``tree``: the oracle parser's bracketed tree (None where no task asked). ``tags``: the oracle
    tagger's UPOS tags. Both are of the task's ``view`` of the text. ``nll``: the teacher's total
    negative log-likelihood in nats over ``tokens`` predicted tokens (the end token included).
    ``subword_nll``: that of the teacher of subwords, where there is one, over all pieces of the
    plain text and its end.
    ``parts``: under a composition, one annotation for each of its tasks, in order.
    """

    words: Words
    tree: str | None = None
    tags: Words | None = None
    nll: float | None = None
    tokens: int | None = None
    subword_nll: float | None = None
    parts: tuple[Annotation, ...] = ()


#: the place in tables of whatever has none of its own
LAST = 1000
#: a score in [0, 1]; or the numerator and denominator of a ratio whose value for a target is the
#: sum of numerators over the sum of denominators of its samples; or the counts of a pooled metric
Score = float | tuple[float, ...]


class Task(ABC):
    """One control task: where targets come from, how they read as a prompt, how samples score.

    A subclass is one file plus one line in ``tasks/__init__.py``, or a file of the user's
    (``task=path/to/file.py:ClassName``). Whatever else differs between tasks is a trait below, so
    that nothing outside a task's file asks for its name. ``data``: the folder of the authors'
    released lists and of the corpora's files.
    """

    name: str
    #: bumped by hand when targets or scores change meaning
    version: int = 1
    #: annotation fields that ``score`` reads: "tree", "tags"
    needs: frozenset[str] = frozenset()
    #: what the texts of a corpus must carry for targets and examples: "tree", "tags", "fields";
    #: ``needs`` where a task says nothing else
    reads: frozenset[str] = frozenset()
    #: metric name -> one-line definition; the first one is the headline ("ctrl")
    metrics: Mapping[str, str]
    #: headline metric under the paper's own definition; empty for a task that the paper lacks
    paper_metric: str = ""
    #: metrics of all samples of a method together: each sample's score is a row of counts, and
    #: this gives the metric, in [0, 1], of the sum of rows
    pooled: Mapping[str, Callable[[Sequence[float]], float]] = {}

    #: as tables write it; the name in words where a task says nothing else
    label: str = ""
    #: place in tables, the lowest first; that of the paper's own tasks is below LAST
    rank: int = LAST
    #: the paper's table of samples under this control, "table3", or none
    example_table: str = ""
    #: the comparison that it belongs to
    table: Literal["control", "infilling"] = "control"
    #: whether a sample stands between contexts that the control gives, and is no text of its own
    fills: bool = False
    #: whether its controls are values of attributes, without positions
    attributes: bool = False
    #: whether its controls can be asked for together with another task's
    composes: bool = True
    #: whether controls drawn from different texts are often equal, so that held-out targets may
    #: ask for what reported ones do
    recurs: bool = False
    #: whether the teacher reads its samples (lm-score)
    fluency: bool = True
    #: whether its controls quote texts of the corpus
    quotes: bool = False
    #: whether its prompt has numbers, in whose place there can be a token for each word
    numbered: bool = False
    #: the layout of its prompts; see :meth:`laid`
    layout: Layout = "numbers"
    #: tokens that a language model must hold for a prompt and a text; 0: as many as it has
    least_sequence: int = 0
    #: the authors' list of compositions that has this task's controls, where there is one
    composed_list: str = ""
    #: identity of the code of a task from a user's file, or of parts that are; part of what
    #: results and networks are known by
    digest: str = ""
    #: the class of its controls, by which methods know what they can guide; None where it has
    #: several or says nothing
    control: type[Control] | None = None

    def __init_subclass__(cls) -> None:
        if "reads" not in cls.__dict__:
            cls.reads = cls.needs
        if "name" in cls.__dict__ and "label" not in cls.__dict__:
            cls.label = cls.name.replace("_", " ").capitalize()

    def __init__(self, data: Path | None = None) -> None:
        self.data = data

    def refuses_corpus(self, name: str) -> str | None:
        """Why it cannot be asked of the texts of corpus ``name``, in one line, or None.

        By default the only reason is that it reads trees, tags or fields, which stories lack.
        """
        known = traits(name) if self.reads else None
        if known is None or not (known.sentences or ("fields" in self.reads and not known.fields)):
            return None
        lacks = sorted(self.reads) if known.sentences else ["fields"]
        lacking = " and ".join("trees" if one == "tree" else one for one in lacks)
        return f"corpus={name} has no {lacking} for {self.name}"

    @property
    def headlines(self) -> tuple[str, ...]:
        """The metric that success is told by; one for each part of a composition."""
        return (next(iter(self.metrics)),)

    @property
    def running(self) -> tuple[str, ...]:
        """The metrics that are shown while samples are generated."""
        return self.headlines

    @property
    def paper_metrics(self) -> frozenset[str]:
        """The metrics that the paper's own figures mean."""
        return frozenset({self.paper_metric} if self.paper_metric else ())

    @abstractmethod
    def targets(self, corpus: Corpus, n: int, source: str, seed: int) -> list[Target]:
        """``n`` control targets from ``source``: ``"validation"`` (seeded draw from
        ``corpus.valid``) or ``"released"`` (the authors' list, where ``corpus`` has one; the ids of
        its targets begin with ``released``).

        Every text of ``corpus`` carries whatever ``reads`` names (a tree, gold or from the
        oracle). Raises ``UserError`` if ``source`` has no such list or holds fewer than ``n``; a
        task whose controls are few by nature gives all there are instead.
        """

    def draw(self, corpus: Corpus, n: int, source: str, seed: int, longest: int) -> list[Target]:
        """``n`` of :meth:`targets` that a text of at most ``longest`` words can satisfy; a released
        list is taken as it is. See :func:`tasks.targets.draw`, which says what it raises."""

        return draw(self.targets, corpus, n, source, seed, longest=longest)

    @abstractmethod
    def examples(self, texts: Iterable[Text], seed: int) -> Iterator[tuple[Control, Words]]:
        """(control, words) pairs that hold, as supervision for classifiers, discriminators and
        fine-tuned language models."""

    @abstractmethod
    def prompt(self, control: Control) -> list[str]:
        """The control in linear form, as prompt tokens (reference notes 2.11: "a, b, LABEL")."""

    @abstractmethod
    def prompt_tokens(self, texts: Sequence[Text]) -> list[str]:
        """Every prompt token that ``prompt`` can give for this corpus, in a fixed order."""

    def laid(self, layout: Layout) -> Self:
        """This task with prompts of that layout; as it is where no numbers are in them."""
        if not self.numbered or layout == self.layout:
            return self
        other = copy.copy(self)
        other.layout = layout
        if layout == "positions":
            # as many tokens as the longest text has words, bos, the text and eos
            other.least_sequence = max(self.least_sequence, 2 * MAX_WORDS + 2)
        return other

    @abstractmethod
    def score(self, target: Target, annotation: Annotation) -> Mapping[str, Score]:
        """A score for every name in ``metrics``, without those that do not apply to ``target``."""

    def typed(self, text: str, known: Known) -> Control:
        """The control that a person typed. By default the value of a control with one field, or its
        fields as JSON. Raises ``UserError`` for another form, with the nearest field, value, tag or
        label that there is where one is unknown, and for what no text here can satisfy."""
        return plain(self.control, text, self.name)

    def asks(self, control: Control) -> bool:
        """Whether ``control`` is one of this task's."""
        return self.control is None or isinstance(control, self.control)

    def marks(self, control: Control, words: Words, reading: Mapping[str, Any]) -> Marks:
        """Which of ``words`` do what ``control`` asks for and which violate it; none by default.

        ``reading``: the oracles' ``tree`` and ``tags`` of the text, as far as the task ``needs``
        them and they are known.
        """
        return unmarked(words)

    def composed_row(self, row: Any, place: str) -> Control:
        """This task's control in a row of its ``composed_list``; ``place`` names file and line.
        Raises ``UserError`` for a malformed row."""
        raise UserError(f"{place}: the list holds no control of {self.name}")

    def view(self, target: Target, words: Words) -> Words:
        """The text that parser and tagger read when ``words`` is judged under ``target``."""
        return words

    def split(self, target: Target) -> tuple[tuple[Task, Target], ...]:
        """The tasks that a target is of, each with its own part: one, unless it is composed."""
        return ((self, target),)

    def retag(self, targets: Sequence[Target], tag: Tag) -> list[Target]:
        """The targets with their tags as the oracle tagger gives them; only a task that asks for
        tags has any."""
        return list(targets)

    def of_text(self, text: Text, seed: int) -> Control | None:
        """A control that ``text`` satisfies, to be composed with others of the same text, or None
        where there is none; the same for equal (text, seed)."""

        try:
            return self.targets(Corpus("text", (), (text,), "-"), 1, "validation", seed)[0].control
        except TooFewTargets:
            return None

    def references(self, target: Target, corpus: Corpus) -> list[Words]:
        """Human texts that are meant to satisfy ``target``: the ceiling of its scores."""
        if target.references:
            return list(target.references)
        return [] if target.source is None else [target.source]
