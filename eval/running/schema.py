"""What the files of a result set hold, each said once (see :mod:`tasks.common.schema`).

Entries that are not named here are let be: other versions have others. ``NotRequired`` are those
that some cells lack, as the samples of other programs have no cost.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from tasks.common.schema import OPEN, Amount, Named, Real, Whole

#: natural logarithm of the largest perplexity that is shown
LARGEST = 600.0


@with_config(OPEN)
class Identity(TypedDict):
    """What a cell's samples follow from."""

    method: NotRequired[str]
    seed: NotRequired[int]
    settings: NotRequired[dict[str, Any]]
    artefacts: NotRequired[dict[str, str]]


@with_config(OPEN)
class CardFacts(TypedDict):
    """What a set says of a method instead of its card."""

    label: NotRequired[Named]
    trained: NotRequired[bool]
    knows_rule: NotRequired[bool]
    order: NotRequired[Whole]
    colour: NotRequired[Annotated[int, Field(ge=0, le=10**6)] | None]
    tradeoff: NotRequired[str]
    step_size: NotRequired[str]


@with_config(OPEN)
class TaskFacts(TypedDict):
    """What a set says of a task instead of its class (``tasks.stored.facts``)."""

    label: NotRequired[Named]
    rank: NotRequired[Whole]
    example_table: NotRequired[Annotated[str, Field(pattern=r"^(\w[\w.-]*)?$")]]
    table: NotRequired[Named]
    fills: NotRequired[bool]
    fluency: NotRequired[bool]
    metrics: NotRequired[dict[str, str]]
    headlines: NotRequired[list[str]]
    paper_metrics: NotRequired[list[str]]
    pooled: NotRequired[list[str]]


@with_config(OPEN)
class Oracle(TypedDict):
    """A judge, and how good it is known to be."""

    id: str


class Outside(TypedDict):
    """How many of the words of a cell's texts the teacher's vocabulary lacks."""

    unknown: Whole
    words: Whole


class Copied(TypedDict):
    """How many of a cell's texts are training texts word for word."""

    copied: Whole
    texts: Whole


class Cut(TypedDict):
    """How many of a cell's samples go on behind END, up to which they are judged."""

    cut: Whole
    texts: Whole


class Own(TypedDict):
    """Of the texts that targets come from, one a target: how many, and their words."""

    texts: Whole
    words: Whole


@with_config(OPEN)
class LearnedFacts(TypedDict):
    """What a network gained over chance on held-out texts (``models.nets.learned``)."""

    gain: Real
    low: Real
    high: Real
    texts: Whole
    chance: str
    refused: bool


@with_config(OPEN)
class TrainingFile(TypedDict):
    """``training.json`` of a network (``models.nets.facts``); ``pflop``: 10^15 operations."""

    steps: NotRequired[Whole]
    examples: NotRequired[Whole]
    seconds: NotRequired[Amount]
    machine: NotRequired[Named]
    pflop: NotRequired[Amount]
    learned: NotRequired[LearnedFacts]


class Network(TrainingFile):
    """A network behind a cell's samples. ``task``: the one that it is trained for, if any."""

    role: str
    task: NotRequired[str]


@with_config(OPEN)
class RunSettings(TypedDict):
    """The resolved settings of a run, as far as readers look into them."""

    corpus: NotRequired[str]
    task: NotRequired[str]
    method: NotRequired[str]
    data: NotRequired[str | None]
    train_seed: NotRequired[int]


@with_config(OPEN)
class CellConfig(TypedDict):
    """``config.json`` of a cell, and of a task's targets."""

    identity: NotRequired[Identity]
    command: NotRequired[str | list[str]]
    config: NotRequired[RunSettings]
    packages: NotRequired[dict[str, str]]
    commit: NotRequired[str | None]
    platform: NotRequired[str]
    settings: NotRequired[dict[str, Any]]
    card: NotRequired[CardFacts]
    task: NotRequired[TaskFacts]
    oracles: NotRequired[dict[str, Oracle]]
    judges: NotRequired[dict[str, str]]
    outside: NotRequired[Outside]
    copied: NotRequired[Copied]
    cut: NotRequired[Cut]
    own: NotRequired[Own]
    networks: NotRequired[dict[str, Network]]
    metrics: NotRequired[dict[str, str]]
    skipped: NotRequired[dict[str, str]]
    drawn_from: NotRequired[str]
    repairs: NotRequired[str]


