"""The one interface that every way of generating text under control sits behind: a card, which says
what a method is, and a class, which generates. Nothing here imports torch."""

from __future__ import annotations

import hashlib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from tasks import parts
from tasks.base import Target, Task, Text, Words
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.common.recipe import Recipe

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Sample:
    """One generated text.

    ``words``: the text after post-processing (START, END and PAD stripped). ``tokens``: the raw
    output tokens. ``nfe``: network evaluations spent on this sample (a gradient counts as one
    evaluation of the network it differentiates). ``seconds``: its share of the wall time.
    ``log_z``: by methods that weigh what they draw, the log of this sample's unbiased estimate of
    the normalising constant of what it is drawn from, -inf where that is 0; else None.
    """

    index: int
    words: Words
    tokens: Words
    nfe: float
    seconds: float
    log_z: float | None = None


@dataclass(frozen=True)
class TargetSamples:
    """All samples of one target, in index order. ``chosen``: the index of the one that the method
    answers with, where it picks among candidates (infilling); None where each sample counts."""

    target_id: str
    samples: tuple[Sample, ...]
    chosen: int | None = None


@dataclass(frozen=True)
class Frame:
    """A text on its way from noise, at level ``t``, -1 at the end. ``noise``: what is left of it,
    the standard deviation of latents or the share of steps to come; ``words``: one a position."""

    t: int
    noise: float
    words: Words


def stream_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on all its arguments and on nothing else."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def sample_rng(seed: int, method: str, target_id: str, index: int, *uses: str) -> torch.Generator:
    """The random stream of one sample, on the CPU whatever the device; ``uses`` names a further
    stream of it.

    It depends on (seed, method, target, index) alone, so neither the batch size, the order of
    targets, a shard nor a resume changes a sample.
    """
    import torch

    return torch.Generator().manual_seed(stream_seed(seed, method, target_id, index, *uses))


class Plan(Protocol):
    """What a recipe may ask of the run that it is part of."""

    @property
    def config(self) -> Any:
        """The run's settings, every section of them an attribute."""

    @property
    def device(self) -> torch.device: ...

    @property
    def data(self) -> Path | None:
        """The folder of official files."""

    def task(self, name: str) -> Task: ...

    def role(self, role: str, task: str = "") -> Recipe:
        """The recipe of a role, under ``task`` or under the task that the role itself names
        (``classifier:length``). Each is made once."""

    def texts_for(self, task: str) -> Recipe:
        """The corpus with what a task reads of it."""

    def seen(self, texts: Iterable[Text]) -> list[Words]:
        """What a network is trained on: the texts, or windows of stories."""

    def seen_triples(self, texts: Iterable[Text]) -> list[tuple[Words, Words, Words]]:
        """Contexts and middles of stories: left, middle, right."""

    @property
    def window(self) -> dict[str, Any]:
        """What keys say of :meth:`seen`."""


RecipeOf = Callable[[Plan, str], Recipe]
"""(plan, task name) -> the recipe of a role; the task is empty for a role that has none."""


@dataclass(frozen=True)
class Role:
    """Something that generators load and that is built before: a network, a count.

    ``recipe``: "module:function" (or the function itself) beside its training, a
    :data:`RecipeOf`. ``section`` and ``Config``: the keys of its settings and their frozen
    dataclass; ``meaning`` is what ``--help`` says of the section. ``preset``: (preset's name, the
    run's settings so far) -> its settings under that preset. ``check`` refuses (``UserError``) run
    settings that it cannot be trained under. ``title``, ``curve``, ``curve_label``: how figures
    call it, the entries of its training curve to draw, the first that there is, and their meaning.
    ``per_task``: there is one for each task. ``embedding``: the name of its table of words among
    its weights, where figures are to show it. ``bound``: of a network that bounds the likelihood of
    texts, "module:function" of (role, its folder, texts, draws of noise for each, seed, device,
    progress) -> the terms of the bound in nats, (texts,) float64 each, and the texts that fit.
    ``objective``: "module:Class" of what trains a network of words, where that is its bound.
    """

    name: str
    recipe: str | RecipeOf
    section: str = ""
    Config: type | None = None
    preset: Callable[[str, Any], Any] | None = None
    check: Callable[[Any], None] | None = None
    title: str = ""
    curve: tuple[str, ...] = ()
    curve_label: str = "training loss"
    log_scale: bool = False
    per_task: bool = False
    embedding: str = ""
    bound: str = ""
    objective: str = ""

    def make(self, plan: Plan, task: str) -> Recipe:
        """The recipe under ``task``."""
        function = self.recipe
        if isinstance(function, str):
            module, name = function.split(":")
            function = getattr(importlib.import_module(module), name)
        made: Recipe = function(plan, task)
        return made


@dataclass(frozen=True)
class NoSettings:
    """No decoding options."""


#: the comparisons that a method can belong to: tables of control tasks, of sentence infilling
CONTROL, INFILLING = "control", "infilling"
#: whether a generator is told the control, and whether something steers it to the control: the
#: corners of the table of prompting and guidance
CORNERS = PLAIN, PROMPTED, GUIDED, BOTH = "neither", "prompting", "guidance", "both"


