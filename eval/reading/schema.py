"""What the files hold that studies leave beside a result set, each said once
(see :mod:`tasks.common.schema`), and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, Field, with_config
from typing_extensions import TypedDict

from tasks.common.errors import UserError
from tasks.common.schema import OPEN, Amount, Named, Real, Whole
from tasks.controls import Control, from_json

#: positions of a trajectory that a picture has room for
POSITIONS = 512


Share = Annotated[float, Field(ge=0, le=1)]
Perplexity = Annotated[float, Field(ge=0, le=1e300)]
#: a figure and its interval
Triple = Annotated[list[Real], Field(min_length=3, max_length=3)]
Positive = Annotated[int, Field(ge=1, le=10**9)]


@with_config(OPEN)
class _Variant(TypedDict):
    group: str
    variant: str
    dim: Positive
    ppl: Perplexity
    low: Perplexity
    high: Perplexity
    layers: NotRequired[Whole]
    width: NotRequired[Whole]
    steps: NotRequired[Whole]


@with_config(OPEN)
class Ablation(TypedDict):
    """``ablation.json``, of ``eval.ablation``."""

    variants: list[_Variant]


def _stepped(points: list[dict[str, float]]) -> list[dict[str, float]]:
    for number, point in enumerate(points):
        if "step" not in point:
            raise ValueError(f"point {number} has no 'step'")
    return points


def _levelled(points: list[dict[str, float]]) -> list[dict[str, float]]:
    for number, point in enumerate(points):
        if "level" not in point or not point.keys() - {"level", "alpha_bar"}:
            raise ValueError(f"point {number} has no 'level', or no figure of it")
        if point.keys() != points[0].keys():
            raise ValueError(f"point {number} has other figures than the first")
    return points


Curve = Annotated[list[dict[str, Real]], AfterValidator(_stepped)]
Noise = Annotated[list[dict[str, Real]], AfterValidator(_levelled)]


@with_config(OPEN)
class Trained(TypedDict):
    """What is collected of a trained artefact."""

    kind: str
    tasks: list[str]
    curve: Curve
    noise: Noise


@with_config(OPEN)
class Curves(TypedDict):
    """``curves.json``, of ``eval.collect``."""

    artefacts: dict[str, Trained]
    missing: NotRequired[list[str]]


@with_config(OPEN)
class _Point(TypedDict):
    word: str
    tag: str
    x: Real
    y: Real


@with_config(OPEN)
class Embedding(TypedDict):
    """``embedding.json``, of ``eval.collect``."""

    points: list[_Point]


@with_config(OPEN)
class _Term(TypedDict):
    label: str
    nats: Real
    bits: Real
    low: NotRequired[Real]
    high: NotRequired[Real]
    term: str


@with_config(OPEN)
class _Model(TypedDict):
    model: str
    label: str
    nats: Real
    bits: Real
    low: NotRequired[Real]
    high: NotRequired[Real]
    terms: NotRequired[list[_Term]]


@with_config(OPEN)
class Likelihood(TypedDict):
    """``likelihood.json``, of ``eval.likelihood``."""

    models: list[_Model]
    notes: list[str]


@with_config(OPEN)
class _SweepPoint(TypedDict):
    """``distinct2``: of ``samples`` samples, as many as of each row of the set's table; ``length``:
    mean words of a text. Earlier versions stored none of the three."""

    task: str
    method: str
    ctrl: Triple
    lm: Triple
    key: str
    value: Real
    nfe: NotRequired[Amount | None]
    seconds: NotRequired[Amount | None]
    distinct2: NotRequired[Share | None]
    samples: NotRequired[Whole]
    length: NotRequired[Amount | None]


@with_config(OPEN)
class Sweep(TypedDict):
    """``sweep.json``, of ``eval.sweep``."""

    points: list[_SweepPoint]


@with_config(OPEN)
class _Frame(TypedDict):
    t: Annotated[int, Field(ge=-1, le=10**9)]
    std: Amount
    words: Annotated[list[str], Field(max_length=POSITIONS)]


def _ends(frames: list[Any]) -> list[Any]:
    if not frames[-1]["words"]:
        raise ValueError("the last frame has no word")
    return frames


@with_config(OPEN)
class Trajectory(TypedDict):
    """``trajectory.json``, of ``eval.trajectory``."""

    control: dict[str, Any]
    frames: Annotated[list[_Frame], Field(min_length=1, max_length=10_000), AfterValidator(_ends)]


@with_config(OPEN)
class _Rated(TypedDict):
    score: Real
    low: Real
    high: Real


@with_config(OPEN)
class Ratings(TypedDict):
    """``human_ratings.json``, of ``eval.human import``."""

    methods: dict[str, _Rated]


class _Item(TypedDict):
    """Nats and words of the left context, the middle and the right context; nats of a part are
    given the parts before it. ``copied``: whether the middle is a sentence of a training text, or
    one of the item's contexts, word for word."""

    nats: Annotated[list[Amount], Field(min_length=3, max_length=3)]
    words: Annotated[list[Whole], Field(min_length=3, max_length=3)]
    copied: bool


@with_config(OPEN)
class _Reader(TypedDict):
    """What one language model said of the stories of each row. ``model``: its name; ``id``: the key
    of its artefact; ``digests``: of the stories of a row. ``skipped``: row -> why it was not
    asked."""

    model: Named
    id: str
    rows: dict[str, Annotated[dict[str, _Item], Field(min_length=1)]]
    digests: dict[str, str]
    distinct2: dict[str, Real | None]
    skipped: dict[str, str]


class InContext(TypedDict):
    """``in_context.json``, of ``eval.in_context``."""

    readers: list[_Reader]


@with_config(OPEN)
class _Pair(TypedDict):
    target: str
    a: str
    b: str
    digest: str


@with_config(OPEN)
class RatingKey(TypedDict):
    """``NAME.key.json``, of ``eval.human export``."""

    run: str
    methods: list[str]
    seed: int
    pairs: dict[str, _Pair]


@with_config(OPEN)
class TunePoint(TypedDict):
    """A line of ``points.jsonl``, of ``eval.tune``; the figures stand beside."""

    point: dict[str, str]
    under: dict[str, Any]


def control_of(path: Path, stored: Mapping[str, Any]) -> Control:
    """The control of a stored trajectory. Raises ``UserError`` naming the file."""
    try:
        return from_json(stored["control"])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
