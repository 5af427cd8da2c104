"""The command line: ``key=value`` with dots for nested keys, typed by frozen dataclasses.

Nothing here imports torch: ``--help`` and mistyped keys answer at once.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import inspect
import textwrap
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from baselines import GROUPS, METHODS, suited
from eval.running.infilling import BertScoreSection
from eval.running.roles import roles
from models.base import NoSettings
from tasks import COMPOSITIONS, TASKS, load_task, parts
from tasks import suited as suited_tasks
from tasks.common.errors import UserError, unknown
from tasks.common.own import in_file
from tasks.corpora import CORPORA

Config = TypeVar("Config")


@dataclass(frozen=True)
class RunConfig:
    """One run: which tasks, methods and corpus, how many samples. The settings of every network
    and method are sections of :func:`run_config`'s class."""

    #: tasks, separated by commas, or all; a composition is written a+b, and
    #: path/to/file.py:ClassName is one of your own
    task: str = "syntax_spans"
    #: methods, separated by commas, or all (those of the paper) or discrete (the families of
    #: discrete diffusion); path/to/file.py:ClassName is one of your own
    method: str = "all"
    #: demo (minutes on two CPU cores), small (E2E, 5-10 M parameters) or paper (one GPU)
    preset: str = "demo"
    #: grammar (embedded) or e2e; stories (embedded), rocstories or anlg for infilling
    corpus: str = "grammar"
    #: folder of the official corpus files; without it the public source is asked
    data: str | None = None
    #: sentences of a story that a network sees at once; 0: whole stories
    window: int = 0
    #: with a window: any sentences of a story in order, whether or not others lie between them. For
    #: infilling ten threes of a story of five instead of three, the contexts of aNLG (its first and
    #: last sentence) among them; stories that hold both contexts of an item of aNLG are left out
    gaps: bool = False
    #: control targets a task
    targets: int = 200
    #: samples a target
    samples: int = 50
    #: seed of targets and samples
    seed: int = 0
    #: seed of every trained artefact
    train_seed: int = 0
    #: where targets come from: the authors' released lists or drawn from validation texts; auto is
    #: released where the corpus has such a list
    source: Literal["auto", "released", "validation"] = "auto"
    #: the most words that a target may ask for, where targets are drawn from validation texts
    longest: int = 62
    #: unconditional samples behind the floor; 0 leaves it out
    floor: int = 50
    #: what makes them: auto is the one whose networks the run's methods need anyway, if there is
    #: one; or its name
    floor_by: str = "auto"
    #: result folder; by default results/run-PRESET-CORPUS
    out: str | None = None
    #: folder of trained artefacts
    store: str = ".store"
    #: read-only folders of ready artefacts, separated by commas
    prebuilt: str = "results/prebuilt"
    #: auto (a GPU where there is one), cpu, cuda, cuda:1, ...
    device: str = "auto"
    #: samples decoded at once; changes the speed and never a sample
    batch: int = 64
    #: CPU threads; 0 leaves torch's choice
    threads: int = 0
    #: replace stored cells that were made with other settings
    overwrite: bool = False
    #: save and end after so many minutes, with exit code 75; the same command goes on. 0: never
    stop_after: float = 0.0
    bertscore: BertScoreSection = field(default_factory=BertScoreSection)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """A section."""

    def __post_init__(self) -> None:
        for name, least in (
            ("targets", 1),
            ("samples", 1),
            ("batch", 1),
            ("longest", 1),
            ("floor", 0),
        ):
            if getattr(self, name) < least:
                raise UserError(f"{name}={getattr(self, name)}: at least {least}")
        if self.floor_by != "auto" and self.floor_by not in METHODS.floors:
            raise unknown("floor", self.floor_by, ["auto", *METHODS.floors])
        if self.stop_after < 0:
            raise UserError(f"stop_after={self.stop_after}: at least 0 minutes")
        if self.threads < 0:
            raise UserError(f"threads={self.threads}: at least 0")
        if self.corpus not in CORPORA:
            raise unknown("corpus", self.corpus, CORPORA)
        _ = self.methods
        if self.window < 0 or self.window in (1, 2):
            raise UserError(f"window={self.window}: 3 sentences or more, or 0 for whole stories")
        for role in roles().values():
            if role.check is not None and hasattr(self, role.section):
                role.check(self)

    def having(self, **sections: Any) -> Self:
        """The same run with other values of keys and sections."""
        return dataclasses.replace(self, **sections)

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks asked for. Raises ``UserError`` for an unknown one."""
        names = [name.strip() for name in self.task.split(",")]
        every = suited_tasks(self.corpus) if "all" in names else ()
        names = [one for name in names for one in (every if name == "all" else [name])]
        names = ["+".join(parts(name)) if "+" in name or in_file(name) else name for name in names]
        also = [*TASKS.own, *(name for name in names if "+" in name)]
        return _names("task", ",".join(names), [*TASKS, *COMPOSITIONS], also)

    @property
    def methods(self) -> list[str]:
        """Names of the methods asked for. Raises ``UserError`` for an unknown one."""
        names = [METHODS.name(name.strip()) for name in self.method.split(",")]
        tasks = [load_task(name) for name in self.tasks]
        every = {group: suited(tasks, group) for group in GROUPS if group in names}
        names = [one for name in names for one in every.get(name, [name])]
        return _names("method", ",".join(names), list(METHODS), METHODS.own, GROUPS[1:])

    @property
    def folder(self) -> Path:
        """Where the result set is stored."""
        return Path(self.out or f"results/run-{self.preset}-{self.corpus}")


def _names(
    what: str, text: str, valid: Sequence[str], also: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> list[str]:  # fmt: skip
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UserError(f"{what}= names nothing: choose from {', '.join(valid)} or all")
    for name in names:
        if name not in valid and name not in also:
            raise unknown(what, name, [*valid, "all", *groups])
    return list(dict.fromkeys(names))


def run_config() -> type[RunConfig]:
    """:class:`RunConfig` with a section for each role and method that has settings, those that come
    from files among them. Raises ``UserError`` for a method that is called as another key is."""
    sections: dict[str, type] = {}
    for role in roles().values():
        if role.section and role.Config is not None:
            sections.setdefault(role.section, role.Config)
    for card in METHODS.cards:
        if card.Settings is not NoSettings:
            if card.name in sections or card.name in RunConfig.__dataclass_fields__:
                raise UserError(f"a method cannot be called '{card.name}', as a key is")
            sections[card.name] = card.Settings
    return _with_sections(tuple(sections.items()))


@functools.cache
def _with_sections(sections: tuple[tuple[str, type], ...]) -> type[RunConfig]:
    fields = [(name, cls, field(default_factory=cls)) for name, cls in sections]
    made: type[RunConfig] = dataclasses.make_dataclass(
        "RunSettings", fields, bases=(RunConfig,), frozen=True
    )
    return made


def pairs(arguments: Sequence[str], cls: type) -> dict[str, str]:
    """``key=value`` arguments for the config dataclass ``cls``, its keys not checked yet."""
    given: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            near = difflib.get_close_matches(argument, list(keys(cls)), n=1, cutoff=0.4)
            hint = near[0] if near else next(iter(keys(cls)))
            raise UserError(f"argument '{argument}' is not of the form key=value (as {hint}=...)")
        if name in given:
            raise UserError(f"{name} is given twice: '{given[name]}' and '{value}'")
        given[name] = value
    return given


def override(base: Config, given: dict[str, str]) -> Config:
    """``base``, a frozen dataclass, with the given dotted keys replaced."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    config = OmegaConf.structured(base)
    valid = dict(keys(type(base)))
    for name, value in given.items():
        if name not in valid:
            raise _unknown_key(name, valid)
        change: Any = value
        if valid[name].type == "str":  # as it stands, whatever YAML would make of it
            for part in reversed(name.split(".")):
                change = {part: change}
        try:
            if isinstance(change, str):
                change = OmegaConf.from_dotlist([f"{name}={value}"])
            config = OmegaConf.merge(config, change)
        except (OmegaConfBaseException, YAMLError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{name}={value}: {reason} (expected {valid[name].type})") from None
    resolved = OmegaConf.to_object(config)
    assert isinstance(resolved, type(base))
    return resolved


def _unknown_key(name: str, valid: dict[str, Key]) -> UserError:
    if any(key.startswith(name + ".") for key in valid):
        inner = next(key for key in valid if key.startswith(name + "."))
        return UserError(f"'{name}' is a section: set its keys, as {inner}=...")
    # A key of the same section is nearer than a like-sounding one elsewhere.
    section = name.rpartition(".")[0]
    like = [key for key in valid if section and key.rpartition(".")[0] == section]
    near = difflib.get_close_matches(name, like or list(valid), n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return UserError(f"unknown key '{name}': {hint}(--help lists every key)")


@dataclass(frozen=True)
class Key:
    """One settable key: its type, default and meaning in words."""

    type: str
    default: Any
    meaning: str


def keys(cls: type, base: Any = None, prefix: str = "") -> dict[str, Key]:
    """Every dotted key of a config dataclass, in order."""
    return dict(_keys(cls, base if base is not None else cls(), prefix))


def _keys(cls: type, base: Any, prefix: str) -> Iterator[tuple[str, Key]]:
    hints = typing.get_type_hints(cls)
    meanings = _comments(cls)
    for part in dataclasses.fields(cls):
        value = getattr(base, part.name)
        if dataclasses.is_dataclass(value):
            yield from _keys(type(value), value, f"{prefix}{part.name}.")
        else:
            meaning = meanings.get(part.name, part.name.replace("_", " "))
            yield prefix + part.name, Key(_type_name(hints[part.name]), value, meaning)


def _type_name(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return "|".join(map(str, typing.get_args(hint)))
    if isinstance(hint, type):
        return hint.__name__
    return str(hint).replace(" | None", " or null")


@functools.cache
def _comments(cls: type) -> dict[str, str]:
    """What is said of each field of a dataclass: ``#:`` lines above it, or a string below it."""
    comments: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        held: list[str] = []
        try:
            source = textwrap.dedent(inspect.getsource(base))
        except (OSError, TypeError):  # a class that was made, not written
            continue
        for line in source.splitlines():
            text = line.strip()
            if text.startswith("#:"):
                held.append(text.removeprefix("#:").strip())
            elif held:
                comments[text.split(":")[0]] = " ".join(held)
                held = []
        field_name = ""
        for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                field_name = node.target.id
            elif field_name and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                comments[field_name] = " ".join(str(node.value.value).split())
    return comments


def as_dict(config: Any) -> dict[str, Any]:
    """A config as plain nested data, for storing."""
    return dataclasses.asdict(config)


def key_list(base: Any) -> str:
    """Every key of a config with its type, its value in ``base`` and its meaning."""
    lines = []
    section = ""
    for name, key in keys(type(base), base).items():
        top = name.split(".")[0] if "." in name else ""
        if top != section:
            section = top
            doc = inspect.getdoc(type(getattr(base, top))) or ""
            lines.append(f"\n{top}: {doc.splitlines()[0] if doc else ''}")
        default = "null" if key.default is None else key.default
        lines.append(f"  {name} ({key.type}) = {default}\n      {key.meaning}")
    return "\n".join(lines)