@dataclass(frozen=True)
class Card:
    """What a method is, free of torch: command-line keys, tables, figures, ``method=all``, sweeps,
    tuning and estimates are loops over cards, and nothing else names a method.

    ``name``: its folder in results, its section of keys, and part of its random streams.
    ``method``: "module:Class" of its :class:`Generator`; empty for the class of a user's file,
    which brings the card. ``label``: as papers write it. ``paper``: who
    described it, the year, the title. ``order``: its place in tables and lists.
    ``colour``: its place in the figures' palette; None takes a free one. ``Settings``: a frozen
    dataclass of its decoding options, all with defaults. ``uses``: the roles that it loads.
    ``brings``: the roles that it adds to those there are. ``tables``: the comparisons that it
    belongs to. ``group``: what ``method=`` calls it together with others of its kind; methods
    without one are those of ``method=all``, the paper's. ``trained``: it was trained on the very
    control; ``knows_rule``: it knows the metric's rule; tables and figures say either.
    ``reference``: paired tests compare with it. ``floor``: it asks for no control and stands behind
    a table's floor. ``repairs``: it edits what another method wrote (:meth:`editing`), and
    ``repair=`` names it. ``corner``: its family of generators and its place among :data:`CORNERS`,
    where it is one of the family's four in the table of prompting and guidance.

    ``tradeoff``: the key of its section that trades control for fluency. ``step_size``: that of its
    gradient steps' size. ``free``: settings of its section that must be in force for those keys to
    count. ``steps``: the key of its number of steps, where quality depends on it. ``ranges``: key
    -> values that ``eval.tune`` and ``eval.sweep`` try unless they are told others. ``preset``: as
    of a :class:`Role`.
    """

    name: str
    method: str = ""
    label: str = ""
    paper: str = ""
    order: int = 1000
    colour: int | None = None
    Settings: type = NoSettings
    uses: tuple[str, ...] = ()
    brings: tuple[Role, ...] = ()
    tables: frozenset[str] = frozenset({CONTROL})
    group: str = ""
    trained: bool = False
    knows_rule: bool = False
    reference: bool = False
    floor: bool = False
    repairs: bool = False
    corner: tuple[str, str] | None = None
    tradeoff: str = ""
    step_size: str = ""
    free: Mapping[str, str] = field(default_factory=dict)
    steps: str = ""
    ranges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    preset: Callable[[str, Any], Any] | None = None
    version: int = 1

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.name)

    @property
    def contends(self) -> bool:
        """Whether tables may set its figure in bold: it asks for the control, was not trained on
        it and does not know the rule that it is measured by."""
        asks = not self.floor and (self.corner is None or self.corner[1] != PLAIN)
        return asks and not self.trained and not self.knows_rule

    @property
    def apart(self) -> str:
        """What tables and figures say beside its name; empty where there is nothing."""
        said = {"trained on it": self.trained, "knows the rule": self.knows_rule}
        return ", ".join(what for what, holds in said.items() if holds)

    def refuses(self, task: Task) -> str | None:
        """Why it has no cell for ``task`` ("no positional control"), or None."""
        if task.table in self.tables:
            return None
        if self.tables == {INFILLING}:
            return "it fills in sentences only"
        return "it reads controls and no contexts"

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        """The roles that it loads for ``task`` under these decoding options, in load order. A role
        is of the task itself, or of the one after its colon (``discriminator:length``)."""
        return self.uses

    def resolve(self, settings: Any, task: Task | None) -> Any:
        """``settings`` with every default that depends on the task filled in, as stored with the
        samples; the generator takes either."""
        return settings

    def check(self, config: Any, task: Task | None) -> None:
        """Raises ``UserError`` for a run's settings under which it could not fill its cell of
        ``task``: before anything is trained. ``task`` is None for a floor's cell."""

    def room(self, config: Any, task: Task) -> int | None:
        """The most words that a text of it can have under the run's settings; None: any number. By
        default what its settings say of ``max_words``."""
        limit = getattr(getattr(config, self.name, None), "max_words", None)
        return None if task.fills or limit is None else int(limit)

    def editing(self, settings: Any, source: str) -> Any:
        """Of one that repairs: ``settings`` with which it edits the samples of ``source``, a result
        set and a method in it (SET:METHOD); with those of none, to tell settings apart."""
        raise UserError(f"{self.name} edits no samples of other methods")

    def samples(self, settings: Any, asked: int) -> int:
        """How many samples a target gets where ``asked`` are asked for."""
        return asked

    def generator(self) -> type[Generator]:
        """The class, imported now."""
        module, name = self.method.split(":")
        generator_class: type[Generator] = getattr(importlib.import_module(module), name)
        return generator_class


def of_parts(role: str, task: Task) -> tuple[str, ...]:
    """``role`` for a single task, ``role:part`` for each part of a composition."""
    names = parts(task.name)
    return (role,) if len(names) == 1 else tuple(f"{role}:{name}" for name in names)


class Generator(ABC):
    """A way to generate text under a control.

    A subclass has a :class:`Card` as ``card``, and is one file or one folder.
    """

    card: ClassVar[Card]

    @property
    def name(self) -> str:
        """What results call it; part of its random streams."""
        return self.card.name

    @classmethod
    @abstractmethod
    def load(
        cls, folders: Mapping[str, Path], task: Task, settings: Any, device: torch.device
    ) -> Generator:
        """Loads the artefacts that the card needs (role -> folder). Raises ``UserError`` if they do
        not fit together (another vocabulary, padding mode or step count) or are damaged."""

    @abstractmethod
    def generate(
        self,
        targets: Sequence[Target],
        samples_per_target: int,
        seed: int,
        batch: int = 64,
        progress: Progress = silent,
    ) -> Iterator[TargetSamples]:
        """Yields each target's samples as soon as they are complete, in the order of ``targets``,
        as many as the card says (:meth:`Card.samples`).

        ``batch``: how many samples run at once; it changes the speed and never a sample.
        :func:`models.contract.answers` holds what comes to this.
        """

    def trajectory(self, target: Target, seed: int, frames: int) -> list[Frame]:
        """How the first sample of ``target`` comes to be: at most ``frames`` of its states in equal
        distances, from noise to the tokens that :meth:`generate` gives it. Raises ``UserError`` for
        a method that does not go from noise to text."""
        raise UserError(f"{self.card.label} does not go from noise to text")