@with_config(OPEN)
class RunFile(TypedDict):
    """``run.json``."""

    command: NotRequired[str]
    config: NotRequired[RunSettings]
    platform: NotRequired[str]
    tasks: NotRequired[list[str]]
    methods: NotRequired[list[str]]
    refused: NotRequired[dict[str, str]]


@with_config(OPEN)
class TargetLine(TypedDict):
    """A line of ``targets.jsonl``; ``tasks.controls`` reads the controls."""

    id: Named
    control: dict[str, Any]
    released: NotRequired[dict[str, Any]]


@with_config(OPEN)
class SampleLine(TypedDict):
    """A line of ``samples.jsonl``."""

    target: str
    index: Whole
    of: NotRequired[Annotated[int, Field(ge=1, le=10**9)]]
    words: list[str]
    tokens: NotRequired[list[str]]
    nfe: NotRequired[Amount]
    seconds: NotRequired[Amount]
    chosen: NotRequired[Whole]
    #: null: the estimate is 0
    log_z: NotRequired[Real | None]


@with_config(OPEN)
class TimingLine(TypedDict):
    """A line of ``timing.jsonl``: seconds of each sample of a target."""

    target: str
    seconds: list[Amount]


_Score = Real | Annotated[list[Amount], Field(min_length=2)]


@with_config(OPEN)
class FluencyLine(TypedDict):
    """A line of the lm-scores of a reference, which all tasks share."""

    target: str
    index: Whole
    nll: NotRequired[Amount | None]
    tokens: NotRequired[Annotated[int, Field(ge=1, le=2**53)] | None]
    subword_nll: NotRequired[Amount]
    subword_words: NotRequired[Annotated[int, Field(ge=1, le=2**53)]]


@with_config(OPEN)
class ScoreLine(FluencyLine):
    """A line of ``scores.jsonl``. A score is one figure, a ratio's two, or a pooled metric's
    counts. ``released``: those of a sample that goes on behind END with all of its words, as the
    authors' released code scores it."""

    scores: dict[str, _Score]
    released: NotRequired[dict[str, _Score]]


@with_config(OPEN)
class AnnotationLine(TypedDict):
    """A line of ``annotations.jsonl``: what judges said of a text."""

    words: list[str]
    judges: NotRequired[dict[str, str]]
    nll: NotRequired[Amount | None]
    tokens: NotRequired[Whole | None]
    subword_nll: NotRequired[Amount | None]
    tree: NotRequired[str | None]
    tags: NotRequired[list[str] | None]


def sample_fits(record: dict[str, Any]) -> str | None:
    """What is wrong with a sample beside its types."""
    for name in ("index", "chosen") if "of" in record else ():
        if record.get(name, 0) >= record["of"]:
            return f"'{name}': {record[name]} of {record['of']} samples, counted from 0"
    return None


class ScoreFits:
    """What is wrong with the scores of a file beside their types: one that has another shape than
    in the lines before, or an nll without the tokens that it is of. ``fluent``: whether the file
    has lm-scores, as its first line says."""

    def __init__(self) -> None:
        self.shapes: dict[str, int] = {}
        self.fluent: bool | None = None
        self.subwords: bool | None = None

    def __call__(self, record: dict[str, Any]) -> str | None:
        every = [*record.get("scores", {}).items(), *record.get("released", {}).items()]
        for metric, score in every:
            shape = len(score) if isinstance(score, list) else 1
            if self.shapes.setdefault(metric, shape) != shape:
                before = self.shapes[metric]
                return f"'scores.{metric}': {shape} figures, and {before} in the lines before"
        nll, tokens = record.get("nll"), record.get("tokens")
        if self.fluent is None:
            self.fluent = nll is not None
        if self.fluent != (nll is not None):
            return "'nll': some lines have one and some have none"
        if nll is not None and tokens is None:
            return "has no 'tokens'"
        if nll is not None and tokens is not None and nll > LARGEST * tokens:
            return f"'nll': {nll:g} nats for {tokens} tokens is beyond any perplexity"
        pieces, words = record.get("subword_nll"), record.get("subword_words")
        if self.subwords is None:
            self.subwords = pieces is not None
        if self.subwords != (pieces is not None):
            return "'subword_nll': some lines have one and some have none"
        if (pieces is None) != (words is None):
            return f"has no 'subword_{'nll' if pieces is None else 'words'}'"
        if pieces is not None and words is not None and pieces > LARGEST * words:
            return f"'subword_nll': {pieces:g} nats for {words} words is beyond any perplexity"
        return None
